"""The affine map."""

from torch import Tensor

from fathom.errors import ShapeError


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x · weightᵀ + bias.

    Args:
        x: `(..., in_features)`.
        weight: `(out_features, in_features)`.
        bias: `(out_features,)`.

    Returns:
        `(..., out_features)`.

    Raises:
        ShapeError: the last axis of `x` is not `in_features` long.

    Twin: `torch.nn.functional.linear`.
    """
    if x.dim() == 0 or x.shape[-1] != weight.shape[-1]:
        raise ShapeError(f"x: expected (..., {weight.shape[-1]}), got {tuple(x.shape)}")
    y = x @ weight.mT
    return y if bias is None else y + bias
