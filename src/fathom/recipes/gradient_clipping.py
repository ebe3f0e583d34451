"""Exploding gradients clipped by element and by norm, vanishing ones held up by a penalty: an early symbol recalled.

`NAME_greatest_norm` is of the gradient so far, before it is clipped.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, linear

from fathom import optim
from fathom.layers.recurrent_start import gaussian_
from fathom.ops.norm_preserving import omega
from fathom.ops.sequences import rnn
from fathom.plot.panels import Panel, panels
from fathom.recipes import gates
from fathom.recipes.common import contest, rivals
from fathom.recipes.common.contest_recipe import ContestRecipe
from fathom.records import Prediction, RunFolder
from fathom.train.supervised import Measure

SECTION = "Goodfellow et al. 2016, 10.11; Pascanu, Mikolov and Bengio 2013"
DATA = "first-symbol,length=20"
PUBLISHED: list[dict[str, Any]] = [
    {
        "metric": "test_omega_accuracy",
        "value": None,
        "split": "generated sequences",
        "source": "Pascanu, Mikolov and Bengio 2013, arXiv 1211.5063, section 4.1",
        "note": "figures alone, of another task of this kind: the clipped norm and the penalty together recall over "
        "200 steps, a clipped norm alone over far fewer, plain descent over fewer still",
    },
]
REFERENCE = "norm"
TITLES = {"plain": "plain", "value": "by element", "norm": "by norm", "omega": "by norm, with Ω"}


@dataclass(frozen=True, kw_only=True)
class Config(rivals.RivalConfig):
    """Four RNNs of 50 units with one start on sequences of up to 20 symbols, by plain descent; batches of 20.

    Args:
        gain: spectral radius of the recurrent weights at the start, about; above 1 gradients explode early.
        clip: greatest norm of the gradient of two of the nets.
        element: greatest number in the gradient of another.
        penalty: weight of Pascanu's Ω in the loss of the last; the paper takes up to 4.
    """

    gain: float = 1.0
    clip: float = 1.0
    element: float = 0.1
    penalty: float = 0.5
    hidden_size: int = 50
    epochs: int = 20
    batch_size: int = 20
    lr: float = 0.1
    optimizer: str = "sgd"
    data: str = DATA

    def __post_init__(self) -> None:
        """Check every range."""
        super().__post_init__()
        for name in ("gain", "clip", "element"):
            self._check(name, above=0)
        self._check("penalty", at_least=0)


def build(config: Config, about: Mapping[str, Any]) -> nn.ModuleDict:
    """Four RNNs with one start, whose recurrent weights have a spectral radius near `gain`."""
    sizes = len(about["alphabet"]), len(about["classes"])
    nets = {name: rivals.reader(config, *sizes, answer=-1, cell="rnn") for name in TITLES}
    first: Any = nets[REFERENCE]
    gaussian_(first.tagger.recurrent, config.gain)
    for net in nets.values():
        net.load_state_dict(first.state_dict())
    return nn.ModuleDict(nets)


def penalty_gradient(net: Any, tokens: Tensor, target: Tensor) -> tuple[float, Tensor]:
    """Ω of a batch, and its immediate derivative by the recurrent weights, `(hidden_size, hidden_size)`.

    The penalty is of the gradient with respect to what stands before the activation, so that goes in as a tensor of
    its own: through the identity matrix into the whole sequence as one operation.

    Args:
        net: a `Reader` of an RNN, which answers at the last step.
        tokens: `(batch, steps)` of int.
        target: `(batch,)` of int.
    """
    layer = net.tagger.recurrent
    x = net.encode(tokens).transpose(0, 1)
    with torch.no_grad():
        product = linear(x, layer.weight_ih_l0, layer.bias_ih_l0 + layer.bias_hh_l0)
    product.requires_grad_()
    weight_hh = layer.weight_hh_l0.detach().requires_grad_()
    eye = torch.eye(len(weight_hh), dtype=product.dtype, device=product.device)
    states, last = rnn(product, product.new_zeros(product.shape[1:]), eye, weight_hh.detach())
    loss = cross_entropy(net.tagger.output(last), target)
    (gradients,) = torch.autograd.grad(loss, product)
    value = omega(weight_hh, gradients, 1 - states.detach().square())
    (gradient,) = torch.autograd.grad(value, weight_hh)
    return value.item(), gradient


class Clipping(contest.Contest):
    """A step that clips each net's gradient in its own way, and keeps the greatest norm that one had before."""

    def __init__(self, nets: nn.ModuleDict, loss: Measure, config: Config) -> None:
        super().__init__(nets, REFERENCE, loss, contest.Rule(config.optimizer, config.lr))
        self.config, self.greatest = config, dict.fromkeys(nets, 0.0)

    def amend(self, name: str, x: Tensor, y: Tensor) -> None:
        """Add the penalty's derivative, note the norm, clip."""
        net: Any = self.models[name]
        parameters = list(net.parameters())
        if name == "omega" and self.config.penalty:
            weight_hh = net.tagger.recurrent.weight_hh_l0
            weight_hh.grad += self.config.penalty * penalty_gradient(net, x, y)[1]
        clips = name in ("norm", "omega")
        norm = optim.clip_grad_norm_(parameters, self.config.clip if clips else math.inf)
        self.greatest[name] = max(self.greatest[name], norm.item())
        if name == "value":
            optim.clip_grad_value_(parameters, self.config.element)

    def numbers(self) -> dict[str, float]:
        """The greatest norms."""
        return {f"{name}_greatest_norm": value for name, value in self.greatest.items()}

    def state_dict(self) -> dict[str, Any]:
        """As of `Contest`, and the greatest norms."""
        return {**super().state_dict(), "greatest": dict(self.greatest)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Put back what `state_dict` gave."""
        super().load_state_dict(state)
        self.greatest = dict(state["greatest"])


RECIPE = ContestRecipe(
    recipe="gradient-clipping",
    config=Config,
    build=build,
    reference=REFERENCE,
    published=PUBLISHED,
    load=gates.load_splits,
    make_step=lambda config, nets, train, loss, batches: Clipping(nets, loss, config),
)
run, measure = RECIPE.run, RECIPE.measure


def predict(folder: RunFolder, source: str) -> Prediction:
    """What the net with the best test accuracy answers to the symbols `source`; `extra` has all answers."""
    return RECIPE.answer(folder, source, gates.encode(folder.data, str(source)))


def draw(folder: RunFolder) -> list[Path]:
    """Test accuracy and the greatest norm of the gradient by epoch."""
    result = folder.result
    if result is None:
        return []
    steps = folder.data["length"]
    charts = [
        Panel(
            series=contest.by_epoch(result, "test_{}_accuracy", TITLES),
            title=f"Test accuracy, up to {steps} steps",
            xlabel="epoch",
            ylim=(0.0, 1.03),
            whole=True,
        ),
        Panel(
            series=contest.by_epoch(result, "{}_greatest_norm", TITLES),
            title="Greatest norm of a gradient so far",
            xlabel="epoch",
            logy=True,
            whole=True,
        ),
    ]
    return [panels(folder.path / "clipping.png", charts)]
