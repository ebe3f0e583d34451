"""Backpropagation through time: whole, cut after so many steps, and cut at random so that the mean stays right.

The gradients are compared before the three nets are trained; see `compared` for the numbers, which are of the start.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from fathom import data
from fathom.errors import InputError
from fathom.plot.panels import Panel, panels
from fathom.recipes.common import rivals
from fathom.records import RunFolder
from fathom.train.experiment import prepare

SECTION = "d2l-zh 8.7; Tallec and Ollivier 2017"
DATA = "time-machine,tokens=10000"
PUBLISHED: list[dict[str, Any]] = [
    {
        "metric": "random_bias",
        "value": None,
        "split": "a batch of the training text",
        "source": "d2l-zh 8.7.1; Tallec and Ollivier 2017, arXiv 1705.08209, section 4",
        "note": "the book says that random cuts do little better than regular ones, the paper that they have no bias",
    },
]
REFERENCE = "full"
TITLES = {"full": "whole", "regular": "cut regularly", "random": "cut at random"}
EXAMPLES = 32  # windows on which the gradients are compared


@dataclass(frozen=True, kw_only=True)
class Config(rivals.RivalConfig):
    """Three RNNs of 64 units with one start on windows of 40 steps, the gradient cut after 8.

    Args:
        steps: tokens in a window.
        span: steps that the gradient goes back, exactly or in the mean.
        draws: of the random cuts, for the bias and the spread of the gradient.
    """

    steps: int = 40
    span: int = 8
    draws: int = 200
    epochs: int = 60
    data: str = DATA

    def __post_init__(self) -> None:
        """Check every range."""
        super().__post_init__()
        self._check("steps", at_least=2)
        self._check("draws", at_least=2)
        if not 2 <= self.span <= self.steps:
            raise InputError(f"--span: expected from 2 to {self.steps}, the value of --steps, got {self.span}")


class ScaleGradient(torch.autograd.Function):
    """A tensor as it is, whose gradient is multiplied on the way back by a factor that broadcasts to it."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, factor: Tensor) -> Tensor:
        """The tensor."""
        ctx.save_for_backward(factor)
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        """The gradient, scaled."""
        (factor,) = ctx.saved_tensors
        return gradient * factor, None


def random_cuts(batch: int, steps: int, span: float) -> Tensor:
    """Factors of the gradient between steps, `(steps - 1, batch)`: 0 with probability 1/span, else 1 / (1 - 1/span).

    Their mean is 1, so the mean of the gradient is the whole one. Drawn from torch's global generator.

    Source: Tallec and Ollivier 2017, arXiv 1705.08209, equations 7 and 8; Dive into Deep Learning, "Backpropagation
    Through Time".
    """
    cut = 1 / span
    kept = torch.rand(steps - 1, batch) >= cut
    return kept / (1 - cut)


