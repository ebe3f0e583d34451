"""Gradients brought down to a size: all together by their norm, or each number by itself."""

from collections import defaultdict
from collections.abc import Iterable

import torch
from torch import Tensor

from fathom.errors import FathomError, InputError


@torch.no_grad()
def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor], max_norm: float, norm_type: float = 2.0, error_if_nonfinite: bool = False
) -> Tensor:
    """Shrink all gradients by one factor, in place, so that their common norm is at most `max_norm`.

    `g ← min(1, max_norm / (‖g‖ + 1e-6)) g`, where g is every gradient as one long vector. The direction stays.

    Twin: `torch.nn.utils.clip_grad_norm_`. Source: Pascanu, Mikolov and Bengio 2013, arXiv 1211.5063, section 3.2.

    Args:
        parameters: those whose `.grad` is clipped; the ones without a gradient are passed over.
        max_norm: at least 0.
        norm_type: p of the norm, above 0; `inf` for the largest number.
        error_if_nonfinite: refuse a norm that is NaN or infinite, instead of spreading it over all gradients.

    Returns:
        The norm before, a scalar.

    Raises:
        FathomError: the norm is not finite, with `error_if_nonfinite`.
    """
    if not max_norm >= 0 or not norm_type > 0:
        raise InputError(f"max_norm, norm_type: expected at least 0 and above 0, got {max_norm:g} and {norm_type:g}")
    gradients = _gradients(parameters)
    if not gradients:
        return torch.tensor(0.0)
    norms = [norm for group in _by_device(gradients) for norm in torch._foreach_norm(group, norm_type)]
    total = torch.linalg.vector_norm(torch.stack([norm.to(norms[0].device) for norm in norms]), norm_type)
    if error_if_nonfinite and not total.isfinite():
        raise FathomError(f"the gradients' norm is {total.item()}; lower the learning rate or look at the data")
    scale = (max_norm / (total + 1e-6)).clamp(max=1.0)  # applied even if it is 1: to ask would wait for the device
    for group in _by_device(gradients):
        torch._foreach_mul_(group, scale.to(group[0].device))
    return total


@torch.no_grad()
def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float) -> None:
    """Bring every number of every gradient into `[-clip_value, clip_value]`, in place. The direction may change.

    Twin: `torch.nn.utils.clip_grad_value_`.

    Args:
        parameters: those whose `.grad` is clipped; the ones without a gradient are passed over.
        clip_value: at least 0.
    """
    if not clip_value >= 0:
        raise InputError(f"clip_value: expected a number at least 0, got {clip_value:g}")
    for group in _by_device(_gradients(parameters)):
        torch._foreach_clamp_min_(group, -clip_value)
        torch._foreach_clamp_max_(group, clip_value)


def _gradients(parameters: Tensor | Iterable[Tensor]) -> list[Tensor]:
    listed = [parameters] if isinstance(parameters, Tensor) else parameters
    return [parameter.grad for parameter in listed if parameter.grad is not None]


def _by_device(gradients: list[Tensor]) -> list[list[Tensor]]:
    """Tensors that one multi-tensor operation can take: of one device and one dtype."""
    groups: dict[tuple[torch.device, torch.dtype], list[Tensor]] = defaultdict(list)
    for gradient in gradients:
        groups[gradient.device, gradient.dtype].append(gradient)
    return list(groups.values())
