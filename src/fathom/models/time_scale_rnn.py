"""Recurrent nets whose units live on several time scales: leaky units, connections through time, and clocks.

Source: Goodfellow et al. 2016, 10.9, and for each kind as named below.

    (batch, steps, in_features)
      ── recurrence of the chosen kind ──> (batch, steps, hidden_size)
      ── Linear ──> (batch, steps, num_classes)
"""

import math
from typing import Any

import torch
from torch import Tensor

from fathom.errors import InputError
from fathom.models.model import Model
from fathom.models.parts import at_least, check_choice

NAMES = ("time_scale_rnn",)
KINDS = ("plain", "leaky", "learned", "skip", "clockwork")
SHORTEST = 1.05  # time constant that a learnt one may start from, in steps; at 1 its gradient would be 0


class TimeScaleRNN(Model):
    """Rows of numbers to numbers at each step; with u = W x + b + U h, what the recurrence would say by itself:

    - `plain`: h' = tanh(u), Elman 1990.
    - `leaky`: h' = h + (tanh(u) - h) / τ, each unit with a time constant τ of its own, from 1 to `slowest` at equal
      ratios; Mozer 1992, "Induction of multiscale temporal structure".
    - `learned`: the same, but the time constants are parameters that start there.
    - `skip`: u also has V times the state `delay` steps ago; Lin, Horne, Tiño and Giles 1996, "Learning long-term
      dependencies in NARX recurrent neural networks".
    - `clockwork`: the units are in modules with periods 1, 2, 4 … `slowest`; one moves only at multiples of its period,
      and hears only modules that are as slow or slower, the other connections being removed; Koutník et al. 2014,
      arXiv 1402.3511.

    Args:
        in_features: numbers at each step.
        num_classes: numbers that come out at each step.
        kind: of `KINDS`.
        hidden_size: units; for `clockwork` at least as many as there are modules.
        slowest: greatest time constant or period in steps, at least 1.
        delay: steps back of the connection through time, at least 1.
        nn: the namespace of layers.
    """

    log_excess: Tensor
    connected: Tensor
    periods: Tensor

    def __init__(
        self,
        in_features: int,
        num_classes: int,
        kind: str = "leaky",
        hidden_size: int = 32,
        slowest: int = 64,
        delay: int = 16,
        *,
        nn: Any = torch.nn,
    ) -> None:
        super().__init__()
        at_least(1, in_features=in_features, num_classes=num_classes, hidden_size=hidden_size)
        at_least(1, slowest=slowest, delay=delay)
        check_choice("kind of time scale", kind, KINDS)
        self.kind, self.hidden_size, self.delay = kind, hidden_size, delay
        self.input = nn.Linear(in_features, hidden_size)
        self.recurrent = nn.Linear(hidden_size * (2 if kind == "skip" else 1), hidden_size, bias=False)
        self.output = nn.Linear(hidden_size, num_classes)
        if kind in ("leaky", "learned"):
            excess = (torch.logspace(0, math.log10(slowest), hidden_size).clamp_min(SHORTEST) - 1).log()
            if kind == "learned":
                self.log_excess = nn.Parameter(excess)
            else:
                self.register_buffer("log_excess", excess)
        if kind == "clockwork":
            self._wind(slowest)

    def _wind(self, slowest: int) -> None:
        """Give each unit its period, and leave out what a slow unit would hear from a faster one."""
        modules = int(math.log2(slowest)) + 1
        if self.hidden_size < modules:
            raise InputError(
                f"hidden_size: expected at least {modules}, a unit for each period, got {self.hidden_size}"
            )
        periods = 2 ** (torch.arange(self.hidden_size) * modules // self.hidden_size)
        self.register_buffer("periods", periods)
        self.register_buffer("connected", periods[None] >= periods[:, None])

    @property
    def time_constants(self) -> Tensor:
        """τ of each unit in steps, `(hidden_size,)`, of a net of leaky units."""
        return 1 + self.log_excess.exp()

    @property
    def num_weights(self) -> int:
        """Parameters that are in use: those of removed connections do not count."""
        every = sum(parameter.numel() for parameter in self.parameters())
        return every - (int((~self.connected).sum()) if self.kind == "clockwork" else 0)

    def example(self) -> tuple[Tensor, ...]:
        """Inputs of one example, of the usual shape."""
        return (torch.zeros(1, 35, self.input.in_features),)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map `(batch, steps, in_features)` to `(batch, steps, num_classes)` and the last state."""
        states = self.states(x)
        return self.output(states), states[:, -1]

    def states(self, x: Tensor) -> Tensor:
        """The state after each step, `(batch, steps, hidden_size)`; zeros stand before the first."""
        products = self.input(x).unbind(1)
        weight = self.recurrent.weight.mT
        h = products[0].new_zeros(products[0].shape)
        if self.kind == "plain":
            return torch.stack(self._plain(products, weight, h), dim=1)
        if self.kind == "skip":
            return torch.stack(self._skipping(products, weight, h), dim=1)
        if self.kind == "clockwork":
            weight = weight * self.connected.mT
            steps = torch.arange(len(products), device=x.device)[:, None]
            shares = (steps % self.periods == 0).to(x.dtype).unbind(0)
        else:
            shares = (1 / self.time_constants,) * len(products)
        return torch.stack(self._moving(products, weight, h, shares), dim=1)

    @staticmethod
    def _plain(products: tuple[Tensor, ...], weight: Tensor, h: Tensor) -> list[Tensor]:
        states = []
        for product in products:
            h = torch.addmm(product, h, weight).tanh()
            states.append(h)
        return states

    @staticmethod
    def _moving(products: Any, weight: Tensor, h: Tensor, shares: Any) -> list[Tensor]:
        """Each unit goes its share of the way to what the recurrence says."""
        states = []
        for product, share in zip(products, shares, strict=True):
            h = torch.lerp(h, torch.addmm(product, h, weight).tanh(), share.expand_as(h))
            states.append(h)
        return states

    def _skipping(self, products: tuple[Tensor, ...], weight: Tensor, h: Tensor) -> list[Tensor]:
        states = [h] * self.delay
        for product in products:
            both = torch.cat([states[-1], states[-self.delay]], dim=1)
            states.append(torch.addmm(product, both, weight).tanh())
        return states[self.delay :]


time_scale_rnn = TimeScaleRNN