class Truncated(rivals.Reader):
    """A `Reader` whose gradient does not go all the way back while it is in training mode; its values are the same.

    Args:
        tagger, in_features: as of `Reader`.
        cuts: `full`, `regular` or `random`.
        span: as in the settings.
    """

    def __init__(self, tagger: Any, in_features: int, cuts: str, span: int) -> None:
        super().__init__(tagger, in_features)
        self.cuts, self.span = cuts, span

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits `(batch, classes, steps)`."""
        if self.cuts == "full" or not self.training:
            return super().forward(tokens)
        batch, steps = tokens.shape
        if self.cuts == "regular":
            return self.read(tokens, range(self.span, steps, self.span), torch.zeros(steps - 1, batch))
        return self.read(tokens, range(1, steps), random_cuts(batch, steps, self.span))

    def read(self, tokens: Tensor, places: Sequence[int], factors: Tensor) -> Tensor:
        """Logits, with the gradient multiplied between some steps and those before them.

        Args:
            tokens: `(batch, steps)` of int.
            places: steps at which a new part begins, in order.
            factors: `(steps - 1, batch)`; what comes into step i from the one before goes back times row i - 1.
        """
        x, state, parts, factors = self.encode(tokens), None, [], factors.to(tokens.device)
        for start, end in zip([0, *places], [*places, tokens.shape[1]], strict=True):
            if state is not None:
                state = ScaleGradient.apply(state, factors[start - 1, :, None].to(x.dtype))
            logits, state = self.tagger(x[:, start:end], state)
            parts.append(logits)
        return torch.cat(parts, dim=1).transpose(1, 2)


def build(config: Config, about: Mapping[str, Any]) -> nn.ModuleDict:
    """Three RNNs that begin alike."""
    size = len(about["vocab"])
    nets = {cuts: rivals.reader(config, size, size, cell="rnn") for cuts in TITLES}
    for net in nets.values():
        net.load_state_dict(nets[REFERENCE].state_dict())
    return nn.ModuleDict({cuts: Truncated(net.tagger, size, cuts, config.span) for cuts, net in nets.items()})


# --- gradients ------------------------------------------------------------------------------------------------------


def gradient(net: Truncated, tokens: Tensor, target: Tensor, places: Sequence[int], factors: Tensor) -> Tensor:
    """The gradient of the mean loss in all parameters, in one row, with such cuts (see `Truncated.read`)."""
    loss = cross_entropy(net.read(tokens, places, factors), target)
    return torch.cat([part.flatten() for part in torch.autograd.grad(loss, list(net.parameters()))])


def whole_gradient(net: Truncated, tokens: Tensor, target: Tensor) -> Tensor:
    """The gradient without cuts."""
    return gradient(net, tokens, target, [], torch.ones(tokens.shape[1] - 1, len(tokens)))


def regular_gradient(net: Truncated, tokens: Tensor, target: Tensor, span: int) -> Tensor:
    """The gradient that is cut after every `span` steps."""
    steps = tokens.shape[1]
    return gradient(net, tokens, target, range(span, steps, span), torch.zeros(steps - 1, len(tokens)))


def random_gradients(net: Truncated, tokens: Tensor, target: Tensor, span: float, draws: int) -> Tensor:
    """Gradients cut at random, `(draws, parameters)`."""
    batch, steps = tokens.shape
    return torch.stack(
        [gradient(net, tokens, target, range(1, steps), random_cuts(batch, steps, span)) for _ in range(draws)]
    )


def compared(net: Truncated, tokens: Tensor, target: Tensor, span: int, draws: int) -> dict[str, float]:
    """How far the cut gradients are from the whole one, over its length.

    `random_bias` is the distance of the mean over the draws, `random_noise` what chance alone would leave of it (the
    standard error), `random_spread` the root mean square distance of a single draw.
    """
    whole = whole_gradient(net, tokens, target)
    length = whole.norm()
    drawn = random_gradients(net, tokens, target, span, draws)
    spread = (drawn - drawn.mean(dim=0)).square().sum() / (draws - 1)
    numbers = {
        "regular_bias": (regular_gradient(net, tokens, target, span) - whole).norm(),
        "random_bias": (drawn.mean(dim=0) - whole).norm(),
        "random_noise": (spread / draws).sqrt(),
        "random_spread": (drawn - whole).square().sum(dim=1).mean().sqrt(),
    }
    return {name: (value / length).item() for name, value in numbers.items()}


def batch_of(train: data.Dataset) -> tuple[Tensor, Tensor]:
    """The windows on which gradients are compared."""
    return train.tensors["x"][:EXAMPLES], train.tensors["y"][:EXAMPLES]


def at_start(config: Config, nets: nn.ModuleDict, train: data.Dataset) -> dict[str, float]:
    """`compared` before the training, torch's generator left as it was."""
    net: Any = nets[REFERENCE]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        return compared(net, *batch_of(train), config.span, config.draws)


RECIPE = rivals.TextContest(
    recipe="truncated-bptt",
    config=Config,
    build=build,
    reference=REFERENCE,
    published=PUBLISHED,
    at_start=lambda config, nets, train, _: at_start(config, nets, train),
)
run, measure, predict = RECIPE.run, RECIPE.measure, RECIPE.go_on


def draw(folder: RunFolder) -> list[Path]:
    """Errors of the cut gradients by the span, at the start and after training, and who learned."""
    config, result = Config(**folder.config), folder.result
    x, y = batch_of(rivals.load_windows(config)[0])
    prepare(config)
    stages = {"at the start": build(config, folder.data), "after training": RECIPE.trained(folder)}
    spans = sorted({2, *(2**power for power in range(1, 12) if 2**power < config.steps), config.steps})
    charts = []
    for when, nets in stages.items():
        net: Any = nets[REFERENCE]
        rows = [compared(net, x, y, span, min(config.draws, 20)) for span in spans]
        names = {
            "cut regularly": "regular_bias",
            "one random draw": "random_spread",
            f"mean of {min(config.draws, 20)} draws": "random_bias",
        }
        series = {title: (spans, [row[name] for row in rows]) for title, name in names.items()}
        charts.append(
            Panel(
                series=series,
                title=f"Error of the gradient {when}",
                xlabel="span, steps",
                ylabel="distance / length",
                logx=True,
                logy=True,
                names=when == "after training",
            )
        )
    pictures = [panels(folder.path / "gradients.png", charts)]
    if result is not None:
        pictures.append(rivals.draw_perplexities(folder.path / "perplexity.png", result, TITLES))
    return pictures
