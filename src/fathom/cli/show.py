"""`fathom show`: what a model is made of and what that costs; models side by side; a recipe's settings."""

import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fathom import models, recipes
from fathom.cli.parser import Parser
from fathom.cli.printing import bold, print_json, published_text, table
from fathom.errors import InputError
from fathom.records import Published, write_text
from fathom.registry import unknown


def main(argv: Sequence[str]) -> int:
    """Print what is known by that name; a name may be a recipe's and a model's."""
    words = _parser().parse_args(argv)
    if words.name is None and not words.compare:
        raise InputError("show: expected NAME, got nothing; write for example: fathom show lenet")
    shape = _shape(words.input) if words.input is not None else None
    if words.compare is not None:
        return _compare([*([words.name] if words.name else []), *words.compare], shape, words)
    name, model, recipe = _known(words.name)
    for flag, value in (("--input", words.input), ("--depth", words.depth), ("--draw", words.draw)):
        if value is not None and model is None:
            raise InputError(f"{flag}: expected with a model, but {name} is a recipe; leave it out")
    found: dict[str, Any] = {}
    if recipe is not None and shape is None:
        found["recipe"] = about_recipe(recipe)
    if model is not None:
        from fathom.cli import anatomy

        seen = anatomy.look_at(model, shape)
        found["model"] = anatomy.about(seen, words.depth)
        if words.draw is not None:
            from fathom.cli.diagram import diagram

            write_text(words.draw, diagram(seen, words.depth))
    if words.json:
        print_json(found)
        return 0
    parts = []
    if "recipe" in found:
        parts.append(_recipe_text(found["recipe"]))
    if "model" in found:
        parts.append(anatomy.text(found["model"], quiet=words.quiet))
    if words.draw is not None and not words.quiet:
        parts.append(f"diagram: {words.draw}")
    print("\n\n".join(parts))
    return 0


def _parser() -> Parser:
    parser = Parser(
        "show",
        "What a model is made of, and what that costs. A recipe: its settings.",
        [
            "fathom show resnet50",
            "fathom show googlenet --draw googlenet.svg",
            "fathom show alexnet,variant=book --input 1x224x224",
            "fathom show --compare vgg16 resnet50 inception_v3",
            "fathom show --compare inception conv3x3 conv5x5 two-conv3x3 --input 192x28x28",
        ],
    )
    parser.add_argument("name", metavar="NAME", nargs="?", help="a model or a recipe; NAME,key=value sets an argument")
    parser.add_argument("--input", metavar="SHAPE", help="one example for the model, as in 3x224x224")
    parser.add_argument(
        "--depth", metavar="LEVELS", type=int, help="how far to look into blocks; fits the model by itself"
    )
    parser.add_argument("--draw", metavar="FILE.svg", type=Path, help="draw the architecture there")
    parser.add_argument("--compare", metavar="NAME", nargs="+", help="models, or blocks, in one table")
    return parser


def _known(words: str) -> tuple[str, str | None, str | None]:
    """The name without its options, the model it is (with them), and the recipe."""
    name, comma, options = words.partition(",")
    plain = name.replace("_", "-")
    model = next((known for known in models.names() if known.replace("_", "-") == plain), None)
    recipe = plain if plain in recipes.names() and not comma else None
    if model is None and recipe is None:
        raise unknown("model or recipe", name, {*models.names(), *recipes.names()})
    return name, model and f"{model}{comma}{options}", recipe


def _compare(names: Sequence[str], shape: tuple[int, ...] | None, words: Any) -> int:
    from fathom.cli import anatomy

    rows = [anatomy.summary(anatomy.look_at(name, shape)) for name in names]
    if words.json:
        print_json(rows)
    else:
        print(anatomy.comparison(rows, quiet=words.quiet))
    return 0


def _shape(text: str) -> tuple[int, ...]:
    if not re.fullmatch(r"[1-9]\d*([x×][1-9]\d*)*", text):
        raise InputError(f"--input: expected sizes with x between them, as in 1x28x28, got {text!r}")
    return tuple(int(size) for size in re.split("[x×]", text))


# --- recipes --------------------------------------------------------------------------------------------------------


def about_recipe(name: str) -> dict[str, Any]:
    """Its summary, and each field with type, default and meaning."""
    from fathom.cli.flags import docs

    config_class = recipes.load(name).Config
    said, defaults = docs(config_class), config_class()
    fields = [
        {
            "name": entry.name,
            "type": entry.type if isinstance(entry.type, str) else _type_name(entry.type),
            "default": getattr(defaults, entry.name),
            "meaning": said.get(entry.name, ""),
        }
        for entry in dataclasses.fields(config_class)
    ]
    return {**recipes.summary(name), "fields": fields}


def _type_name(kind: Any) -> str:
    return (
        kind.__name__ if isinstance(kind, type) and not hasattr(kind, "__args__") else str(kind).replace("typing.", "")
    )


def _recipe_text(found: dict[str, Any]) -> str:
    published = [Published(**figure) for figure in found.get("PUBLISHED", ())]
    facts = [
        f"{bold('recipe ' + found['name'])}: {found['title']}",
        f"section: {found.get('SECTION', '')}",
        f"data: {found.get('DATA', '')}",
        *(f"published: {published_text([entry])}, {entry.split} ({entry.source})" for entry in published),
        "",
    ]
    rows = [
        ("--" + field["name"].rstrip("_").replace("_", "-"), _value(field["default"]), field["meaning"])
        for field in found["fields"]
    ]
    return "\n".join([*facts, table(("flag", "default", "meaning"), rows)])


def _value(value: Any) -> str:
    if isinstance(value, tuple | list):
        return " ".join(map(str, value))
    return str(value) if value != "" else "-"
