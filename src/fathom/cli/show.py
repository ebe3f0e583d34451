"""`fathom show`: a model's layers, shapes, parameters and FLOPs; a recipe's settings."""

import dataclasses
import inspect
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from fathom import models, recipes
from fathom.cli.parser import Parser
from fathom.cli.printing import bold, faint, print_json, published_text, table
from fathom.errors import FathomError, InputError, ShapeError
from fathom.records import Published
from fathom.registry import unknown

if TYPE_CHECKING:
    from torch import nn

VOCABULARY, STEPS = 10_000, 35  # of a text, where the model's constructor leaves them open


def main(argv: Sequence[str]) -> int:
    """Print what is known by that name; a name may be a recipe's and a model's."""
    parser = Parser(
        "show",
        "A model: layers, output shapes, parameters, FLOPs. A recipe: its settings.",
        ["fathom show lenet", "fathom show lenet --input 3x32x32"],
    )
    parser.add_argument("name", metavar="NAME", help="a model or a recipe")
    parser.add_argument("--input", metavar="SHAPE", help="one example for the model, as in 1x28x28")
    words = parser.parse_args(argv)
    plain = words.name.replace("_", "-")
    model = next((name for name in models.names() if name.replace("_", "-") == plain), None)
    recipe = plain if plain in recipes.names() else None
    if model is None and recipe is None:
        raise unknown("model or recipe", words.name, {*models.names(), *recipes.names()})
    if words.input is not None and model is None:
        raise InputError(f"--input: expected with a model, but {words.name} is a recipe; leave it out")
    found: dict[str, Any] = {}
    if recipe is not None and words.input is None:
        found["recipe"] = about_recipe(recipe)
    if model is not None:
        found["model"] = about_model(model, _shape(words.input) if words.input is not None else None)
    if words.json:
        print_json(found)
        return 0
    parts = []
    if "recipe" in found:
        parts.append(_recipe_text(found["recipe"]))
    if "model" in found:
        parts.append(_model_text(found["model"], quiet=words.quiet))
    print("\n\n".join(parts))
    return 0


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
        ("--" + field["name"].replace("_", "-"), _value(field["default"]), field["meaning"])
        for field in found["fields"]
    ]
    return "\n".join([*facts, table(("flag", "default", "meaning"), rows)])


def _value(value: Any) -> str:
    if isinstance(value, tuple | list):
        return " ".join(map(str, value))
    return str(value) if value != "" else "-"


# --- models ---------------------------------------------------------------------------------------------------------


def about_model(name: str, shape: tuple[int, ...] | None = None) -> dict[str, Any]:
    """Each layer's output shape, parameters and FLOPs, for one example of `shape`.

    Args:
        shape: of one example, without the batch; None takes what the model's defaults ask for.

    Raises:
        ShapeError: the model can't take such an example.
    """
    arguments = _arguments(name, shape)
    shape = shape or _default_shape(name)
    module = models.create(name, **arguments)
    return {"name": name, "arguments": arguments, "input": list(shape), **_measure(name, module, shape)}


def _arguments(name: str, shape: tuple[int, ...] | None) -> dict[str, Any]:
    """What the constructor must be told: the sizes that `shape` sets, and a size for what has no default."""
    known = inspect.signature(models.constructor(name)).parameters
    chosen: dict[str, Any] = {}
    if shape is not None:
        if "in_channels" in known and len(shape) == 3:
            chosen["in_channels"] = shape[0]
        if "input_size" in known and len(shape) == 3:
            chosen["input_size"] = shape[1] if shape[1] == shape[2] else tuple(shape[1:])
        if "in_features" in known:
            chosen["in_features"] = _product(shape)
    for word, parameter in known.items():
        if parameter.default is parameter.empty and word not in chosen and word not in ("nn", "kwargs"):
            chosen[word] = VOCABULARY if word == "vocab_size" else 2
    return chosen


