"""The parameter: a tensor that a module owns and an optimiser changes."""

from typing import Any

from fathom.autograd.tensor import Tensor, as_array


class Parameter(Tensor):
    """A leaf tensor that modules list. Twin: `torch.nn.Parameter`.

    Args:
        data: an array or tensor, shared, not copied.
    """

    __slots__ = ()

    def __init__(self, data: Any, requires_grad: bool = True) -> None:
        self._start(as_array(data))
        if requires_grad:
            self.requires_grad_()

    def __repr__(self) -> str:
        return f"Parameter({super().__repr__()})"
