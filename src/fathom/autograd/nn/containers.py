"""Modules that hold modules. Twins: torch's of the same names."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar, overload

from fathom.autograd.nn.module import Module

T = TypeVar("T", bound=Module)


class _Listed(Module):
    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._modules.values())

    @overload
    def __getitem__(self: T, index: slice) -> T: ...
    @overload
    def __getitem__(self, index: int) -> Any: ...

    def __getitem__(self, index: int | slice) -> Any:
        parts = list(self._modules.values())
        return self._like(parts[index]) if isinstance(index, slice) else parts[index]

    def _like(self, parts: list[Any]) -> Any:
        raise NotImplementedError

    def __setitem__(self, index: int, module: Module) -> None:
        self._modules[list(self._modules)[index]] = module

    def append(self: T, module: Module) -> T:
        """One more at the end."""
        self.add_module(str(len(self._modules)), module)
        return self

    def extend(self: T, modules: Iterable[Module]) -> T:
        """More at the end."""
        for module in modules:
            self.add_module(str(len(self._modules)), module)
        return self


class Sequential(_Listed):
    """Modules one after the other, from arguments or from a dict of names."""

    def __init__(self, *modules: Any) -> None:
        super().__init__()
        if len(modules) == 1 and isinstance(modules[0], Mapping):
            for name, module in modules[0].items():
                self.add_module(name, module)
        else:
            self.extend(modules)

    def _like(self, parts: list[Any]) -> "Sequential":
        return Sequential(*parts)

    def forward(self, x: Any) -> Any:
        """Each takes what the one before gave."""
        for module in self:
            x = module(x)
        return x


class ModuleList(_Listed):
    """A list of modules, to be called by whoever has it."""

    def __init__(self, modules: Iterable[Module] = ()) -> None:
        super().__init__()
        self.extend(modules)

    def _like(self, parts: list[Any]) -> "ModuleList":
        return ModuleList(parts)


class ModuleDict(Module):
    """Modules by name, to be called by whoever has them."""

    def __init__(self, modules: Mapping[str, Module] | None = None) -> None:
        super().__init__()
        for name, module in (modules or {}).items():
            self.add_module(name, module)

    def __getitem__(self, name: str) -> Any:
        return self._modules[name]

    def __setitem__(self, name: str, module: Module) -> None:
        self.add_module(name, module)

    def __contains__(self, name: str) -> bool:
        return name in self._modules

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def keys(self) -> Iterable[str]:
        """The names."""
        return self._modules.keys()

    def values(self) -> Iterable[Any]:
        """The modules."""
        return self._modules.values()

    def items(self) -> Iterable[tuple[str, Any]]:
        """Names and modules."""
        return self._modules.items()
