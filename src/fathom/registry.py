"""Names to things, with a suggestion for a name that is nearly right; and names with options, `NAME,key=value`."""

import ast
import difflib
import inspect
import math
import re
import types
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Generic, TypeVar, Union, get_args, get_origin

from fathom.errors import InputError, UnknownNameError

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


def spec(text: str) -> tuple[str, dict[str, str]]:
    """The name and the options of `NAME,key=value,…`.

    Raises:
        InputError: a piece behind the name is not `key=value`, or a key comes twice.

    >>> spec("step,size=30,factor=0.5")
    ('step', {'size': '30', 'factor': '0.5'})
    """
    name, comma, listed = text.partition(",")
    return name, pairs(text, listed.split(",") if comma else [])


def pairs(text: str, pieces: Iterable[str]) -> dict[str, str]:
    """The `key=value` of each piece; `text` is all that was said, for the message of an InputError."""
    found: dict[str, str] = {}
    for piece in pieces:
        key, equals, value = piece.partition("=")
        if not equals or not key:
            raise InputError(f"{text}: expected key=value after the comma, got {piece!r}")
        if key in found:
            raise InputError(f"{text}: expected each option once, got {key} twice")
        found[key] = value
    return found


def arguments(
    what: str, function: Callable[..., Any], options: Mapping[str, str], leave_out: Collection[str] = ()
) -> dict[str, Any]:
    """The options as arguments of `function`: each key must be one of its parameters, each value fit its type.

    A parameter's type is its annotation, or else its default's: bool (`true`, `false`), int, float (finite), str, or a
    tuple of them, written with slashes (`0.9/0.999`). Of a union the first that fits is taken, bool and int before
    float; `none` is None where that is allowed.

    Args:
        what: kind and name, for messages (`"schedule cosine"`).
        leave_out: parameters that are none of the user's business.

    Raises:
        UnknownNameError: no such parameter.
        InputError: a value of another type.

    >>> def decay(step: int, rate: float = 0.1, milestones: tuple[float, ...] = ()): ...
    >>> arguments("schedule decay", decay, {"milestones": "0.5/0.75"}, leave_out=["step"])
    {'milestones': (0.5, 0.75)}
    """
    known = {
        name: parameter
        for name, parameter in inspect.signature(function, eval_str=True).parameters.items()
        if name not in leave_out and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    }
    given: dict[str, Any] = {}
    for key, value in options.items():
        if key not in known:
            raise unknown(f"option of {what}", key, known, "" if known else "it takes no options")
        try:
            given[key] = _converted(value, _type(known[key]))
        except ValueError as error:
            raise InputError(f"{what}: {key}: {error}, got {value!r}") from None
    return given


def boolean(value: Any) -> bool:
    """`true`, `false` and their usual spellings; ValueError("expected …") for anything else."""
    words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    if str(value).lower() not in words:
        raise ValueError("expected true or false")
    return words[str(value).lower()]


def _type(parameter: inspect.Parameter) -> Any:
    if parameter.annotation is not parameter.empty:
        return parameter.annotation
    return type(parameter.default)


def _converted(text: str, wanted: Any) -> Any:
    if wanted is tuple or get_origin(wanted) is tuple:
        return _several(text, get_args(wanted))
    if get_origin(wanted) in (Union, types.UnionType):
        return _first_that_fits(text, get_args(wanted))
    if wanted is bool:
        return boolean(text)
    if wanted is str:
        return text
    try:
        number = wanted(text) if wanted in (int, float) else math.nan
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError("expected a whole number" if wanted is int else "expected a number")
    return number


def _several(text: str, wanted: tuple[Any, ...]) -> tuple[Any, ...]:
    parts = text.split("/")
    if not wanted or wanted[-1] is Ellipsis:
        wanted = (wanted[0] if wanted else float,) * len(parts)
    if len(parts) != len(wanted):
        raise ValueError(f"expected {len(wanted)} values with slashes between them")
    return tuple(_converted(part, kind) for part, kind in zip(parts, wanted, strict=True))


def _first_that_fits(text: str, kinds: tuple[Any, ...]) -> Any:
    if types.NoneType in kinds and text.lower() == "none":
        return None
    problems = []
    for kind in sorted((kind for kind in kinds if _is_plain(kind)), key=_breadth):
        try:
            return _converted(text, kind)
        except ValueError as error:
            problems.append(str(error).removeprefix("expected "))
    raise ValueError(f"expected {' or '.join(dict.fromkeys(problems)) or 'something that can not be typed here'}")


def _is_plain(kind: Any) -> bool:
    return kind in (bool, int, float, str, tuple) or get_origin(kind) is tuple


def _breadth(kind: Any) -> int:
    order = (int, float, tuple, str)
    return order.index(get_origin(kind) or kind) if kind is not bool else -1


_DEFINITION = re.compile("^(?:@|class |def )", re.MULTILINE)


def literals(source: Path, names: Collection[str]) -> dict[str, Any]:
    """The module-level constants of a Python file, read without importing it.

    Args:
        source: the file.
        names: the constants wanted; those that the file does not define are left out. `__doc__` gives its docstring.

    Raises:
        ValueError: one of them is not a literal.
    """
    text = source.read_text(encoding="utf-8")
    head = _DEFINITION.split(text, maxsplit=1)[0]  # most constants stand there, and little else
    try:
        found = _constants(ast.parse(head), names)
    except SyntaxError:  # cut within a text
        found = {}
    return found if len(found) == len(set(names)) else _constants(ast.parse(text, filename=str(source)), names)


def _constants(tree: ast.Module, names: Collection[str]) -> dict[str, Any]:
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
