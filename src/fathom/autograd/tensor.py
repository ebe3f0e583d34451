"""The tensor: an array, and its place in the graph."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from fathom.autograd.errors import DtypeError, GradientError, ShapeError
from fathom.autograd.methods import Arithmetic
from fathom.autograd.node import Edge, Leaf, Node, Storage
from fathom.autograd.operations.indexing import filled
from fathom.autograd.promotion import cast, operand
from fathom.autograd.state import STATE
from fathom.autograd.table import RECORDED

Array = np.ndarray[Any, Any]


class Tensor(Arithmetic):
    """A NumPy array that remembers where it came from. Twin: `torch.Tensor`, whose names its methods bear.

    Args:
        data: an array (shared, not copied), number, or nested list; Python floats become float32.
        dtype: NumPy's name for it; by default that of the data.
        requires_grad: shall operations on it be recorded?

    `array` is the NumPy array itself, always there, whatever the graph says. Writing to it is seen by no one: use the
    methods with an underscore, which count versions.
    """

    __slots__ = ("_grad", "_leaf", "array", "dual", "is_view", "node", "rebases", "requires_grad", "storage")
    __array_priority__ = 1000  # NumPy leaves array * tensor to the tensor

    def __init__(self, data: Any, dtype: Any = None, requires_grad: bool = False) -> None:
        self._start(as_array(data, dtype))
        if requires_grad:
            self.requires_grad_()

    def _start(self, array: Array) -> None:
        self.array = array
        self.requires_grad = False
        self.node: Node | None = None
        self.storage = Storage()
        self.rebases = 0
        self.is_view = False
        self.dual: tuple[int, Tensor, Tensor] | None = None
        self._leaf: Leaf | None = None
        self._grad: Tensor | None = None

    @classmethod
    def wrap(cls, array: Array) -> "Tensor":
        """A plain tensor around an array, without any check."""
        new = Tensor.__new__(Tensor)
        new._start(array)
        return new

    # What it is.

    @property
    def is_leaf(self) -> bool:
        """Did no recorded operation make it?"""
        return self.node is None

    @property
    def grad(self) -> "Tensor | None":
        """What `backward` has added up so far."""
        return self._grad

    @grad.setter
    def grad(self, value: "Tensor | None") -> None:
        if value is not None and value.shape != self.shape:
            raise ShapeError(f"grad: expected shape {self.shape}, that of the tensor, got {value.shape}")
        self._grad = value

    def numpy(self) -> Array:
        """The array, shared; GradientError if the tensor requires gradients, for NumPy would not record."""
        if self.requires_grad:
            raise GradientError(
                "numpy: this tensor requires gradients, which NumPy cannot follow; use detach().numpy()"
            )
        return self.array

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        array = self.numpy()
        return array.astype(dtype) if dtype is not None and dtype != array.dtype else array

    def item(self) -> Any:
        """The only element, as a Python number."""
        if self.array.size != 1:
            raise ShapeError(f"item: expected one element, got shape {self.shape}; reduce it or index it first")
        return self.array.item()

    def tolist(self) -> Any:
        """Nested lists of Python numbers."""
        return self.array.tolist()

    # Its place in the graph.

    def edge(self) -> Edge:
        """Where its gradient goes: the node that made it, or itself."""
        if self.is_view and self.rebases != self.storage.rebases:
            raise GradientError(
                f"a view of shape {self.shape} was taken before its tensor was changed in place; take the view again"
            )
        if self.node is not None:
            return self.node
        if self._leaf is None:
            self._leaf = Leaf(self)
        return self._leaf

    def requires_grad_(self, requires_grad: bool = True) -> "Tensor":
        """Ask for gradients, or stop asking; DtypeError for integers and booleans, which have none."""
        if requires_grad and self.dtype.kind != "f":
            raise DtypeError(
                f"requires_grad: a tensor of {self.dtype} and shape {self.shape} has no gradient; make it float first"
            )
        if not requires_grad and self.node is not None:
            raise GradientError("requires_grad: only a leaf can stop requiring gradients; use detach()")
        self.requires_grad = requires_grad
        return self

    def detach(self) -> "Tensor":
        """The same values outside the graph; memory and versions are shared."""
        new = Tensor.wrap(self.array)
        new.storage = self.storage
        return new

    @property
    def data(self) -> "Tensor":
        """The same as `detach()`."""
        return self.detach()

    def backward(
        self, gradient: "Tensor | None" = None, retain_graph: bool | None = None, create_graph: bool = False
    ) -> None:
        """Add to the `grad` of every leaf the gradient of this tensor with respect to it.

        Args:
            gradient: the seed, of this tensor's shape; 1 for a single element.
            retain_graph: keep the buffers, to come through again; by default only with `create_graph`.
            create_graph: record the backward pass, so that gradients have gradients.
        """
        from fathom.autograd.reverse import backward  # reverse.py needs this class

        backward(self, gradient, retain_graph, create_graph)

    # Changes in place.

    def _change(self, what: str, new: "Tensor | None", array: Any, where: Any = ...) -> "Tensor":
        """Write `array` to this tensor; `new` is the same change as a recorded operation."""
        if new is not None:
            if self.node is None and self.requires_grad:
                raise GradientError(f"{what}: in place on a leaf that requires gradients; do it inside no_grad()")
            if self.is_view:
                raise GradientError(
                    f"{what}: in place on a view that gradients go through; change the whole, or a clone()"
                )
            self.node, self.requires_grad = new.node, new.requires_grad
            self.storage.rebases += 1
        self.array[where] = array
        self.storage.version += 1
        return self

    def _in_place(self, name: str, function: Any, other: Any) -> "Tensor":
        if STATE.recording and (self.requires_grad or (isinstance(other, Tensor) and other.requires_grad)):
            before = self if name in ("add_", "sub_") or self.node is None else self._copy_in_place_of()
            new = function(before, cast(operand(other, self), self.dtype))
            self._fits(name, new.shape)
            return self._change(name, new, new.array)
        value = other.array if isinstance(other, Tensor) else other
        self._fits(name, np.broadcast_shapes(self.shape, np.shape(value)))
        ufunc = {"add_": np.add, "sub_": np.subtract, "mul_": np.multiply, "div_": np.true_divide}[name]
        ufunc(self.array, value, out=self.array, casting="same_kind")
        self.storage.version += 1
        return self

    def _copy_in_place_of(self) -> "Tensor":
        """The same place in the graph with a copy of the values, for derivatives that need what is overwritten."""
        return RECORDED.remembered(self.array.copy(), self.node, Storage(), self.dual)

    def _fits(self, name: str, shape: tuple[int, ...]) -> None:
        if shape != self.shape:
            raise ShapeError(
                f"{name}: a tensor of shape {self.shape} cannot hold the result's {shape}; use {name[:-1]}"
            )

    def add_(self, other: Any, *, alpha: float = 1) -> "Tensor":
        """self += alpha * other."""
        return self._in_place("add_", RECORDED.add, other if alpha == 1 else other * alpha)

    def sub_(self, other: Any, *, alpha: float = 1) -> "Tensor":
        """self -= alpha * other."""
        return self._in_place("sub_", RECORDED.subtract, other if alpha == 1 else other * alpha)

    def mul_(self, other: Any) -> "Tensor":
        """self *= other."""
        return self._in_place("mul_", RECORDED.multiply, other)

    def div_(self, other: Any) -> "Tensor":
        """self /= other."""
        return self._in_place("div_", RECORDED.divide, other)

    __iadd__, __isub__, __imul__, __itruediv__ = add_, sub_, mul_, div_

    def copy_(self, source: Any) -> "Tensor":
        """Take over the values of `source`, broadcast and cast; gradients then go to it."""
        source = operand(source, self)
        new = None
        if STATE.recording and (source.requires_grad or self.requires_grad):
            new = RECORDED.clone(RECORDED.expand(cast(source, self.dtype), shape=self.shape))
        return self._change("copy_", new, source.array)

    def fill_(self, value: float) -> "Tensor":
        """Every element becomes `value`."""
        return self.copy_(operand(value, self))

    def zero_(self) -> "Tensor":
        """Every element becomes 0."""
        return self.fill_(0)

    def __setitem__(self, key: Any, value: Any) -> None:
        key, index = self.split_key(key)
        value = operand(value, self)
        where = filled(key, tuple(x.array for x in index))
        new = None
        if STATE.recording and (value.requires_grad or self.requires_grad):
            ones = Tensor.wrap(np.zeros(self.shape, bool))
            ones.array[where] = True
            spread = RECORDED.expand(value, shape=self.array[where].shape)
            new = RECORDED.where(ones, RECORDED.put(spread, *index, key=key, shape=self.shape), self)
        self._change("setitem_", new, value.array, where)

    def __iter__(self) -> "Iterator[Tensor]":
        if self.ndim == 0:
            raise ShapeError("iteration over a tensor without axes; use item()")
        return (self[i] for i in range(len(self)))

    def __deepcopy__(self, memo: dict[int, Any]) -> "Tensor":
        if self.node is not None:
            raise GradientError("deepcopy: only leaves can be copied so; use clone() or detach()")
        new = type(self).__new__(type(self))
        new._start(self.array.copy())
        new.requires_grad = self.requires_grad
        memo[id(self)] = new
        return new

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuilt, (type(self), self.array, self.requires_grad)

    def __repr__(self) -> str:
        values = np.array2string(self.array, separator=", ", prefix="tensor(", precision=4, threshold=100)
        kind = "" if self.dtype in (np.float32, np.int64, np.bool_) else f", dtype={self.dtype}"
        graph = ", requires_grad=True" if self.requires_grad else ""
        if self.node is not None:
            graph = f", from {self.node.label}"
        return f"tensor({values}{kind}{graph})"

    __hash__ = object.__hash__


def as_array(data: Any, dtype: Any = None) -> Array:
    """Numbers, lists, arrays and tensors as an array; Python floats as float32."""
    if isinstance(data, Tensor):
        data = data.array
    array = np.asarray(data, dtype)
    if dtype is None and array.dtype == np.float64 and not isinstance(data, np.ndarray | np.generic):
        array = array.astype(np.float32)
    if array.dtype.kind not in "fiub":
        raise DtypeError(f"tensor: expected numbers or booleans, got {array.dtype}")
    return array


def _rebuilt(kind: type[Tensor], array: Array, requires_grad: bool) -> Tensor:
    new = kind.__new__(kind)
    new._start(array)
    new.requires_grad = requires_grad
    return new
