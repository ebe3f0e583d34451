"""How long a linear reservoir remembers: capacity by delay, beside Jaeger's bound, which orthogonal weights reach."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fathom import seeding
from fathom.errors import InputError
from fathom.plot.panels import Panel, panels
from fathom.recipes.common import reservoir
from fathom.recipes.common.inputs import numbers
from fathom.records import DataUsed, Prediction, Result, RunFolder
from fathom.train import Listener, load_model
from fathom.train.experiment import conduct, measured_again, prepare

SECTION = "Goodfellow et al. 2016, 10.8; Jaeger 2001"
DATA = "none"
PUBLISHED: list[dict[str, Any]] = [
    {
        "metric": "test_orthogonal_capacity",
        "value": 100.0,
        "split": "uniform noise, 100 linear units",
        "source": "Jaeger 2001, GMD report 152, Short term memory in echo state networks",
        "note": "the number of units bounds every reservoir, and linear ones reach it but for rounding",
    },
]
REFERENCE = "orthogonal"
NETS: Mapping[str, Mapping[str, Any]] = {
    "orthogonal": {"kind": "orthogonal", "activation": "identity"},
    "gaussian": {"kind": "random", "density": 1.0, "activation": "identity"},
    "penalised": {"kind": "random", "density": 1.0, "activation": "identity"},
    "tanh": {"kind": "orthogonal", "activation": "tanh"},
}
TITLES = {
    "orthogonal": "orthogonal",
    "gaussian": "Gaussian",
    "penalised": "Gaussian, penalty",
    "tanh": "orthogonal, tanh",
}


@dataclass(frozen=True, kw_only=True)
class Config(reservoir.ReservoirConfig):
    """Reservoirs of 100 units with a spectral radius of 0.95, driven by 20,000 even numbers between -1 and 1.

    Args:
        penalty: of the read-out of one of the Gaussian reservoirs; the others have none.
        steps: of the series that is learnt from, and of another one on which the capacity is measured.
        data: none; the noise is drawn.
    """

    batch_size: int = 500
    hidden_size: int = 100
    spectral_radius: float = 0.95
    density: float = 1.0
    input_scale: float = 0.1
    bias_scale: float = 0.0
    washout: int = 500
    penalty: float = 1e-8
    steps: int = 20000
    data: str = DATA

    def __post_init__(self) -> None:
        """Check every range."""
        super().__post_init__()
        self.keep(("data", "density", "bias_scale", "leak"), "the reservoirs are linear, dense and driven by noise")
        self._check("steps", at_least=100)
        if self.washout < self.delays:
            raise InputError(f"--washout: expected at least {self.delays}, the greatest delay, got {self.washout}")
        reservoir.check_washout(self, self.steps)

    @property
    def delays(self) -> int:
        """Delays that are asked for: 1 and on, twice as many as there are units."""
        return 2 * self.hidden_size


class Noise:
    """Stands where `conduct` asks for examples: `x` `(steps, 1)` and, in column k - 1 of `y`, `x` k steps before."""

    def __init__(self, config: Config, stream: int) -> None:
        random = seeding.generator(config.seed, stream)
        drawn = 2 * torch.rand(config.steps, generator=random, dtype=torch.float64) - 1
        before = torch.cat([drawn.new_zeros(config.delays), drawn[:-1]])
        self.tensors = {
            "x": drawn[:, None].to(config.dtype),
            "y": before.unfold(0, config.delays, 1).flip(1).to(config.dtype),
        }
        self.used = DataUsed(name="uniform noise", origin="function")
        self.about: dict[str, Any] = {"kind": "noise", "classes": []}

    def __len__(self) -> int:
        """Steps."""
        return len(self.tensors["x"])


class Together:
    """A step in which several reservoirs see the same block; the reference's loss is `loss`."""

    def __init__(self, nets: nn.ModuleDict, config: Config) -> None:
        exact = replace(config, penalty=0.0)
        self.steps = {
            name: reservoir.Solving(net, config if name == "penalised" else exact, outputs=config.delays)
            for name, net in nets.items()
        }

    def __call__(self, batch: tuple[Tensor, ...]) -> dict[str, float]:
        """Learn from `(x, y)`; the mean squared errors before that."""
        losses = {f"{name}_loss": step(batch)["loss"] for name, step in self.steps.items()}
        return {"loss": losses[f"{REFERENCE}_loss"], **losses}

    def solve(self) -> None:
        """Give every net the read-out that fits best."""
        for step in self.steps.values():
            step.solve()

    def state_dict(self) -> dict[str, Any]:
        """The states of all."""
        return {name: step.state_dict() for name, step in self.steps.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Put back what `state_dict` gave."""
        for name, step in self.steps.items():
            step.load_state_dict(state[name])


def build(config: Config) -> nn.ModuleDict:
    """The reservoirs, each with a read-out for every delay."""
    every = {name: reservoir.build(config, num_outputs=config.delays, **options) for name, options in NETS.items()}
    return nn.ModuleDict(every)


@torch.no_grad()
def seen_by(nets: nn.ModuleDict, unseen: Noise) -> dict[str, Tensor]:
    """What each read-out sees of a series, `(steps, features)`: the same whatever the read-out has learnt."""
    every: dict[str, Any] = dict(nets.items())
    return {name: net.features(unseen.tensors["x"][None])[0][0] for name, net in every.items()}


@torch.no_grad()
def capacities(net: Any, seen: Tensor, truth: Tensor) -> Tensor:
    """Squared correlation of what the net tells with what was, by delay, `(delays,)`; 0 where it tells a constant.

    Args:
        net: its read-out is asked.
        seen: `(steps, features)`, after the washout.
        truth: `(steps, delays)`.

    Source: Jaeger 2001, GMD report 152, "Short term memory in echo state networks".
    """
    told = net.readout(seen)
    told, truth = told - told.mean(dim=0), truth - truth.mean(dim=0)
    scale = told.square().sum(dim=0) * truth.square().sum(dim=0)
    return torch.where(scale > 0, (told * truth).sum(dim=0).square() / scale.clamp_min(1e-300), 0.0)


def linear_capacities(net: Any, delays: int, penalty: float, rows: int) -> Tensor:
    """What a linear reservoir's capacity by delay from 1 is for a series without end, `(delays,)`, in float64.

    The read-out also sees the input itself, so what counts of the state is what came before: with m_k = Wᵏ v, what an
    input k steps ago has become, the capacity of delay k is m_kᵀ (Σ m_j m_jᵀ + ε I)⁻¹ m_k, the sum over j from 1, and ε
    the penalty over the rows and the input's variance.

    Source: Jaeger 2001, GMD report 152; White, Lee and Sompolinsky 2004, "Short-term memory in orthogonal neural
    networks".
    """
    weight = net.recurrent.double()
    way = [weight @ net.input_weight[:, 0].double()]
    while len(way) < delays or (way[-1].norm() > 1e-12 * way[0].norm() and len(way) < 100_000):
        way.append(weight @ way[-1])
    traces = torch.stack(way, dim=1)
    variance = 1 / 3  # of an even number between -1 and 1
    values, vectors = torch.linalg.eigh(traces @ traces.mT)
    damped = values.clamp_min(0) + penalty / (variance * rows)
    return ((vectors.mT @ traces[:, :delays]).square() / damped[:, None]).sum(dim=0)


def measured(config: Config, nets: nn.ModuleDict, unseen: Noise, seen: Mapping[str, Tensor]) -> dict[str, float]:
    """The total capacity of each net on unseen noise, and at how many delays it keeps at least half."""
    found, truth = {}, unseen.tensors["y"][config.washout :]
    for name, net in nets.items():
        each = capacities(net, seen[name][config.washout :], truth)
        found[f"test_{name}_capacity"] = each.sum().item()
        found[f"test_{name}_half"] = float((each >= 0.5).sum())
    return found


def run(config: Config, folder: RunFolder | None = None, *, listeners: Sequence[Listener] = ()) -> Result:
    """Drive the reservoirs with noise and solve for what was k steps before; `test_NET_capacity` sums over the delays.

    Delays count from 1: the number that has just come stands before the read-out anyway. So the number of units is the
    bound.
    """
    device = prepare(replace(config, device="cpu"))
    train = Noise(config, 0)
    blocks: Any = reservoir.Blocks(*train.tensors.values(), batch_size=config.batch_size, limit=config.limit)
    nets = build(config).to(device)
    step = Together(nets, config)
    unseen = Noise(config, 1)
    seen = seen_by(nets, unseen)

    def solved() -> dict[str, float]:
        step.solve()
        return measured(config, nets, unseen, seen)

    return conduct(
        "memory-capacity",
        config,
        step,
        blocks,
        {"model": nets, "step": step},
        train,
        evaluate=solved,
        monitor="",  # the last read-out has seen most
        published=PUBLISHED,
        folder=folder,
        listeners=listeners,
    )


def trained(folder: RunFolder) -> Any:
    """A run's nets with their last read-outs."""
    config = Config(**folder.config)
    return load_model(folder, lambda: build(config), best=False)


def measure(folder: RunFolder) -> Result:
    """Measure a run's last read-outs again."""
    config = Config(**folder.config)
    prepare(replace(config, device="cpu"))
    nets, unseen = trained(folder), Noise(config, 1)
    found = measured(config, nets, unseen, seen_by(nets, unseen))
    return measured_again(folder, config, found, unseen.used, PUBLISHED, "the last read-out")


def predict(folder: RunFolder, source: str | Path) -> Prediction:
    """What the orthogonal reservoir takes the first of the numbers in `source`, with commas, to have been."""
    config = Config(**folder.config)
    count = str(source).count(",") + 1
    if count > config.delays:
        raise InputError(f"expected at most {config.delays} numbers, as many as there are delays, got {count}")
    if count == 1:
        return Prediction(input=str(source)[:200], label=numbers(source, 1)[0])
    given = torch.tensor(numbers(source, count), dtype=config.dtype)[None, :, None]
    with torch.no_grad():
        told = {name: net(given)[0][0, -1, count - 2].item() for name, net in trained(folder).items()}
    return Prediction(input=str(source)[:200], label=told[REFERENCE], extra=told)


def draw(folder: RunFolder) -> list[Path]:
    """Capacity by delay of each net, with what theory has for two linear ones, and the sums beside the bound."""
    config, nets = Config(**folder.config), trained(folder)
    prepare(replace(config, device="cpu"))
    unseen, delays = Noise(config, 1), np.arange(1, config.delays + 1)
    truth = unseen.tensors["y"][config.washout :]
    found = {
        name: capacities(nets[name], seen[config.washout :], truth).numpy()
        for name, seen in seen_by(nets, unseen).items()
    }
    learnt = config.steps - config.washout
    penalties = {"orthogonal": 0.0, "penalised": config.penalty}
    linear = {
        TITLES[name]: (delays, linear_capacities(nets[name], config.delays, penalty, learnt).numpy())
        for name, penalty in penalties.items()
    }
    bound = {f"N = {config.hidden_size}": config.hidden_size}
    by_delay = Panel(
        series={TITLES[name]: (delays, values) for name, values in found.items()},
        thin=linear,
        title="Capacity by delay",
        xlabel="steps back",
        ylim=(0.0, 1.05),
        verticals=bound,
        names=False,
    )
    summed = Panel(
        series={TITLES[name]: (delays, values.cumsum()) for name, values in found.items()},
        title="Summed from delay 1",
        xlabel="steps back",
        verticals=bound,
    )
    return [panels(folder.path / "capacity.png", [by_delay, summed], key="thin: theory, for a series without end")]
