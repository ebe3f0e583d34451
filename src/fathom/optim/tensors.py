"""Many tensors that answer to the methods of one."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor


class Tensors:
    """Tensors of one device and dtype under `torch.Tensor`'s method names, each method done to all in one call.

    An update rule is written once, with tensor methods. Given a tensor it changes that; given `Tensors` it changes
    them all by `torch._foreach_*`, which on an accelerator starts one kernel where a loop would start hundreds.

    Args:
        each: the tensors, of any shapes.

    An argument may be `Tensors` of the same shapes, a number, or a tensor `(len(each),)` with a number for each.

    >>> x = Tensors([torch.ones(2), torch.ones(3)])
    >>> x.mul_(3).add(x, alpha=2).norm()
    tensor([12.7279, 15.5885])
    """

    __slots__ = ("each",)

    def __init__(self, each: Sequence[Tensor]) -> None:
        self.each = list(each)

    def __getattr__(self, name: str) -> Callable[..., "Tensors"]:
        function = getattr(torch, f"_foreach_{name}")

        def method(*arguments: Any, **options: Any) -> Tensors:
            result = function(self.each, *map(_plain, arguments), **options)
            return self if name.endswith("_") else Tensors(result)

        return method

    def norm(self) -> Tensor:
        """The Euclidean norm of each, `(len(each),)`."""
        return torch.stack(torch._foreach_norm(self.each))

    def clone(self) -> "Tensors":
        """Copies."""
        return Tensors([tensor.clone() for tensor in self.each])


def _plain(argument: Any) -> Any:
    """What `torch._foreach_*` takes: lists of tensors, lists of numbers, numbers."""
    if isinstance(argument, Tensors):
        return argument.each
    return argument.tolist() if isinstance(argument, Tensor) else argument
