"""A border of one value around the last axes."""

from collections.abc import Sequence

from torch import Tensor

from fathom.ops.windows import last


def pad(x: Tensor, before: Sequence[int], after: Sequence[int], value: float = 0.0) -> Tensor:
    """`x` with a border of `value` around its last axes.

    Args:
        x: `(..., *sizes)`.
        before: entries added in front, one count for each of the last axes, in their order.
        after: entries added behind, likewise.
        value: what the border is filled with.

    Returns:
        `(..., *sizes)` with each size grown by its `before + after`; `x` itself if they are all zero.
    """
    if not any(before) and not any(after):
        return x
    sizes = x.shape[-len(before) :]
    grown = [size + front + back for size, front, back in zip(sizes, before, after, strict=True)]
    padded = x.new_full((*x.shape[: -len(before)], *grown), value)
    middle = tuple(slice(front, front + size) for size, front in zip(sizes, before, strict=True))
    padded[last(*middle)] = x
    return padded
