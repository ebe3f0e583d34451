"""Deep plain networks for the recipes on numerical stability: their start, their signals, and theory for both."""

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from fathom import data
from fathom.errors import InputError
from fathom.layers import init
from fathom.registry import unknown


@dataclass(frozen=True)
class Initialiser:
    """A way to draw weights; biases start at 0 under all of them.

    Args:
        title: in pictures.
        draw: fills a weight `(out, in)` in place.
        std: `(fan_in, fan_out)` to the standard deviation of what `draw` draws.
    """

    title: str
    draw: Callable[[Tensor], object]
    std: Callable[[int, int], float]


INITIALISERS = {
    "zero": Initialiser("zero", init.zeros_, lambda fan_in, fan_out: 0.0),
    "small": Initialiser("normal 0.01", lambda w: init.normal_(w, 0.0, 0.01), lambda fan_in, fan_out: 0.01),
    "large": Initialiser("normal 1", lambda w: init.normal_(w, 0.0, 1.0), lambda fan_in, fan_out: 1.0),
    "xavier": Initialiser("Xavier", init.xavier_uniform_, lambda fan_in, fan_out: math.sqrt(2 / (fan_in + fan_out))),
    "kaiming": Initialiser(
        "Kaiming",
        lambda w: init.kaiming_normal_(w, nonlinearity="relu"),
        lambda fan_in, fan_out: math.sqrt(2 / fan_in),
    ),
}


class ScaledSigmoid(nn.Module):
    """4 sigmoid(x) - 2, which is 2 tanh(x / 2): like the identity, it maps 0 to 0 with slope 1.

    Floats lose an x far below 1e-7 here, since 1/2 plus that is 1/2; by the hyperbolic tangent they would not.

    Args:
        sigmoid: the sigmoid of a rung.
    """

    def __init__(self, sigmoid: nn.Module) -> None:
        super().__init__()
        self.sigmoid = sigmoid

    def forward(self, x: Tensor) -> Tensor:
        """Map any shape to the same."""
        return 4 * self.sigmoid(x) - 2


@dataclass(frozen=True)
class Activation:
    """A nonlinearity: as a layer of a rung, and as NumPy functions for the theory.

    Args:
        title: in pictures.
        layer: namespace of layers to the layer.
        value, slope: the function and its derivative, of arrays.
    """

    title: str
    layer: Callable[[Any], nn.Module]
    value: Callable[[np.ndarray], np.ndarray]
    slope: Callable[[np.ndarray], np.ndarray]


def sigmoid(x: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-x)), written so that nothing overflows."""
    return (1 + np.tanh(x / 2)) / 2


ACTIVATIONS = {
    "tanh": Activation("tanh", lambda nn: nn.Tanh(), np.tanh, lambda x: 1 - np.tanh(x) ** 2),
    "relu": Activation("ReLU", lambda nn: nn.ReLU(), lambda x: np.maximum(x, 0), lambda x: (x > 0).astype(float)),
    "sigmoid": Activation("sigmoid", lambda nn: nn.Sigmoid(), sigmoid, lambda x: sigmoid(x) * sigmoid(-x)),
    "scaled": Activation(
        "4 sigmoid - 2",
        lambda nn: ScaledSigmoid(nn.Sigmoid()),
        lambda x: 2 * np.tanh(x / 2),
        lambda x: 1 - np.tanh(x / 2) ** 2,
    ),
}


def known_names(flag: str, given: Sequence[str], known: Mapping[str, object]) -> None:
    """InputError unless `given` are different names out of `known`, at least one."""
    for name in given:
        if name not in known:
            raise unknown(flag, name, known)
    if not given or len(set(given)) < len(given):
        raise InputError(f"--{flag}: expected different names out of {', '.join(known)}, got {tuple(given)}")


def in_range(**sizes: tuple[int, int]) -> None:
    """InputError, naming the flag, unless each `(value, least)` is at least that."""
    for name, (value, least) in sizes.items():
        if value < least:
            raise InputError(f"--{name.replace('_', '-')}: expected a number of at least {least}, got {value}")


def deep(
    in_features: int, hidden_sizes: Sequence[int], num_classes: int, activation: str, *, nn: Any = torch.nn
) -> nn.Module:
    """A plain network: `(batch, ...)` to logits `(batch, classes)`, an activation after each hidden layer."""
    layers, size = [nn.Flatten()], in_features
    for hidden in hidden_sizes:
        layers += [nn.Linear(size, hidden), ACTIVATIONS[activation].layer(nn)]
        size = hidden
    return nn.Sequential(*layers, nn.Linear(size, num_classes))


def linears(model: nn.Module) -> list[Any]:
    """Its fully connected layers from the input on, of any rung."""
    return [module for module in model.modules() if hasattr(module, "in_features")]


def initialise(model: nn.Module, name: str) -> nn.Module:
    """Redraw all weights by that initialiser, set the biases to 0; returns the model, changed in place."""
    for layer in linears(model):
        INITIALISERS[name].draw(layer.weight)
        init.zeros_(layer.bias)
    return model


@dataclass(frozen=True)
class Signals:
    """Variances by layer, from the input on: `forward` of each linear layer's outputs, `backward` of the loss's
    gradient there; both `(layers,)`, around 0, over examples and units. `source` is the mean square of the inputs.
    """

    source: float
    forward: np.ndarray
    backward: np.ndarray


def measure_signals(model: nn.Module, x: Tensor, y: Tensor) -> Signals:
    """The variances in `model` as it stands, in float64, with the cross-entropy's gradient for examples `(x, y)`."""
    model = deepcopy(model).cpu().double()
    outputs: list[Tensor] = []

    def keep(module: nn.Module, inputs: object, output: Tensor) -> None:
        output.retain_grad()
        outputs.append(output)

    for layer in linears(model):
        layer.register_forward_hook(keep)
    cross_entropy(model(x.cpu().double()), y.cpu(), reduction="sum").backward()
    return Signals(
        x.double().square().mean().item(),
        np.array([output.detach().square().mean().item() for output in outputs]),
        np.array([math.nan if output.grad is None else output.grad.square().mean().item() for output in outputs]),
    )


