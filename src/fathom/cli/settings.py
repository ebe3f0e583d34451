"""A run folder's settings, checked at the door: they may have been edited, or written by another version."""

import dataclasses
from collections.abc import Mapping
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from fathom.errors import InputError, RunFolderError
from fathom.records import RunFolder

KINDS: Mapping[Any, tuple[tuple[type, ...], str]] = {
    bool: ((bool,), "true or false"),
    int: ((int,), "a whole number"),
    float: ((int, float), "a number"),
    str: ((str,), "a text"),
    NoneType: ((NoneType,), "null"),
}


def settings(folder: RunFolder, config_class: type) -> Any:
    """What `config.json` says, as the recipe's `Config`; a field that it lacks has its default.

    Raises:
        RunFolderError: a setting that the recipe does not have, or a value of another type or out of range.
    """
    file, written, hints = folder.path / "config.json", folder.config, get_type_hints(config_class)
    known = {entry.name for entry in dataclasses.fields(config_class)}
    if strange := sorted(set(written) - known):
        raise RunFolderError(
            f"{file} has the setting {strange[0]!r}, which this version's {folder.recipe} does not have; "
            "take it out, or train anew"
        )
    for name, value in written.items():
        if not _fits(hints[name], value):
            raise RunFolderError(
                f"{file}: {name}: expected {_words(hints[name])}, got {value!r}; correct it, or train anew"
            )
    lists = {name: tuple(value) for name, value in written.items() if isinstance(value, list)}
    try:
        return config_class(**(written | lists))
    except InputError as error:
        raise RunFolderError(f"{file}: {error}") from error


def _fits(wanted: Any, value: Any) -> bool:
    if wanted in KINDS:
        return isinstance(value, KINDS[wanted][0]) and (wanted is bool or not isinstance(value, bool))
    parts = get_args(wanted)
    if get_origin(wanted) is Literal:
        return value in parts
    if get_origin(wanted) is tuple and isinstance(value, tuple | list):
        kinds = parts[:1] * len(value) if parts[-1] is ... else parts
        return len(kinds) == len(value) and all(map(_fits, kinds, value))
    if get_origin(wanted) in (Union, UnionType):
        return any(_fits(kind, value) for kind in parts)
    return False


def _words(wanted: Any) -> str:
    parts = get_args(wanted)
    if get_origin(wanted) is Literal:
        return f"one of {', '.join(map(str, parts))}"
    if get_origin(wanted) is tuple:
        return f"a list of {'some' if parts[-1] is ... else len(parts)}, each {_words(parts[0])}"
    if get_origin(wanted) in (Union, UnionType):
        return " or ".join(map(_words, parts))
    return KINDS[wanted][1]
