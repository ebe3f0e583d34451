"""Translators as they can be handed over: without packed rows, and without choices that depend on their numbers."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from fathom.models.bahdanau import STEPS, Bahdanau
from fathom.models.headed_attention import CrossAttention, weights_kept
from fathom.models.recurrent_encoder import CELLS
from fathom.models.transformer import Transformer
from fathom.recipes.common import exports
from fathom.recipes.common.translation import coder
from fathom.records import RunFolder
from fathom.train.export import BATCHES, EXAMPLES, Exportable

STEPS_TRIED = 21  # of the longest examples of a model that takes any length
CELL = {torch_name: cell for cell, torch_name in CELLS.items()}


class Teacher(nn.Module):
    """A Transformer under a teacher; traced, it looks without the fused kernel, which wants fixed lengths.

    Args:
        model: the Transformer.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, source: Tensor, source_length: Tensor, given: Tensor) -> Tensor:
        """Logits `(batch, steps, vocab)` of the token after each of `given` `(batch, steps)`."""
        if not torch.compiler.is_compiling():
            return taught(self.model, source, source_length, given)
        crosses = {block.cross: partial(looked, block.cross) for block in self.model.decoder}
        with weights_kept(self.model), forwards(crosses):
            return taught(self.model, source, source_length, given)


class Unrolled(nn.Module):
    """A recurrent translator under a teacher; traced, it goes step by step and packs no rows.

    Args:
        model: a `Seq2Seq` or a `Bahdanau`.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, source: Tensor, source_length: Tensor, given: Tensor) -> Tensor:
        """Logits `(batch, steps, vocab)` of the token after each of `given` `(batch, steps)`."""
        model: Any = self.model
        if not torch.compiler.is_compiling():
            return taught(model, source, source_length, given)
        present = torch.arange(source.shape[1]) < source_length[:, None]
        with forwards({model.encoder: lambda *_: read(model.encoder, source, present)}):
            state = model.encode(source, source_length)
        if isinstance(model, Bahdanau):
            return written(model, given, state, present)
        logits: Tensor = model.decode(given, state)[0]
        return logits


def taught(model: Any, source: Tensor, source_length: Tensor, given: Tensor) -> Tensor:
    """The forward of an `EncoderDecoder`, batch and steps apart."""
    logits: Tensor = model.decode(given, model.encode(source, source_length))[0]
    return logits


@contextlib.contextmanager
def forwards(replaced: Mapping[nn.Module, Callable[..., Any]]) -> Iterator[None]:
    """Other forwards for some modules, as long as the context lasts."""
    for part, forward in replaced.items():
        part.forward = forward
    try:
        yield
    finally:
        for part in replaced:
            del part.forward


def looked(cross: CrossAttention, x: Tensor, memory: tuple[Tensor, Tensor], mask: Tensor | None = None) -> Tensor:
    """The forward of a `CrossAttention` without its check of the rows by `len`, which would fix the batch's size."""
    (q,) = cross.split(cross.query(x), 1)
    found: Tensor = cross.look(q, *memory, mask)
    return found


