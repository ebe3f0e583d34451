"""Options of a dataset, `key=value`: what each may be, and one clear line for each that is not."""

import contextlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from fathom.errors import InputError
from fathom.registry import unknown

Converter = Callable[[Any], Any]  # raises ValueError("expected ...")


def integer(minimum: int) -> Converter:
    """Whole numbers from `minimum`."""

    def convert(value: Any) -> int:
        try:
            number = int(str(value))
        except ValueError:
            number = minimum - 1
        if number < minimum:
            raise ValueError(f"expected a whole number from {minimum}")
        return number

    return convert


def number(minimum: float = 0.0, below: float = float("inf")) -> Converter:
    """Numbers with `minimum <= number < below`."""

    def convert(value: Any) -> float:
        try:
            result = float(value)
        except (TypeError, ValueError):
            result = float("nan")
        if not minimum <= result < below:
            limit = f" and below {below:g}" if below < float("inf") else ""
            raise ValueError(f"expected a number from {minimum:g}{limit}")
        return result

    return convert


def choice(*values: Any) -> Converter:
    """One of `values`, told apart by how they are written."""

    def convert(value: Any) -> Any:
        for known in values:
            if str(value) == str(known):
                return known
        raise ValueError(f"expected one of {', '.join(str(known) for known in values)}")

    return convert


LONGEST = 10_000  # pixels a side of a picture


def image_size(value: Any) -> tuple[int, int]:
    """`28`, `28x32` or a pair: (height, width) in pixels."""
    parts = list(value) if isinstance(value, list | tuple) else str(value).lower().split("x")
    try:
        sides = [int(str(part)) for part in parts]
    except ValueError:
        sides = []
    if len(sides) not in (1, 2) or any(side < 1 or side > LONGEST for side in sides):
        raise ValueError(f"expected pixels, at most {LONGEST:,} a side, as 28 or HEIGHTxWIDTH as 28x32")
    return sides[0], sides[-1]


def text(value: Any) -> str:
    """Any text but the empty one."""
    if not str(value):
        raise ValueError("expected some text")
    return str(value)


def expanded(value: str) -> Path:
    """A path as a shell takes it: `~` is one's home; a name that is nobody's stays as it is."""
    with contextlib.suppress(RuntimeError):
        return Path(value).expanduser()
    return Path(value)


ALIASES = {"image_size": "size"}
IMAGE_OPTIONS: Mapping[str, Converter] = {"size": image_size, "channels": choice(1, 3)}
TEXT_OPTIONS: Mapping[str, Converter] = {
    "unit": choice("char", "word", "space"),
    "letters": choice("true", "false"),  # keep a-z and blanks alone
    "min_count": integer(1),
    "vocab": integer(0),  # most tokens in the vocabulary; 0 is no limit
    "test": number(0, below=1),  # the share at the end that is held out, of texts that come in one piece
    "tokens": integer(0),  # most training tokens; 0 takes all
}
PAIR_OPTIONS: Mapping[str, Converter] = {  # of any set of pairs
    "unit": choice("word", "char", "subword"),
    "clean": choice("book", "plain"),
    "vocab": integer(0),  # most words or characters, or pieces of words (there 0 is 8,000); 0 is no limit
    "min_count": integer(1),  # rarer words and characters are <unk>
    "shared": choice("true", "false"),  # one vocabulary for both sides
    "steps": integer(0),  # longer rows are cut to so many tokens, the end symbol counted; 0 is no limit
    "swap": choice("true", "false"),  # translate from the second column to the first
    "test": number(0, below=1),  # share of the source sentences that is held out
    "pairs": integer(0),  # take only the first so many of the file; 0 takes all
    "examples": integer(0),  # most training pairs, drawn by their source sentences; the test set stays; 0 takes all
}


def resolve(
    what: str, known: Mapping[str, Converter], given: Mapping[str, Any], defaults: Mapping[str, Any]
) -> dict[str, Any]:
    """The options in force: the recipe's `defaults`, overridden by those `given` by the user.

    A default that this kind of data does not have is left out: the recipe asks, the user decides what it gets.

    Raises:
        UnknownNameError: the user gave an option that is not `known`.
        InputError: a value is not one of those an option may have.
    """
    given = {ALIASES.get(key, key): value for key, value in given.items()}
    wishes = {ALIASES.get(key, key): value for key, value in defaults.items()}
    for key in given:
        if key not in known:
            raise unknown(f"option of {what}", key, known, "" if known else "it takes no options")
    chosen = {key: value for key, value in wishes.items() if key in known} | given
    resolved = {}
    for key, value in chosen.items():
        try:
            resolved[key] = known[key](value)
        except ValueError as error:
            raise InputError(f"{what}: {key}: {error}, got {str(value)!r}") from None
    return resolved
