"""Hessian-free training of a plain recurrent net beside clipped descent, and beside an LSTM, on the adding problem.

`NAME_loss` is the mean squared error; `hf_products` counts the products of the Gauss-Newton matrix with a vector so
far, `hf_damping` is λ.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from fathom.layers.recurrent_start import gaussian_
from fathom.ops.recurrence import rnn_by_steps
from fathom.optim.hessian_free import Forward, HessianFree, Report
from fathom.plot.panels import Panel, panels
from fathom.recipes.common import adding, contest, rivals
from fathom.recipes.gates import open_gates
from fathom.records import RunFolder
from fathom.train.supervised import Measure

SECTION = "Goodfellow et al. 2016, 10.11; Martens and Sutskever 2011"
DATA = "adding,length=30,examples=20000"
PUBLISHED: list[dict[str, Any]] = [
    {
        "metric": "test_hf_loss",
        "value": None,
        "split": "generated sequences",
        "source": "Martens and Sutskever 2011, section 4",
        "note": "the paper counts runs that solve the adding problem at up to 200 steps, of nets of 100 units and "
        "batches of up to 10,000; Goodfellow et al. hold clipped descent with an LSTM to be the easier way",
    },
]
REFERENCE = "sgd"
TITLES = {"sgd": "RNN, clipped descent", "hf": "RNN, Hessian-free", "lstm": "LSTM, clipped Adam"}


@dataclass(frozen=True, kw_only=True)
class Config(rivals.RivalConfig):
    """Nets of 32 units on sequences of 30 steps, batches of 1,000, of which two nets learn in parts of 50.

    An epoch is 20 batches. In it the Hessian-free net makes one update, which costs it about as much computing as the
    epoch costs the others: both RNNs begin alike.

    Args:
        part: examples an update of the others.
        every: batches from one Hessian-free update to the next.
        curvature: examples of its batch that the Gauss-Newton matrix is made from.
        products: of that matrix with a vector, at most, an update.
        damping: λ of the first update.
        structural: μ, how much a change of the states counts beside, over λ.
        lstm_lr: learning rate of the LSTM, by Adam; lr is the RNN's.
    """

    part: int = 50
    every: int = 20
    curvature: int = 250
    products: int = 50
    damping: float = 0.1
    structural: float = 0.1
    lstm_lr: float = 0.005
    hidden_size: int = 32
    epochs: int = 25
    batch_size: int = 1000
    lr: float = 0.02
    optimizer: str = "momentum"
    data: str = DATA

    def __post_init__(self) -> None:
        """Check every range."""
        super().__post_init__()
        for name in ("part", "every", "curvature", "products"):
            self._check(name, at_least=1)
        for name in ("damping", "lstm_lr"):
            self._check(name, above=0)
        self._check("structural", at_least=0)


def build(config: Config, about: Mapping[str, Any]) -> nn.ModuleDict:
    """Two RNNs with one start, of a spectral radius near 1, and an LSTM with open gates."""
    first = adding.net(config, "rnn", lambda layer: gaussian_(layer, 1.0))
    second = adding.net(config, "rnn")
    second.load_state_dict(first.state_dict())
    lstm = adding.net(config, "lstm", lambda layer: open_gates(layer, about["length"]))
    return nn.ModuleDict({"sgd": first, "hf": second, "lstm": lstm})


def on_parameters(net: Any, x: Tensor) -> Forward:
    """A net of an RNN as a function of its parameters, in their order: to its answers and its states.

    The states are over √batch, so that their squared length is a mean over the batch.

    Args:
        x: `(batch, steps, features)`.
    """
    shapes = [parameter.shape for parameter in net.parameters()]
    steps, start = x.transpose(0, 1), x.new_zeros(len(x), net.recurrent.hidden_size)

    def forward(flat: Tensor) -> tuple[Tensor, Tensor]:
        parts = flat.split([shape.numel() for shape in shapes])
        *weights, read, bias = (part.view(shape) for part, shape in zip(parts, shapes, strict=True))
        states, last = rnn_by_steps(steps, start, *weights)
        return last @ read.T + bias, states / len(x) ** 0.5

    return forward


class Race(contest.Contest):
    """A step in which one net waits for every so-manieth batch and then makes a Hessian-free update of it."""

    def __init__(self, nets: nn.ModuleDict, loss: Measure, config: Config) -> None:
        rules = {
            "sgd": contest.Rule(config.optimizer, config.lr, batch_size=config.part, clip=config.clip),
            "hf": contest.Rule("sgd", config.lr),  # which never acts
            "lstm": contest.Rule("adam", config.lstm_lr, batch_size=config.part, clip=config.clip),
        }
        super().__init__(nets, REFERENCE, loss, rules, score=adding.close)
        self.config = config
        self.rule = HessianFree(config.damping, config.structural, config.products)
        self.products = 0

    def update(self, name: str, x: Tensor, y: Tensor) -> tuple[float, float]:
        """One update of one net, or, of the Hessian-free one, perhaps none; its loss and accuracy before."""
        if name != "hf":
            return super().update(name, x, y)
        net = self.models["hf"]
        with torch.no_grad():
            outputs = net(x)
            before = self.loss(outputs, y).item(), self.score(outputs, y).item()
        if self.updates["hf"] % self.config.every == 0:
            report = self.hessian_free(net, x, y)
            self.products += report.products
        self.updates["hf"] += 1
        return before

    def hessian_free(self, net: nn.Module, x: Tensor, y: Tensor) -> Report:
        """One Hessian-free update."""
        few = slice(self.config.curvature)
        curvature = on_parameters(net, x[few]), lambda outputs: self.loss(outputs, y[few])
        flat = parameters_to_vector(net.parameters()).detach()
        moved, report = self.rule.step(
            on_parameters(net, x), lambda outputs: self.loss(outputs, y), flat, curvature=curvature
        )
        with torch.no_grad():
            vector_to_parameters(moved, net.parameters())
        return report

    def numbers(self) -> dict[str, float]:
        """What the Hessian-free rule has done so far."""
        return {"hf_products": float(self.products), "hf_damping": self.rule.damping}

    def state_dict(self) -> dict[str, Any]:
        """As of `Contest`, with the Hessian-free rule's."""
        return {**super().state_dict(), "rule": self.rule.state_dict(), "products": self.products}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Put back what `state_dict` gave."""
        super().load_state_dict(state)
        self.rule.load_state_dict(state["rule"])
        self.products = state["products"]


RECIPE = adding.AddingContest(
    recipe="hessian-free",
    config=Config,
    build=build,
    reference=REFERENCE,
    published=PUBLISHED,
    make_step=lambda config, nets, train, loss, batches: Race(nets, loss, config),
)
run, measure, predict = RECIPE.run, RECIPE.measure, RECIPE.add


def draw(folder: RunFolder) -> list[Path]:
    """Test error by epoch, which is about the same computing for each, and λ."""
    result = folder.result
    if result is None:
        return []
    epochs = [record["epoch"] for record in result.history]
    charts = [
        Panel(
            series=contest.by_epoch(result, "test_{}_loss", TITLES),
            title=f"Mean squared test error, {folder.data['length']} steps",
            xlabel="epoch, of about the same computing",
            logy=True,
            whole=True,
        ),
        Panel(
            series={TITLES["hf"]: (epochs, [record["hf_damping"] for record in result.history])},
            title="Damping λ",
            xlabel="epoch",
            logy=True,
            whole=True,
            names=False,
        ),
    ]
    return [panels(folder.path / "errors.png", charts)]
