"""What the recipes that can be exported share: example inputs, and in words what goes in and what comes out."""

import json
from collections.abc import Callable, Iterable, Mapping
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from fathom import __version__, data, models
from fathom.data import loading
from fathom.errors import FathomError, InputError
from fathom.records import RunFolder
from fathom.train.export import EXAMPLES, Exportable
from fathom.train.normalised import scaled

LOGITS = "logits: their softmax over the last axis gives the probabilities of `classes`"


def of_run(module: ModuleType, folder: RunFolder) -> Exportable:
    """What a recipe's `exportable`, or that of its `RECIPE`, gives for a run.

    Raises:
        InputError: the recipe has none, or trains several models.
    """
    give = getattr(module, "exportable", None) or getattr(getattr(module, "RECIPE", None), "exportable", None)
    if give is None:
        raise InputError(
            f"{folder.path}: expected a run that ends in one model, but {folder.recipe} does not; "
            f"its weights are in {folder.last}"
        )
    found: Exportable = give(folder)
    return found


def of_examples(
    folder: RunFolder,
    model: nn.Module,
    build: Callable[[], nn.Module],
    *,
    output: str,
    meaning: str,
    taken: str = "",
    wishes: Mapping[str, Any] | None = None,
    found: Tensor | None = None,
) -> Exportable:
    """A model that maps `(batch, ...)` to one tensor `(batch, ...)`.

    Args:
        build: gives a model of the same shape.
        output: what that tensor is called.
        meaning: of its last axis, in words.
        taken: the meaning of the input's last axis, where `data.json` can't tell.
        wishes: what the recipe asks of pictures, where they are looked for.
        found: `EXAMPLES` test examples, `(examples, ...)`; None looks for them.
    """
    about = folder.data
    if found is None:
        found = test_examples(folder, wishes or {})
    x = generated(about) if found is None else found
    with torch.inference_mode():
        sizes = model(x).shape[1:]
    return exportable(
        folder,
        model,
        build,
        inputs={"pixels" if about["kind"] == "images" else "x": x},
        outputs=(output,),
        words={
            "input": f"{_shape(about['example_shape'])} of float32, {taken or input_in_words(about)}",
            "output": f"{_shape(sizes)}, {meaning}",
        },
        real=found is not None,
    )


class NextToken(nn.Module):
    """One step of a recurrent language model, its state as plain tensors.

    Args:
        model: maps tokens `(batch, steps)` and a state to logits and the next state.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, tokens: Tensor, hidden: Tensor, cell: Tensor | None = None) -> tuple[Tensor, ...]:
        """Map `(batch,)` of int and states `(layers, batch, units)` to logits `(batch, vocab)` and the next states."""
        logits, state = self.model(tokens[:, None], hidden if cell is None else (hidden, cell))
        return (logits[:, 0], *(state if isinstance(state, tuple) else (state,)))


def of_tokens(folder: RunFolder, model: nn.Module, build: Callable[[], nn.Module]) -> Exportable:
    """A recurrent language model, token for token: what comes next, and the state to give back."""
    about, draw = folder.data, torch.Generator().manual_seed(0)
    tokens = torch.randint(len(about["vocab"]), (EXAMPLES, 1), generator=draw)
    with torch.inference_mode():
        _, state = model(tokens)
    states = state if isinstance(state, tuple) else (state,)
    named = dict(
        zip(("hidden", "cell"), (2 * torch.rand(part.shape, generator=draw) - 1 for part in states), strict=False)
    )
    layers, _, units = states[0].shape
    listed = " and ".join(named)
    return exportable(
        folder,
        NextToken(model).eval(),
        lambda: NextToken(build()),
        inputs={"tokens": tokens[:, 0], **named},
        outputs=("logits", *(f"next_{name}" for name in named)),
        words={
            "input": "tokens (batch) of int64: places in `vocab`; "
            f"{listed} ({layers}, batch, {units}) of float32: zeros to begin with, then what came last",
            "output": f"logits (batch, {len(about['vocab'])}): their softmax gives the probabilities of the next token",
        },
        batch_axes=dict.fromkeys(named, 1),
        inner="model",
    )


class EachToken(nn.Module):
    """A language model that reads a window at once, without what it would hand on.

    Args:
        model: maps tokens `(batch, steps)` to logits and a state.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, tokens: Tensor) -> Tensor:
        """Map `(batch, steps)` of int to logits `(batch, steps, vocab)`."""
        logits: Tensor = self.model(tokens)[0]
        return logits


