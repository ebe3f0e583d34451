"""Averages of the weights that a training passes through: equal shares (SWA), or fading ones (EMA)."""

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Protocol, Self

import torch
from torch import Tensor

from fathom.optim.schedules.course import naming, updates, wanted, within
from fathom.registry import Registry, arguments, spec


class Weights(Protocol):
    """What an average needs of a model: an `nn.Module`, or anything else that gives torch tensors to read and write."""

    def parameters(self) -> Iterator[Any]:
        """What is averaged."""

    def buffers(self) -> Iterator[Any]:
        """What is copied, such as running statistics."""

    def modules(self) -> Iterator[Any]:
        """Its parts, for `update_statistics`."""

    def eval(self) -> Self:
        """Switch to evaluation mode."""

    def state_dict(self) -> dict[str, Any]:
        """Parameters and buffers by name."""

    def load_state_dict(self, state: Mapping[str, Any], /) -> Any:
        """Put back what `state_dict` gave."""


class WeightAverage:
    """Follows a model with a second one, in evaluation mode, whose weights are an average. It is `Stateful`.

    The n-th set of weights that is taken in moves the average: `a ← a + share(n) (w - a)`, with `share(0) = 1`.
    Buffers are copied, as the twin does by default.

    Twin: `torch.optim.swa_utils.AveragedModel`.

    Args:
        model: what is followed; its own weights stay as they are.
        share: the sets taken in before to the share of the next one, above 0 and at most 1.
        start: updates of the model that are passed over at the beginning.
        every: of the updates, each so many-th is taken in.
        statistics: whether batch normalisation's statistics must be measured anew for the average, with
            `update_statistics`; else those that were copied are near enough.
    """

    def __init__(
        self,
        model: Weights,
        share: Callable[[int], float],
        *,
        start: int = 0,
        every: int = 1,
        statistics: bool = False,
    ) -> None:
        self.model: Any = copy.deepcopy(model).eval()
        self.share, self.start, self.every, self.statistics = share, start, every, statistics
        self.seen, self.count = 0, 0
        self._theirs, self._ours = ([tensor.detach() for tensor in side.parameters()] for side in (model, self.model))
        self._buffers = [tensor.detach() for tensor in model.buffers()]
        self._copies = [tensor.detach() for tensor in self.model.buffers()]

    @torch.no_grad()
    def update(self) -> None:
        """Hear that the model has been updated once, and take its weights in if it is their turn."""
        self.seen += 1
        if self.seen <= self.start or self.seen % self.every:
            return
        if self.count == 0:
            torch._foreach_copy_(self._ours, self._theirs)
        else:
            torch._foreach_lerp_(self._ours, self._theirs, self.share(self.count))
        if self._copies:
            torch._foreach_copy_(self._copies, self._buffers)
        self.count += 1

    def state_dict(self) -> dict[str, Any]:
        """The average, how many sets it has taken in, and how many updates it has heard of."""
        return {"model": self.model.state_dict(), "count": self.count, "seen": self.seen}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Put back what `state_dict` gave."""
        self.model.load_state_dict(state["model"])
        self.count, self.seen = int(state["count"]), int(state["seen"])

    def __repr__(self) -> str:
        return f"WeightAverage({self.count} sets of weights from {self.seen} updates)"


def ema(model: Weights, decay: float = 0.999, corrected: bool = False) -> WeightAverage:
    """An exponential moving average of the weights after every update: `a ← decay a + (1 - decay) w`.

    It begins with the weights after the first update, which weigh `decay^n` after n more. `corrected` divides by the
    sum of the geometric series instead, as Adam does, so that all weigh alike at first: the share of the n-th set is
    `(1 - decay) / (1 - decay^n)`.

    Twin: `torch.optim.swa_utils.get_ema_multi_avg_fn`, which does not correct. Source: Polyak and Juditsky 1992; the
    correction, Kingma and Ba 2015, arXiv 1412.6980, section 3.

    Args:
        decay: from 0 to below 1; `1 / (1 - decay)` is about how many updates it remembers.
        corrected: whether the first sets are to weigh alike.
    """
    within("decay", decay, below=1)
    if not corrected:
        return WeightAverage(model, lambda taken: 1 - decay)
    return WeightAverage(model, lambda taken: (1 - decay) / (1 - decay ** (taken + 1)))


def swa(model: Weights, steps: int, epoch_steps: int, start: float = 0.75, every: float = 0.0) -> WeightAverage:
    """Stochastic weight averaging: the equal mean of the weights at the end of each epoch of the training's last part.

    Twin: `torch.optim.swa_utils.get_swa_avg_fn`, and `update_bn`. Source: Izmailov et al. 2018, arXiv
    1803.05407, algorithm 1.

    Args:
        steps: updates in the whole training.
        epoch_steps: updates in an epoch.
        start: where the last part begins, a share of the training when below 1, else updates.
        every: weights are taken in each so many updates, or share of the training; 0 is an epoch.
    """
    first = updates("start", start, steps, at_least=0)
    distance = updates("every", every, steps) if every else epoch_steps
    return WeightAverage(model, lambda taken: 1 / (taken + 1), start=first, every=distance, statistics=True)


AVERAGES: Registry[Callable[..., WeightAverage]] = Registry("average")
AVERAGES.add("ema", ema)
AVERAGES.add("swa", swa)

NOT_OPTIONS = ("model", "steps", "epoch_steps")


def names() -> list[str]:
    """The names that `create` takes."""
    return AVERAGES.names()


def create(name: str, model: Weights, total_steps: int, epoch_steps: int) -> WeightAverage:
    """The average called `name`, perhaps with options: `ema,decay=0.99`, `swa,start=0.75`.

    Args:
        model: what is followed.
        total_steps: updates in the whole training.
        epoch_steps: updates in an epoch.

    Raises:
        UnknownNameError: no such average or option; the nearest is suggested.
        InputError: a value that an option may not have.
    """
    word, given = spec(name)
    build, what = AVERAGES.get(word), f"average {word}"
    options = arguments(what, build, given, NOT_OPTIONS)
    with naming(what):
        return build(model, **wanted(build, steps=total_steps, epoch_steps=epoch_steps), **options)


@torch.no_grad()
def update_statistics(model: Weights, batches: Iterable[tuple[Tensor, ...]]) -> None:
    """Measure batch normalisation's running statistics anew: their plain means over all `batches`.

    The statistics of weights that were averaged are not the average of the weights' statistics. All other parts of the
    model work as in evaluation, so dropout, which the average will not have, does not widen them (in the twin it does).

    Twin: `torch.optim.swa_utils.update_bn`. Source: Izmailov et al. 2018, arXiv 1803.05407, section 3.2.

    Args:
        model: in evaluation mode, as it is left; nothing happens if it has no running statistics. Layers whose
            parameters are frozen keep theirs.
        batches: `(input, …, target)`; the target is not looked at.
    """
    layers = [part for part in model.modules() if getattr(part, "running_mean", None) is not None and not _frozen(part)]
    if not layers:
        return
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.running_mean.zero_()
        layer.running_var.fill_(1)
        layer.num_batches_tracked.zero_()
        layer.momentum = None  # a plain mean
        layer.train()
    for *inputs, _ in batches:
        model(*inputs)  # type: ignore[operator]
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
        layer.eval()


def _frozen(layer: Any) -> bool:
    """Whether none of its parameters learns; its statistics stay as well then."""
    learning = [parameter.requires_grad for parameter in layer.parameters()]
    return bool(learning) and not any(learning)
