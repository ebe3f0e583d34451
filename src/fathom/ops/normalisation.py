"""Normalisation: mean 0 and variance 1 over a batch, an example or a group of channels, then scale and shift."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from fathom.errors import InputError, ShapeError


def batch_norm(
    x: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
    *,
    biased_running_variance: bool = False,
) -> Tensor:
    """Normalise each channel over the batch and all places.

    Args:
        x: `(batch, channels, ...)`.
        running_mean: `(channels,)`; used if not `training`, else changed in place, as the twin does.
        running_var: `(channels,)`, likewise.
        weight: `(channels,)`, the scale.
        bias: `(channels,)`, the shift.
        training: whether the batch's own mean and variance are used.
        momentum: the share, 0 to 1, that this batch has in the running statistics from now on.
        eps: added to the variance, so in squared units of the input.
        biased_running_variance: let the running variance be that of the batch, divided by the count n. The twin's is
            the estimate of the population's, divided by n - 1; the book's is the biased one.

    Returns:
        The shape of `x`.

    Raises:
        ShapeError: there are no channels, or others than the running statistics have; in training, fewer than two
            numbers a channel.
        InputError: not `training`, and no running statistics.

    Twin: `torch.nn.functional.batch_norm`. Source: Ioffe and Szegedy 2015, arXiv 1502.03167, algorithm 1; Dive into
    Deep Learning, "Batch Normalization".
    """
    channels = _channels(x, *(given for given in (running_mean, running_var, weight, bias) if given is not None))
    if not training:
        if running_mean is None or running_var is None:
            raise InputError("running_mean, running_var: expected both unless training, got None; give training=True")
        x = (x - _along(running_mean, x)) * _along((running_var + eps).rsqrt(), x)
        return _scale_and_shift(x, weight, bias)
    count = x.numel() // channels
    if count < 2:
        raise ShapeError(f"x: expected at least two numbers a channel to take a variance of, got {tuple(x.shape)}")
    normalised, mean, variance = _standardise(x, (0, *range(2, x.dim())), eps)
    with torch.no_grad():
        if running_mean is not None:
            running_mean.lerp_(mean.flatten().to(running_mean.dtype), momentum)
        if running_var is not None:
            correction = 1.0 if biased_running_variance else count / (count - 1)
            running_var.lerp_(variance.flatten().to(running_var.dtype) * correction, momentum)
    return _scale_and_shift(normalised, weight, bias)


def layer_norm(
    x: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Normalise each example over its last axes.

    Args:
        x: `(..., *normalized_shape)`.
        normalized_shape: of the axes over which mean and variance are taken.
        weight: `normalized_shape`, the scale.
        bias: `normalized_shape`, the shift.
        eps: added to the variance, so in squared units of the input.

    Returns:
        The shape of `x`.

    Raises:
        ShapeError: the last axes of `x` are others.

    Twin: `torch.nn.functional.layer_norm`. Source: Ba, Kiros and Hinton 2016, arXiv 1607.06450, equation 4.
    """
    shape = tuple(normalized_shape)
    if not shape or tuple(x.shape[-len(shape) :]) != shape:
        raise ShapeError(f"x: expected (..., {', '.join(map(str, shape))}), got {tuple(x.shape)}")
    y, _, _ = _standardise(x, tuple(range(-len(shape), 0)), eps)
    y = y if weight is None else y * weight
    return y if bias is None else y + bias


def group_norm(
    x: Tensor, num_groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    """Normalise each example over each group of neighbouring channels and all places.

    Args:
        x: `(batch, channels, ...)`.
        num_groups: divides the channels; 1 takes all together, `channels` each alone (instance normalisation).
        weight: `(channels,)`, the scale.
        bias: `(channels,)`, the shift.
        eps: added to the variance, so in squared units of the input.

    Returns:
        The shape of `x`.

    Raises:
        ShapeError: there are no channels, or not so many that groups of equal size can be made.

    Twin: `torch.nn.functional.group_norm`. Source: Wu and He 2018, arXiv 1803.08494, equation 7.
    """
    channels = _channels(x, *(given for given in (weight, bias) if given is not None))
    if num_groups < 1 or channels % num_groups:
        raise ShapeError(f"x: expected channels in {num_groups} groups of equal size, got {tuple(x.shape)}")
    grouped = x.reshape(x.shape[0], num_groups, -1)
    return _scale_and_shift(_standardise(grouped, (-1,), eps)[0].reshape(x.shape), weight, bias)


def _standardise(x: Tensor, axes: tuple[int, ...], eps: float) -> tuple[Tensor, Tensor, Tensor]:
    """`x` with mean 0 and variance 1 over `axes`; the mean and the biased variance, `axes` kept as 1."""
    return _Standardise.apply(x, axes, eps)


def _channels(x: Tensor, *given: Tensor) -> int:
    if x.dim() < 2:
        raise ShapeError(f"x: expected (batch, channels, ...), got {tuple(x.shape)}")
    for tensor in given:
        if tensor.shape != (x.shape[1],):
            raise ShapeError(f"x: expected (batch, {len(tensor)}, ...), got {tuple(x.shape)}")
    return x.shape[1]


def _scale_and_shift(x: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    x = x if weight is None else x * _along(weight, x)
    return x if bias is None else x + _along(bias, x)


def _along(values: Tensor, x: Tensor) -> Tensor:
    """`(channels,)` in a shape that broadcasts along axis 1 of `x`."""
    return values.reshape(-1, *(1,) * (x.dim() - 2))


class _Standardise(Function):
    """By hand because autograd would keep and pass over five tensors of the size of `x`; this keeps one.

    With m and v the mean and variance of x, y = (x - m) / √(v + ε), and a bar for the mean over the axes, the gradient
    g of y becomes (g - ḡ - y · mean(g · y)) / √(v + ε). Source: Ioffe and Szegedy 2015, section 3, rearranged.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, axes: tuple[int, ...], eps: float) -> tuple[Tensor, Tensor, Tensor]:
        mean = x.mean(axes, keepdim=True)
        centred = x - mean
        variance = centred.square().mean(axes, keepdim=True)
        return centred.mul_((variance + eps).rsqrt()), mean, variance

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor, Tensor]) -> None:
        _, ctx.axes, ctx.eps = inputs
        y, mean, variance = output
        ctx.save_for_backward(y, variance)
        ctx.mark_non_differentiable(mean)
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx: Any, g: Tensor | None, _: None, of_variance: Tensor | None) -> tuple[Tensor | None, None, None]:
        y, variance = ctx.saved_tensors
        inner = torch.zeros_like(y) if g is None else g
        if g is not None:
            along_y = (g * y).mean(ctx.axes, keepdim=True)
            inner = g - g.mean(ctx.axes, keepdim=True)
            inner = inner.sub_(y * along_y).mul_((variance + ctx.eps).rsqrt())
        if of_variance is not None:  # only where derivatives are themselves differentiated
            inner = inner + y * ((variance + ctx.eps).sqrt() * of_variance * (2 * variance.numel() / y.numel()))
        return inner, None, None