def _default_shape(name: str) -> tuple[int, ...]:
    """One example as the constructor's defaults take it."""
    known = inspect.signature(models.constructor(name)).parameters

    def default(word: str, otherwise: Any) -> Any:
        return (
            known[word].default if word in known and known[word].default is not inspect.Parameter.empty else otherwise
        )

    if "in_channels" in known:
        size = default("input_size", 224)
        return (default("in_channels", 1), *(size if isinstance(size, tuple) else (size, size)))
    if "in_features" in known:
        return (default("in_features", 2),)
    if "vocab_size" in known:
        return (min(STEPS, default("max_steps", STEPS)),)
    raise InputError(f"{name}: expected --input with the shape of one example, got none; write --input 3x224x224")


def _measure(name: str, module: "nn.Module", shape: tuple[int, ...]) -> dict[str, Any]:
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    layers: list[dict[str, Any]] = []
    names = {part: path for path, part in module.named_modules()}
    counter = FlopCounterMode(display=False)
    before: list[int] = []

    def enter(part: Any, inputs: Any) -> None:
        before.append(counter.get_total_flops())

    def leave(part: Any, inputs: Any, output: Any) -> None:
        layers.append(
            {
                "layer": names[part],
                "type": type(part).__name__,
                "output": list(_first(output).shape[1:]),
                "parameters": sum(parameter.numel() for parameter in part.parameters()),
                "flops": counter.get_total_flops() - before.pop(),
            }
        )

    leaves = list(_leaves(module))
    hooks = [part.register_forward_pre_hook(enter) for part in leaves]
    hooks += [part.register_forward_hook(leave) for part in leaves]
    module.eval()
    try:
        with torch.no_grad(), counter:
            kind = torch.long if "vocab_size" in inspect.signature(models.constructor(name)).parameters else torch.float
            output = _first(module(torch.zeros(1, *shape, dtype=kind)))
    except FathomError:
        raise
    except (RuntimeError, ValueError, IndexError, TypeError) as error:
        reason = str(error).partition("\n")[0]
        text = "x".join(map(str, shape))
        raise ShapeError(
            f"{name}: expected an example that it can take, got {text} ({reason}); try another --input"
        ) from None
    finally:
        for hook in hooks:
            hook.remove()
    return {
        "output": list(output.shape[1:]),
        "parameters": sum(parameter.numel() for parameter in module.parameters()),
        "flops": counter.get_total_flops(),
        "layers": layers,
    }


def _leaves(module: "nn.Module") -> Iterator["nn.Module"]:
    """The parts that have no parts, or parameters of their own, as attention has; from the input on."""
    parts = list(module.children())
    if not parts or next(module.parameters(recurse=False), None) is not None:
        yield module
    else:
        for part in parts:
            yield from _leaves(part)


def _first(output: Any) -> Any:
    """The tensor itself, or the first of several: a recurrent layer gives its state besides."""
    return output if hasattr(output, "shape") else output[0]


def _shape(text: str) -> tuple[int, ...]:
    if not re.fullmatch(r"[1-9]\d*([x×][1-9]\d*)*", text):
        raise InputError(f"--input: expected sizes with x between them, as in 1x28x28, got {text!r}")
    return tuple(int(size) for size in re.split("[x×]", text))


def _product(sizes: Sequence[int]) -> int:
    product = 1
    for size in sizes:
        product *= size
    return product


def _model_text(found: dict[str, Any], *, quiet: bool) -> str:
    told = ", ".join(f"{word}={value}" for word, value in found["arguments"].items())
    rows = [
        (
            layer["layer"] or "(itself)",
            layer["type"],
            _sizes(layer["output"]),
            f"{layer['parameters']:,}",
            f"{layer['flops']:,}",
        )
        for layer in found["layers"]
    ]
    rows.append(("all", "", _sizes(found["output"]), f"{found['parameters']:,}", f"{found['flops']:,}"))
    lines = [
        f"{bold('model ' + found['name'])}({told}), one example {_sizes(found['input'])}",
        table(("layer", "type", "output", "parameters", "FLOPs"), rows, right=(3, 4)),
    ]
    if not quiet:
        lines.append(faint("FLOPs of one forward pass: matrix products and convolutions, a multiply-add counts as two"))
    return "\n".join(lines)


def _sizes(sizes: Sequence[int]) -> str:
    return " x ".join(map(str, sizes)) or "()"
