"""What the gates of a trained language model do over a sentence."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import linear

from fathom.plot.gates import over_steps
from fathom.recipes.common import language
from fathom.recipes.common.language import LanguageConfig
from fathom.records import RunFolder

STEPS = 60  # of the text
UNITS = 24  # shown of each gate: those that change most
GATES = {"gru": ("reset", "update"), "lstm": ("input", "forget", "output")}
BLOCKS = {"reset": 0, "update": 1, "input": 0, "forget": 1, "output": 3}  # rows of the weights, in torch's order


@torch.no_grad()
def gates_over(recurrent: Any, x: Tensor, cell: str) -> dict[str, Tensor]:
    """The gates of the first layer at each step of one sequence, by name, `(steps, hidden_size)` from 0 to 1.

    Args:
        recurrent: a GRU or an LSTM of any rung on torch's tensors, batch first.
        x: `(1, steps, input_size)`.
        cell: `gru` or `lstm`.
    """
    size = recurrent.hidden_size
    weights = recurrent.weight_ih_l0, recurrent.weight_hh_l0, recurrent.bias_ih_l0, recurrent.bias_hh_l0
    state, seen = None, torch.zeros(1, size, dtype=x.dtype)
    found: dict[str, list[Tensor]] = {gate: [] for gate in GATES[cell]}
    for place in range(x.shape[1]):
        sums = linear(x[:, place], weights[0], weights[2]) + linear(seen, weights[1], weights[3])
        for gate, values in found.items():
            values.append(sums[0, BLOCKS[gate] * size : (BLOCKS[gate] + 1) * size].sigmoid())
        _, state = recurrent(x[:, place : place + 1], state)
        seen = (state[0] if cell == "lstm" else state)[0]
    return {gate: torch.stack(values) for gate, values in found.items()}


def draw_gates(folder: RunFolder, cell: str, config: LanguageConfig) -> list[Path]:
    """The gates of a run's model over the beginning of its held-out text, of each the units that change most."""
    if cell not in GATES or not folder.best.is_file():
        return []
    _, test = language.load_splits(config)
    tokens = test.tensors["x"][:STEPS].long()[None]
    model: Any = language.trained(folder, cell, config, "best")
    inputs: list[Tensor] = []
    with model.recurrent.register_forward_pre_hook(lambda layer, arguments: inputs.append(arguments[0])):
        model(tokens)
    maps = {}
    for gate, values in gates_over(model.recurrent, inputs[0], cell).items():
        lively = values.var(dim=0, correction=0).argsort(descending=True)[:UNITS]
        chosen = values[:, lively]
        maps[f"{gate} gate"] = chosen[:, chosen.mean(dim=0).argsort()].T
    steps = [folder.data["vocab"][number] for number in tokens[0].tolist()]
    return [over_steps(folder.path / "gates.png", maps, steps, ylabel=f"{UNITS} units that change most")]
