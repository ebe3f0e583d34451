"""One experiment a file: its settings, its run, the published number and where that stands."""

from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from fathom.registry import literals, unknown


@cache
def names() -> list[str]:
    """The names of all recipes, `-` for `_`; reads the folder and imports nothing."""
    stems = (path.stem for path in Path(__file__).parent.glob("[!_]*.py"))
    return sorted(stem.replace("_", "-") for stem in stems)


def _stem(name: str) -> str:
    plain = name.replace("_", "-")
    if plain not in names():
        raise unknown("recipe", name, names())
    return plain.replace("-", "_")


def summary(name: str) -> dict[str, Any]:
    """Title, `SECTION`, `PUBLISHED` and `DATA` of a recipe, read from its source without importing it.

    Raises:
        UnknownNameError: there is no such recipe; suggests one.
    """
    found = literals(Path(__file__).with_name(f"{_stem(name)}.py"), ("__doc__", "SECTION", "PUBLISHED", "DATA"))
    return {"name": name.replace("_", "-"), "title": found.pop("__doc__").partition("\n")[0], **found}


def load(name: str) -> ModuleType:
    """The recipe's module: `Config`, `run`, `predict`, and `measure` and `draw` where it has them."""
    return import_module(f"fathom.recipes.{_stem(name)}")