def of_windows(folder: RunFolder, model: nn.Module, build: Callable[[], nn.Module], steps: int) -> Exportable:
    """A language model that reads so many tokens at once: what comes after each."""
    draw, vocab = torch.Generator().manual_seed(0), len(folder.data["vocab"])
    return exportable(
        folder,
        EachToken(model).eval(),
        lambda: EachToken(build()),
        inputs={"tokens": torch.randint(vocab, (EXAMPLES, steps), generator=draw)},
        outputs=("logits",),
        words={
            "input": f"tokens (batch, {steps}) of int64: places in `vocab`; behind a shorter text may be anything",
            "output": f"logits (batch, {steps}, {vocab}): their softmax gives the chances of the token after each",
        },
        inner="model",
    )


def exportable(
    folder: RunFolder,
    model: nn.Module,
    build: Callable[[], nn.Module],
    *,
    inputs: Mapping[str, Tensor],
    outputs: tuple[str, ...],
    words: Mapping[str, str],
    batch_axes: Mapping[str, int] | None = None,
    steps: Mapping[str, tuple[str, int]] | None = None,
    real: bool = False,
    inner: str = "",
) -> Exportable:
    """The model with its metadata: fathom's version, recipe, how to create it, `words`, and all of `data.json`.

    Args:
        inner: the part of the model that `models.create` gave; "" for the whole.
    """
    created = creation(model.get_submodule(inner))

    def anew() -> nn.Module:
        return scaled(models.create(created["model"], **created["arguments"]), folder.data)

    about = {key: value for key, value in folder.data.items() if key != "source"}
    return Exportable(
        model=model,
        inputs=inputs,
        outputs=outputs,
        fresh=anew if created and not inner else build,
        about={"fathom": __version__, "recipe": folder.recipe, **created, **words, **about},
        batch_axes=batch_axes or {},
        steps=steps or {},
        inner=inner,
        real=real,
    )


def creation(model: nn.Module) -> dict[str, Any]:
    """`model` and `arguments`, with which `models.create` gives such a model; empty if it would give another one."""
    name, arguments = getattr(model, "created_as", ("", {}))
    if not name:
        return {}
    try:
        plain = json.loads(json.dumps(arguments))
        again = models.create(name, **plain)
    except (TypeError, ValueError):  # an argument that JSON can't say
        return {}
    return {"model": name, "arguments": plain} if _shapes(again) == _shapes(model) else {}


def _shapes(model: nn.Module) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in model.state_dict().items()}


# --- what goes in ---------------------------------------------------------------------------------------------------


def test_examples(folder: RunFolder, wishes: Mapping[str, Any]) -> Tensor | None:
    """The first `EXAMPLES` of the run's test data, as its model takes them; None if they are not on this machine."""
    name, shape = folder.config["data"], folder.data["example_shape"]
    try:
        spec = loading.parse(name)
        if not spec.kind and data.card(spec.target).files:
            data.path(spec.target)  # raises where `load` would download
        x = data.load(name, "test", **wishes).tensors.get("x")
    except FathomError:
        return None
    if x is None or list(x.shape[1:]) != list(shape):
        return None
    places = torch.arange(EXAMPLES) % len(x)
    return data.pixels(x[places])


def generated(about: Mapping[str, Any]) -> Tensor:
    """`EXAMPLES` examples drawn at random: pixels from 0 to 1, numbers from N(0, 1)."""
    draw = torch.rand if about["kind"] == "images" else torch.randn
    return draw(EXAMPLES, *about["example_shape"], generator=torch.Generator().manual_seed(0))


def input_in_words(about: Mapping[str, Any]) -> str:
    """The units of what the model takes."""
    if about["kind"] == "images":
        colours = "brightness" if about["channels"] == 1 else "red, green, blue"
        inside = ", (x - `mean`) / `std` being done inside; weights alone leave that to you"
        return f"{colours} from 0 to 1: a byte divided by 255{inside if about.get('mean') else ' and nothing else'}"
    if about["kind"] == "table":
        return (
            "one column for each of `features`: numbers and parts of dates minus the mean, divided by the std that "
            "`columns` has, categories as 0 or 1"
        )
    if about["kind"] == "numbers":
        return "the columns of `columns`, each as (x - `means`) / `stds`"
    return "in the units of the generated data"


def target_in_words(about: Mapping[str, Any]) -> str:
    """What a regression's outputs stand for."""
    name = f"`{about['target']}`" if "target" in about else "the number"
    return (
        f"{name}, as (y - `target_mean`) / `target_std`" if about["kind"] == "numbers" else f"{name} in its own units"
    )


def _shape(sizes: Iterable[int]) -> str:
    return f"({', '.join(map(str, ('batch', *sizes)))})"