def measure_on_examples(model: nn.Module, examples: data.Dataset, count: int = 256) -> Signals:
    """`measure_signals` on the first `count` examples."""
    return measure_signals(model, data.pixels(examples.tensors["x"][:count]), examples.tensors["y"][:count])


NODES = np.linspace(-9, 9, 10_000)  # none at 0, where ReLU has its kink; symmetric, so that its halves are exact
WEIGHTS = np.exp(-(NODES**2) / 2)
WEIGHTS = WEIGHTS / WEIGHTS.sum()


def gaussian_mean(function: Callable[[np.ndarray], np.ndarray], variance: float) -> float:
    """E f(z) for normal z around 0 with that variance, by summing over 10,000 points within 9 standard deviations."""
    return float(WEIGHTS @ function(math.sqrt(variance) * NODES))


def predict_signals(
    sizes: Sequence[int], initialiser: str, activation: str, source: float, end: float
) -> tuple[np.ndarray, np.ndarray]:
    """What theory says of `Signals.forward` and `Signals.backward` for wide layers.

    The outputs of a layer are normal with variance q = fan_in σ² E φ(z)², z from the layer before; going back, the
    gradient's variance is multiplied by fan_out σ² E φ'(z)². For ReLU both expectations are exact halves; so
    σ² = 2 / fan keeps the variance, and Xavier's σ² = 2 / (fan_in + fan_out) halves it at each layer.

    Args:
        sizes: of the input, of each hidden layer, and the number of classes.
        source: mean square of the inputs.
        end: variance of the gradient at the last layer's outputs, from which the way back starts.

    Source: He et al. 2015, arXiv 1502.01852, section 2.2; for other nonlinearities than ReLU, Poole et al. 2016, arXiv
    1606.05340, and Schoenholz et al. 2017, arXiv 1611.01232.
    """
    phi, std = ACTIVATIONS[activation], INITIALISERS[initialiser].std
    squares = [std(fan_in, fan_out) ** 2 for fan_in, fan_out in itertools.pairwise(sizes)]
    forward = [sizes[0] * squares[0] * source]
    for fan_in, square in zip(sizes[1:], squares[1:], strict=False):
        forward.append(fan_in * square * gaussian_mean(lambda z: phi.value(z) ** 2, forward[-1]))
    backward = [end]
    for fan_out, square, q in zip(sizes[:1:-1], squares[:0:-1], forward[-2::-1], strict=True):
        backward.append(fan_out * square * gaussian_mean(lambda z: phi.slope(z) ** 2, q) * backward[-1])
    return np.array(forward), np.array(backward[::-1])


def factor(variances: np.ndarray) -> float:
    """By what one layer multiplies the variance, on average over `(layers,)` of them; 0 where nothing arrives."""
    first, last = float(variances[0]), float(variances[-1])
    if first == 0 or last == 0:
        return 0.0
    return math.exp((math.log(last) - math.log(first)) / (len(variances) - 1))
