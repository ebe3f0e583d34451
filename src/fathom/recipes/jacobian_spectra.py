"""Products of a recurrence's Jacobians: their singular values by the number of steps, and Lyapunov exponents.

`NAME_exponent` is ln of the product's largest singular value over the steps, `NAME_exponent_at_start` that before the
training; `linear_…` and `tanh_…` are of nets without an input.
"""

import copy
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fathom import data, seeding
from fathom.layers.recurrent_start import forget_bias_, gaussian_, identity_
from fathom.ops.jacobians import Transition, along, lyapunov_exponents, mean_field_exponent, product_spectra
from fathom.ops.linear import linear
from fathom.ops.recurrence import gru_step, lstm_step, rnn_step
from fathom.plot.panels import Panel, panels
from fathom.recipes.common import adding, rivals
from fathom.recipes.common.contest_recipe import named_at_start
from fathom.records import RunFolder
from fathom.train.experiment import prepare

SECTION = "Goodfellow et al. 2016, 10.7; Pascanu, Mikolov and Bengio 2013"
DATA = "adding,length=40,examples=5000"
PUBLISHED: list[dict[str, Any]] = [
    {
        "metric": "linear_above_exponent",
        "value": None,
        "split": "generated matrices",
        "source": "Goodfellow et al. 2016, 10.7; Pascanu, Mikolov and Bengio 2013, section 2.1",
        "note": "both reason that products of Jacobians go as powers of the eigenvalues, and measure none; the theory "
        "of each exponent stands beside as ..._theory",
    },
]
REFERENCE = "lstm"
TITLES = {
    "below": "tanh, 0.5",
    "critical": "tanh, 1",
    "above": "tanh, 1.5",
    "identity": "ReLU from I",
    "orthogonal": "orthogonal",
    "gru": "GRU",
    "lstm": "LSTM",
}
GAINS = {"below": 0.5, "critical": 1.0, "above": 1.5}
WIDE = 100  # units of the nets whose exponents theory foretells
LONG = 200  # steps that they go without an input
WARM = 50  # of them that do not count
PART = 10  # from one measured product to the next


@dataclass(frozen=True, kw_only=True)
class Config(rivals.RivalConfig):
    """Nets of 32 units on the adding problem of 40 steps; Adam at 0.002, batches of 50; an epoch is 50 updates.

    The scale of a tanh net is that of its recurrent weights' spectral radius: 1 is critical.
    """

    hidden_size: int = 32
    epochs: int = 10
    batch_size: int = 50
    limit: int = 50
    lr: float = 0.002
    data: str = DATA


def build(config: Config, about: Mapping[str, Any]) -> nn.ModuleDict:
    """The nets."""
    nets = {name: adding.net(config, "rnn", _scaled(gain)) for name, gain in GAINS.items()}
    nets["identity"] = adding.net(config, "relu", identity_)
    nets["orthogonal"] = adding.net(config, "orthogonal")
    nets["gru"] = adding.net(config, "gru")
    nets["lstm"] = adding.net(config, "lstm", forget_bias_)
    return nn.ModuleDict(nets)


def _scaled(gain: float) -> Callable[[Any], None]:
    return lambda layer: gaussian_(layer, gain)


# --- steps of a layer -----------------------------------------------------------------------------------------------


def steps_of(layer: Any) -> tuple[Callable[[Tensor], Tensor], Transition, int]:
    """How a recurrent layer steps: inputs to what they add, one step, and how many numbers its state has.

    The state of an LSTM is h and c side by side, which both carry it on.

    Args:
        layer: an RNN, GRU or LSTM of one layer, torch's or ours, or an `OrthogonalRNN`.
    """
    size = layer.hidden_size
    if hasattr(layer, "transition"):
        return lambda x: linear(x, layer.weight_ih), layer.transition(), size
    weight_hh, bias_hh = layer.weight_hh_l0, layer.bias_hh_l0
    gates = len(weight_hh) // size

    def step(product: Tensor, state: Tensor) -> Tensor:
        if gates == 1:
            return rnn_step(product, state, weight_hh, bias_hh, layer.nonlinearity)
        if gates == 3:
            return gru_step(product, state, weight_hh, bias_hh)
        h, c = state.chunk(2, dim=1)
        return torch.cat(lstm_step(product, h, c, weight_hh, bias_hh), dim=1)

    return lambda x: linear(x, layer.weight_ih_l0, layer.bias_ih_l0), step, size * (2 if gates == 4 else 1)


def jacobians(layer: Any, x: Tensor) -> Tensor:
    """Each step's Jacobian on one sequence, `(steps, size, size)` in double precision.

    Args:
        layer: as of `steps_of`; left unchanged.
        x: `(steps, features)`.
    """
    x = x.to("cpu", torch.float64)
    products, step, size = steps_of(copy.deepcopy(layer).to("cpu", torch.float64))
    return along(step, products(x), x.new_zeros(size))[1]


def spectra(nets: nn.ModuleDict, x: Tensor) -> dict[str, Tensor]:
    """Logarithms of the singular values of each net's products on one sequence, `(steps, size)`."""
    return {name: product_spectra(jacobians(net.recurrent, x)) for name, net in nets.items()}