def read(encoder: Any, source: Tensor, present: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
    """What the forward of a `RecurrentEncoder` gives, by one step after the other.

    Args:
        present: `(batch, steps)` of bool, false behind each row's end.
    """
    x, layers = encoder.embedding(source), []
    for number in range(encoder.recurrent.num_layers):
        names = [f"l{number}", f"l{number}_reverse"][: encoder.directions]
        read_once = [_one_way(encoder.recurrent, name, x, present) for name in names]
        x = torch.cat([outputs for outputs, _ in read_once], 2)
        layers.append([torch.cat(parts, 1) for parts in zip(*(state for _, state in read_once), strict=True)])
    return x, tuple(torch.stack(parts, 1) for parts in zip(*layers, strict=True))


def _one_way(recurrent: Any, name: str, x: Tensor, present: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
    """One layer in one direction: outputs, 0 behind each row's end, and the state at it."""
    cell = CELL[type(recurrent).__name__]
    inner, outer = (
        (getattr(recurrent, f"weight_{kind}_{name}"), getattr(recurrent, f"bias_{kind}_{name}"))
        for kind in ("ih", "hh")
    )
    products = nn.functional.linear(x, *inner)
    steps = list(range(x.shape[1]))
    state = (x.new_zeros(x.shape[0], recurrent.hidden_size),) * (2 if cell == "lstm" else 1)
    outputs = {}
    for step in reversed(steps) if name.endswith("_reverse") else steps:
        after = STEPS[cell](products[:, step], nn.functional.linear(state[0], *outer), state)
        there = present[:, step, None]
        state = tuple(torch.where(there, new, old) for new, old in zip(after, state, strict=True))
        outputs[step] = state[0] * there
    return torch.stack([outputs[step] for step in steps], 1), state


def written(model: Bahdanau, given: Tensor, state: Any, present: Tensor) -> Tensor:
    """What `Bahdanau.decode` gives, the ends of the rows by a mask."""
    keys, values, _ = state["source"]
    states = [tuple(tensor[:, number] for tensor in state["states"]) for number in range(model.num_layers)]
    outputs, attention = [], model.attention
    for product in model._products(given).unbind(1):
        hidden = torch.tanh(attention.query(states[-1][0])[:, None] + keys)
        scores = attention.score(hidden)[..., 0].masked_fill(~present, -torch.inf)
        seen = scores.softmax(1)[:, None] @ values
        states = model._next(product + seen[:, 0], states)
        outputs.append(states[-1][0])
    return model.output(torch.stack(outputs, 1))


def of_pairs(folder: RunFolder, model: Any, build: Callable[[], nn.Module]) -> Exportable:
    """A translator under a teacher: of a source and the tokens so far, what comes after each of them.

    A Transformer takes rows of any length up to its positions, a recurrent net those of `longest` tokens.
    """
    free = isinstance(model, Transformer)
    wrap = Teacher if free else Unrolled
    vocabs = {name: len(coder(folder.data, name)) for name in ("source", "target")}
    most = model.positions.max_steps if free else int(folder.data["longest"])
    sizes = f"from 2 to {most} steps" if free else f"of {most} steps"
    source, steps = ("source_steps", "steps") if free else (most, most)
    return exports.exportable(
        folder,
        wrap(model).eval(),
        lambda: wrap(build()),
        inputs=_examples(vocabs, min(STEPS_TRIED, most) if free else most, free),
        outputs=("logits",),
        words={
            "input": f"source (batch, {source}) and given (batch, {steps}) of int64, {sizes}: numbers of the tokens in "
            "`sides`, the source with <eos> (3) behind, given with <bos> (2) in front, then what was said so far; "
            "behind the end of a shorter row may be any token; source_length (batch) of int64: the source's tokens, "
            "<eos> among them",
            "output": f"logits (batch, {steps}, {vocabs['target']}): their softmax gives the chances of the target's "
            "token after each of given",
        },
        steps={"source": ("source_steps", most), "given": ("steps", most)} if free else {},
        inner="model",
    )


def _examples(vocabs: dict[str, int], steps: int, free: bool) -> dict[str, Tensor]:
    """Tokens drawn at random, and lengths of the sources, the first of each batch its longest."""
    draw = torch.Generator().manual_seed(0)
    lengths = []
    for count in BATCHES:
        longest = Exportable.steps_of(steps, count) if free else steps
        lengths += [longest, *torch.randint(1, longest + 1, (count - 1,), generator=draw).tolist()]
    return {
        "source": torch.randint(vocabs["source"], (EXAMPLES, steps), generator=draw),
        "source_length": torch.tensor(lengths),
        "given": torch.randint(vocabs["target"], (EXAMPLES, steps), generator=draw),
    }
