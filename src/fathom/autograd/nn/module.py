"""The module: parameters, buffers and other modules under names. Twin: `torch.nn.Module`."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import numpy as np

from fathom.autograd.errors import ShapeError
from fathom.autograd.nn.parameter import Parameter
from fathom.autograd.state import no_grad
from fathom.autograd.tensor import Tensor

Self = TypeVar("Self", bound="Module")


class Module:
    """Something with parameters that maps tensors to tensors.

    A `Parameter` or `Module` that is assigned to an attribute is registered under its name; the state dict has torch's
    keys, with NumPy arrays.
    """

    training: bool
    _parameters: dict[str, Parameter | None]
    _buffers: dict[str, Tensor | None]
    _modules: dict[str, "Module | None"]
    _fleeting: set[str]  # buffers that are no part of the state dict

    def __init__(self) -> None:
        object.__setattr__(self, "training", True)
        for store in ("_parameters", "_buffers", "_modules"):
            object.__setattr__(self, store, {})
        object.__setattr__(self, "_fleeting", set())

    def __setattr__(self, name: str, value: Any) -> None:
        stores: dict[str, dict[str, Any]] = {
            s: self.__dict__.get(s, {}) for s in ("_parameters", "_buffers", "_modules")
        }
        if isinstance(value, Parameter | Module):
            if "_modules" not in self.__dict__:
                raise AttributeError(f"assign {name!r} after super().__init__()")
            kind = "_parameters" if isinstance(value, Parameter) else "_modules"
            for store in stores.values():
                store.pop(name, None)
            self.__dict__.pop(name, None)
            stores[kind][name] = value
            return
        for store in stores.values():
            if name in store:
                store[name] = value
                return
        object.__setattr__(self, name, value)

    def __getattr__(self, name: str) -> Any:
        for store in ("_parameters", "_buffers", "_modules"):
            things = self.__dict__.get(store, {})
            if name in things:
                return things[name]
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")

    def __delattr__(self, name: str) -> None:
        for store in (self._parameters, self._buffers, self._modules):
            if name in store:
                del store[name]
                return
        object.__delattr__(self, name)

    def forward(self, *inputs: Any, **options: Any) -> Any:
        """What the module computes; every module says."""
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def __call__(self, *inputs: Any, **options: Any) -> Any:
        """The same as `forward`."""
        return self.forward(*inputs, **options)

    # What it owns.

    def register_parameter(self, name: str, parameter: Parameter | None) -> None:
        """A parameter, or None for one that is left out."""
        self._parameters[name] = parameter

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """A tensor that is not learnt; it belongs to the state dict if it is persistent."""
        self._buffers[name] = tensor
        (self._fleeting.discard if persistent else self._fleeting.add)(name)

    def add_module(self, name: str, module: "Module | None") -> None:
        """A part, under a name that need not be an identifier."""
        self._modules[name] = module

    register_module = add_module

    def named_children(self) -> Iterator[tuple[str, "Module"]]:
        """The direct parts."""
        return ((name, part) for name, part in self._modules.items() if part is not None)

    def children(self) -> Iterator["Module"]:
        """The direct parts, without names."""
        return (part for _, part in self.named_children())

    def named_modules(self, prefix: str = "", seen: set[int] | None = None) -> Iterator[tuple[str, "Module"]]:
        """Itself and all parts of parts; one that is there twice comes once."""
        seen = set() if seen is None else seen
        if id(self) in seen:
            return
        seen.add(id(self))
        yield prefix, self
        for name, part in self.named_children():
            yield from part.named_modules(f"{prefix}.{name}" if prefix else name, seen)

    def modules(self) -> Iterator["Module"]:
        """Itself and all parts of parts."""
        return (part for _, part in self.named_modules())

    def _named(self, store: str) -> Iterator[tuple[str, Any]]:
        seen: set[int] = set()
        for prefix, part in self.named_modules():
            for name, thing in getattr(part, store).items():
                if thing is not None and id(thing) not in seen:
                    seen.add(id(thing))
                    yield f"{prefix}.{name}" if prefix else name, thing

    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """All parameters with their names; a tied one comes once."""
        return self._named("_parameters")

    def parameters(self) -> Iterator[Parameter]:
        """All parameters."""
        return (parameter for _, parameter in self.named_parameters())

    def named_buffers(self) -> Iterator[tuple[str, Tensor]]:
        """All buffers with their names."""
        return self._named("_buffers")

    def buffers(self) -> Iterator[Tensor]:
        """All buffers."""
        return (buffer for _, buffer in self.named_buffers())

    def get_submodule(self, target: str) -> "Module":
        """The part under a dotted name."""
        part: Any = self
        for name in target.split(".") if target else []:
            part = part._modules[name]
        return part

    # What it is set to.

    def train(self: Self, mode: bool = True) -> Self:
        """Training (dropout drops, batch norm learns) or not."""
        for part in self.modules():
            object.__setattr__(part, "training", mode)
        return self

    def eval(self: Self) -> Self:
        """The same as `train(False)`."""
        return self.train(False)

    def requires_grad_(self: Self, requires_grad: bool = True) -> Self:
        """Whether its parameters want gradients."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients, or make them zeros."""
        for parameter in self.parameters():
            if parameter.grad is not None:
                parameter.grad = None if set_to_none else parameter.grad.detach().zero_()

    def apply(self: Self, function: Callable[["Module"], Any]) -> Self:
        """Call the function with every part, the innermost first, and with itself."""
        for part in self.children():
            part.apply(function)
        function(self)
        return self

    def to(self: Self, dtype: Any) -> Self:
        """All floating parameters and buffers in another dtype, in place."""
        for tensor in (*self.parameters(), *self.buffers()):
            if tensor.dtype.kind == "f":
                tensor.array = tensor.array.astype(dtype)
                tensor.grad = None
                tensor._leaf = None
        return self

    def double(self: Self) -> Self:
        """In float64."""
        return self.to(np.float64)

    def float(self: Self) -> Self:
        """In float32."""
        return self.to(np.float32)

    # Its state.

    def state_dict(self) -> dict[str, np.ndarray[Any, Any]]:
        """All parameters and buffers by name, as arrays that share memory with them."""
        state: dict[str, np.ndarray[Any, Any]] = {}
        self._collect(state, "")
        return state

    def _collect(self, state: dict[str, np.ndarray[Any, Any]], prefix: str) -> None:
        for name, tensor in (*self._parameters.items(), *self._buffers.items()):
            if tensor is not None and name not in self._fleeting:
                state[prefix + name] = tensor.array
        for name, part in self.named_children():
            part._collect(state, f"{prefix}{name}.")

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True) -> None:
        """Copy arrays (or anything that NumPy reads, such as torch's CPU tensors) into the parameters and buffers.

        Raises:
            ShapeError: a key is missing or too many (when strict), or an array has another shape.
        """
        own = self.state_dict()
        missing = [key for key in own if key not in state_dict]
        unexpected = [key for key in state_dict if key not in own]
        if strict and (missing or unexpected):
            raise ShapeError(
                f"load_state_dict: missing keys {missing}, unexpected keys {unexpected}; "
                "build the same architecture, or pass strict=False"
            )
        arrays = {key: np.asarray(state_dict[key]) for key in own if key in state_dict}
        for key, array in arrays.items():
            if array.shape != own[key].shape:
                raise ShapeError(f"load_state_dict: {key}: expected shape {own[key].shape}, got {array.shape}")
        with no_grad():
            for key, array in arrays.items():
                path, _, name = key.rpartition(".")
                getattr(self.get_submodule(path), name).copy_(array)

    def extra_repr(self) -> str:
        """What stands between the brackets of its repr."""
        return ""

    def __repr__(self) -> str:
        parts = [f"  ({name}): " + repr(part).replace("\n", "\n  ") for name, part in self.named_children()]
        extra = self.extra_repr()
        if not parts:
            return f"{type(self).__name__}({extra})"
        return "\n".join([f"{type(self).__name__}({extra}", *parts, ")"])
