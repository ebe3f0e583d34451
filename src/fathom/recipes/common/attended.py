"""Where a trained model looks as it reads a sentence: the weights of every head of every layer, and their pictures."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from fathom.errors import InputError
from fathom.models.headed_attention import weights_kept
from fathom.plot.attention import MOST_NAMES, attention_maps
from fathom.records import RunFolder

OTHERS = "try one of gpt-char, bahdanau or vit"
FEW = 12  # names along an axis; with more, two maps stand in a row and not four


@dataclass(frozen=True, kw_only=True)
class Looks:
    """The weights of one layer's attention.

    Args:
        name: of the layer.
        weights: `(heads, queries, keys)`.
        queries, keys: what looks, and what is looked at.
        ylabel, xlabel: the same in a word or two.
    """

    name: str
    weights: Tensor
    queries: Sequence[str]
    keys: Sequence[str]
    ylabel: str = "what looks"
    xlabel: str = "where it looks"

    def plain(self) -> dict[str, Any]:
        """The same for JSON."""
        names = {"queries": [*self.queries], "keys": [*self.keys]}
        return {"layer": self.name, **names, "weights": self.weights.tolist()}


def of_run(module: ModuleType, folder: RunFolder, source: str) -> list[Looks]:
    """What a recipe's `attention`, or that of its `RECIPE`, gives for a sentence (or a picture's file).

    Raises:
        InputError: the run's model has no attention, or its recipe does not show it.
    """
    give = getattr(module, "attention", None) or getattr(getattr(module, "RECIPE", None), "attention", None)
    if give is None:
        raise InputError(
            f"{folder.path}: expected a run of a recipe that shows attention, but {folder.recipe} shows none; {OTHERS}"
        )
    found: list[Looks] = give(folder, source)
    if not found:
        raise InputError(
            f"{folder.path}: expected a run whose model has attention, but that of {folder.recipe} has none; {OTHERS}"
        )
    return found


def of_blocks(net: Any, x: Tensor, names: Sequence[str], by: str = "", axes: str = "") -> list[Looks]:
    """Where each head of each block of a net looks as it reads one sequence.

    Args:
        net: in evaluation.
        x: a batch of one, as the net takes it.
        names: of what looks and is looked at.
        by: which net it is, before the names of its blocks.
        axes: what the names are, in a few words.
    """
    with torch.inference_mode(), weights_kept(net) as attentions:
        net(x)
        seen = [part.weights[0] for part in attentions.values()]
    labels = {"ylabel": f"what looks: {axes}", "xlabel": f"where it looks: {axes}"} if axes else {}
    return [
        Looks(name=f"{by}block {number}", weights=weights, queries=names, keys=names, **labels)
        for number, weights in enumerate(seen, 1)
    ]


def draw(folder: RunFolder, looks: Sequence[Looks]) -> list[Path]:
    """A picture for each layer, a map for each of its heads, as dark as its largest weight."""
    (folder.path / "pictures").mkdir(exist_ok=True)
    return [_draw(folder.path / "pictures", layer) for layer in looks]


def _draw(folder: Path, layer: Looks) -> Path:
    maps = {f"head {number}" if len(layer.weights) > 1 else "": head for number, head in enumerate(layer.weights, 1)}
    most = max(len(layer.queries), len(layer.keys))
    named = most <= MOST_NAMES
    return attention_maps(
        folder / f"attention-{layer.name.replace(' ', '-').replace(',', '')}.png",
        maps,
        queries=layer.queries if named else (),
        keys=layer.keys if named else (),
        xlabel=layer.xlabel,
        ylabel=layer.ylabel,
        title=layer.name.capitalize(),
        columns=min(len(maps), 2) if named and most > FEW else 0,
        top=None,
    )
