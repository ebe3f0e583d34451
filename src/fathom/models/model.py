"""What a model with a forward of its own inherits: it becomes a module of the namespace that it is built from."""

import functools
import importlib
import inspect
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch

from fathom import autograd

if TYPE_CHECKING:
    from torch.nn import Module as Base
else:
    Base = object


class Model(Base):
    """A module of whichever rung its `nn` is of.

    A subclass takes `nn` as a keyword and builds its parts from it; its forward uses tensor methods,
    `self.nn.functional` and `concatenate`, and holds constants by `self.constant`. Then one definition runs on all
    rungs:

        class Residual(Model):
            def __init__(self, features, *, nn=torch.nn):
                super().__init__()
                self.linear = nn.Linear(features, features)

            def forward(self, x):
                return x + self.linear(x).relu()

        Residual(5)                         # is a torch.nn.Module
        Residual(5, nn=fathom.autograd.nn)  # is a module of the NumPy engine

    What comes out is an instance of a class made once for each model and namespace, which derives from both;
    `isinstance` holds for `Residual` and for the namespace's `Module`, and pickle, deepcopy, compile and export work.
    """

    nn: ClassVar[Any]

    def __init_subclass__(cls) -> None:
        """Show the constructor's own arguments to whoever asks for the class's signature."""
        _, *arguments = inspect.signature(cls.__init__).parameters.values()
        cls.__signature__ = inspect.Signature(arguments)  # type: ignore[attr-defined]

    def __new__(cls, *args: Any, nn: Any = torch.nn, **kwargs: Any) -> Any:
        """An instance of the class for this namespace; Python then calls its `__init__`."""
        written: Any = cls
        return object.__new__(written if "nn" in vars(written) else _bound(written, nn))

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        """How to copy and pickle it: by the class as written and the namespace's name."""
        written = type(self).__bases__[0]
        return _unbuilt, (written, self.nn.__name__), self.__getstate__()

    def constant(self, name: str, array: np.ndarray[Any, Any], persistent: bool = False) -> None:
        """Hold `array` (a mask, a table of sinusoids) as the tensor `self.name`.

        It moves with the model between devices and dtypes, and is part of the state dict only if `persistent`.
        """
        on_torch = issubclass(self.nn.Module, torch.nn.Module)
        tensor: Any = torch.from_numpy(array) if on_torch else autograd.from_numpy(array)
        self.register_buffer(name, tensor, persistent=persistent)


def concatenate(tensors: Any, dim: int) -> Any:
    """Tensors of any rung, one after the other along an axis."""
    return torch.cat(tensors, dim) if isinstance(tensors[0], torch.Tensor) else autograd.cat(tensors, dim)


def padded(x: Any, widths: tuple[int, ...]) -> Any:
    """A tensor of any rung with a border of zeros.

    Args:
        x: `(..., height, width)`.
        widths: pixels at the left, right, top and bottom.
    """
    return torch.nn.functional.pad(x, widths) if isinstance(x, torch.Tensor) else autograd.pad(x, widths)


@functools.cache
def _bound(written: Any, nn: Any) -> Any:
    names = ("__module__", "__qualname__", "__doc__")
    return type(written.__name__, (written, nn.Module), {"nn": nn, **{name: getattr(written, name) for name in names}})


def _unbuilt(written: Any, namespace: str) -> Any:
    return object.__new__(_bound(written, importlib.import_module(namespace)))
