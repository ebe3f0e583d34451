"""Names to things, with a suggestion for a name that is nearly right."""

import ast
import difflib
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import Any, Generic, TypeVar

from fathom.errors import UnknownNameError

T = TypeVar("T")


def unknown(kind: str, name: str, known: Iterable[str], hint: str = "") -> UnknownNameError:
    """An error for `name`: suggests the nearest of the `known` names, or lists them when none is near.

    Args:
        kind: what was looked for, in words (`"model"`).
        hint: what to do when nothing is near (`"see fathom list"`); else all names are listed.
    """
    words = sorted(known)
    near = difflib.get_close_matches(name, words, n=1, cutoff=0.6) or _same_letters(name, words)
    if near:
        return UnknownNameError(f"unknown {kind} {name!r}; did you mean {near[0]!r}?")
    listing = hint or f"there are: {', '.join(words)}"
    return UnknownNameError(f"unknown {kind} {name!r}; {listing}")


def _same_letters(name: str, words: list[str]) -> list[str]:
    plain = name.lower().replace("_", "-")
    return [word for word in words if plain and (word.lower().replace("_", "-").startswith(plain))]


class Registry(Generic[T]):
    """A table of things of one kind, found by name.

    >>> colours = Registry[int]("colour")
    >>> colours.add("red", 1)
    1
    >>> colours.get("red")
    1
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._things: dict[str, T] = {}

    def add(self, name: str, thing: T) -> T:
        """Enter `thing` under `name`; ValueError if the name is taken."""
        if name in self._things:
            raise ValueError(f"{self.kind} {name!r} is registered twice")
        self._things[name] = thing
        return thing

    def register(self, name: str) -> Callable[[T], T]:
        """Decorator form of `add`."""
        return lambda thing: self.add(name, thing)

    def get(self, name: str) -> T:
        """The thing called `name`; UnknownNameError with a suggestion if there is none."""
        if name not in self._things:
            raise unknown(self.kind, name, self._things)
        return self._things[name]

    def names(self) -> list[str]:
        """All names in alphabetical order."""
        return sorted(self._things)

    def __contains__(self, name: str) -> bool:
        return name in self._things

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def __repr__(self) -> str:
        return f"Registry({self.kind}: {', '.join(self.names())})"


def literals(source: Path, names: Collection[str]) -> dict[str, Any]:
    """The module-level constants of a Python file, read without importing it.

    Args:
        source: the file.
        names: the constants wanted; those that the file does not define are left out. `__doc__` gives its docstring.

    Raises:
        ValueError: one of them is not a literal.
    """
    tree = ast.parse(source.read_text(encoding="utf-8"), filename=str(source))
    found: dict[str, Any] = {"__doc__": ast.get_docstring(tree) or ""} if "__doc__" in names else {}
    for statement in tree.body:
        if isinstance(statement, ast.Assign):
            targets, value = statement.targets, statement.value
        elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
            targets, value = [statement.target], statement.value
        else:
            continue
        for target in targets:
            if isinstance(target, ast.Name) and target.id in names:
                found[target.id] = ast.literal_eval(value)
    return found
