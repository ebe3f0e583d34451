"""One vector to a sequence: the vector is an input at every step, the first state, or both.

Source: Goodfellow, Bengio and Courville 2016, section 10.2.4 and figure 10.9.

    h_t = tanh(R y_(t-1) + W h_(t-1) + b + [C c]),  h_0 = 0 or [S c],  logits_t = V h_t + d
"""

from typing import Any

import torch
from torch import Tensor

from fathom.models.model import Model
from fathom.models.parts import at_least, check_choice

WAYS = ("none", "state", "input", "both")


class VectorToSequence(Model):
    """A context, and what came before each step, to logits of what comes.

    Args:
        context_features: numbers in the context.
        features: yes or no at each step.
        way: `input`, an input at every step; `state`, the first state; `both`; or `none`, which leaves it out.
        hidden_size: units of the state.
        nn: the namespace of layers.

    Raises:
        InputError: a size below 1, or no such way.
    """

    def __init__(
        self,
        context_features: int,
        features: int,
        way: str = "both",
        hidden_size: int = 64,
        *,
        nn: Any = torch.nn,
    ) -> None:
        super().__init__()
        at_least(1, context_features=context_features, features=features, hidden_size=hidden_size)
        check_choice("way", way, WAYS)
        self.at_each_step, self.at_first = way in ("input", "both"), way in ("state", "both")
        given = context_features * self.at_each_step
        self.recurrent = nn.RNN(features + given, hidden_size, batch_first=True)
        if self.at_first:
            self.start = nn.Linear(context_features, hidden_size, bias=False)
        self.output = nn.Linear(hidden_size, features)

    def forward(self, context: Tensor, before: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Map a context and `(batch, steps, features)` to logits of that shape and the state after the last step.

        Args:
            context: `(batch, context_features)`.
            before: what came one step before each, zeros before the first.
            state: `(1, batch, hidden_size)`; None begins anew.
        """
        if self.at_each_step:
            before = torch.cat([before, context[:, None].expand(-1, before.shape[1], -1)], dim=2)
        if state is None and self.at_first:
            state = self.start(context)[None]
        states, state = self.recurrent(before, state)
        return self.output(states), state

    @torch.no_grad()
    def sample(self, context: Tensor, steps: int, generator: torch.Generator | None = None) -> Tensor:
        """So many steps, each drawn given those before it, `(batch, steps, features)` of 0 and 1."""
        features = self.output.out_features
        row, state, drawn = context.new_zeros(len(context), 1, features), None, []
        for _ in range(steps):
            logits, state = self(context, row, state)
            row = torch.bernoulli(logits.sigmoid(), generator=generator)
            drawn.append(row)
        return torch.cat(drawn, dim=1)