def rates(found: Mapping[str, Tensor]) -> dict[str, float]:
    """ln of the largest singular value of the whole product over the steps: the finite-time Lyapunov exponent."""
    return {f"{name}_exponent": float(logs[-1, 0]) / len(logs) for name, logs in found.items()}


# --- nets whose exponents are foretold ------------------------------------------------------------------------------


def without_input(gain: float, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """A normal matrix, and the Jacobians of x ← W x and of h ← tanh(W h) from a random start, both `LONG` steps.

    Returns:
        `(WIDE, WIDE)`, and `(LONG, WIDE, WIDE)` twice.
    """
    random = seeding.generator(seed, WIDE)
    weight = gain / WIDE**0.5 * torch.randn(WIDE, WIDE, generator=random, dtype=torch.float64)
    start = torch.randn(WIDE, generator=random, dtype=torch.float64)
    _, steps = along(lambda product, h: rnn_step(product, h, weight), start.new_zeros(LONG, WIDE), start)
    return weight, weight.expand(LONG, WIDE, WIDE), steps


def foretold(seed: int) -> dict[str, float]:
    """The largest exponents of linear and of tanh nets of each scale, and those of theory.

    Theory's are ln of the spectral radius, and for tanh that of infinitely many units.
    """
    numbers: dict[str, float] = {}
    for name, gain in GAINS.items():
        weight, linear_steps, tanh_steps = without_input(gain, seed)
        radius = torch.linalg.eigvals(weight).abs().max().item()
        for kind, steps, theory in (
            ("linear", linear_steps, math.log(radius)),
            ("tanh", tanh_steps, mean_field_exponent(gain)),
        ):
            exponent = lyapunov_exponents(steps, count=2, burn_in=WARM)[0].item()
            numbers |= {f"{kind}_{name}_exponent": exponent, f"{kind}_{name}_exponent_theory": theory}
    return numbers


# --- the run --------------------------------------------------------------------------------------------------------


def exponents(config: Config, nets: nn.ModuleDict, train: data.Dataset, test: data.Dataset) -> dict[str, float]:
    """`rates` of the nets on the first test sequence."""
    return rates(spectra(nets, test.tensors["x"][0]))


def at_start(config: Config, nets: nn.ModuleDict, train: data.Dataset, test: data.Dataset) -> dict[str, float]:
    """`exponents` before the training, and those of the nets without an input."""
    return {**named_at_start(exponents)(config, nets, train, test), **foretold(config.seed)}


RECIPE = adding.AddingContest(
    recipe="jacobian-spectra",
    config=Config,
    build=build,
    reference=REFERENCE,
    published=PUBLISHED,
    inspect=exponents,
    at_start=at_start,
)
run, measure, predict = RECIPE.run, RECIPE.measure, RECIPE.add


def draw(folder: RunFolder) -> list[Path]:
    """The largest and the middle singular value by the number of steps, before and after, and what theory foretells."""
    config = Config(**folder.config)
    x = adding.load_splits(config)[1].tensors["x"][0]
    prepare(config)
    stages = {"at the start": build(config, folder.data), "after training": RECIPE.trained(folder)}
    charts = [_products(when, spectra(nets, x), names=when != "at the start") for when, nets in stages.items()]
    return [
        panels(
            folder.path / "spectra.png",
            charts,
            key="bold: the largest singular value of the product of all Jacobians so far; thin: the middle one",
        ),
        draw_theory(folder.path / "exponents.png", config.seed),
    ]


def _products(when: str, found: Mapping[str, Tensor], names: bool) -> Panel:
    steps = np.arange(1, len(next(iter(found.values()))) + 1)
    largest, middle = {}, {}
    for name, logs in found.items():
        decades = logs.numpy() / math.log(10)
        largest[TITLES[name]] = steps, decades[:, 0]
        middle[TITLES[name]] = steps, decades[:, decades.shape[1] // 2]
    return Panel(
        series=largest,
        thin=middle,
        title=f"Products of Jacobians {when}",
        xlabel="steps",
        ylabel="log₁₀ of the singular value",
        ylim=(-14.0, 3.0),
        names=names,
    )


def draw_theory(path: Path, seed: int) -> Path:
    """The largest singular value without an input by the number of steps, linear and tanh, with theory's growth."""
    charts = []
    for kind in ("linear", "tanh"):
        series, theory = {}, {}
        for gain in GAINS.values():
            weight, linear_steps, tanh_steps = without_input(gain, seed)
            parts = (linear_steps if kind == "linear" else tanh_steps).split(PART)
            blocks = torch.stack([reduce(lambda before, step: step @ before, part) for part in parts])
            logs = product_spectra(blocks)[:, 0].numpy() / math.log(10)
            radius = torch.linalg.eigvals(weight).abs().max().item()
            slope = (math.log(radius) if kind == "linear" else mean_field_exponent(gain)) / math.log(10)
            steps, begin = PART * np.arange(1, len(logs) + 1), WARM // PART - 1
            series[f"scale {gain:g}"] = steps, logs
            theory[f"scale {gain:g}"] = steps, logs[begin] + slope * (steps - steps[begin])
        charts.append(
            Panel(
                series=series,
                theory=theory,
                title=f"{kind} net of {WIDE} units, no input",
                xlabel="steps",
                ylabel="log₁₀ of the largest singular value",
                names=kind == "tanh",
            )
        )
    return panels(path, charts, key="dots: measured; lines: theory's growth, through the measured one at step 50")
