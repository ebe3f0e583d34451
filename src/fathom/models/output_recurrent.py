"""A recurrent net whose state comes from the state before, from the output before, or from both.

Source: Goodfellow, Bengio and Courville 2016, section 10.2.1 and figure 10.4; Jordan 1986 for recurrence from the
output.

    h_t = tanh(U x_t + b + [W h_(t-1)] + [R y_(t-1)]),  logits_t = V h_t + c

Without W the states of all steps are computed at once as soon as the outputs before them are given: by a teacher.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from fathom.errors import InputError
from fathom.models.model import Model
from fathom.models.parts import at_least

NAMES = ("output_recurrent",)


class OutputRecurrent(Model):
    """Rows of numbers to logits at each step.

    Args:
        in_features: numbers at each step.
        num_classes: what an output is one of.
        hidden_size: units of the state.
        from_hidden: whether there is W.
        from_output: whether there is R.
        nn: the namespace of layers.

    Raises:
        InputError: a size below 1, or neither W nor R.
    """

    def __init__(
        self,
        in_features: int,
        num_classes: int,
        hidden_size: int = 64,
        from_hidden: bool = False,
        from_output: bool = True,
        *,
        nn: Any = torch.nn,
    ) -> None:
        super().__init__()
        at_least(1, in_features=in_features, num_classes=num_classes, hidden_size=hidden_size)
        if not from_hidden and not from_output:
            raise InputError(
                "from_hidden, from_output: expected at least one, got none; a net without is not recurrent"
            )
        self.in_features, self.num_classes = in_features, num_classes
        self.from_hidden, self.from_output = from_hidden, from_output
        features = in_features + num_classes * from_output
        self.hidden = (
            nn.RNN(features, hidden_size, batch_first=True) if from_hidden else nn.Linear(features, hidden_size)
        )
        self.output = nn.Linear(hidden_size, num_classes)

    def example(self) -> tuple[Tensor, ...]:
        """Inputs of one example, of the usual shape."""
        return (torch.zeros(1, 35, self.in_features),)

    def forward(self, x: Tensor, before: Tensor | None = None, state: Tensor | None = None) -> tuple[Tensor, Any]:
        """Map `(batch, steps, in_features)` to logits `(batch, steps, num_classes)` and the state after the last step.

        Args:
            x: the inputs.
            before: the output before each step, `(batch, steps)` of int; `num_classes`, and None for all, is none.
            state: `(1, batch, hidden_size)`; None starts with zeros, as does a net without W at every step.
        """
        if self.from_output:
            given = torch.full(x.shape[:2], self.num_classes, device=x.device) if before is None else before
            x = torch.cat([x, one_hot(given, self.num_classes + 1)[..., :-1].to(x.dtype)], dim=2)
        if self.from_hidden:
            states, state = self.hidden(x, state)
        else:
            states = self.hidden(x).tanh()
        return self.output(states), state

    def by_itself(self, x: Tensor, before: Tensor, given: int = 0, cut: bool = False) -> Tensor:
        """Logits `(batch, steps, num_classes)`, step by step, each fed with the likeliest output of the one before.

        Args:
            x, before: as of `forward`.
            given: the first so many outputs are taken from `before`, as many as there are steps for all.
            cut: whether no gradient goes from a state to the one before.
        """
        logits, token, state = [], before[:, :1], None
        for place in range(x.shape[1]):
            token = before[:, place : place + 1] if place <= given else token
            outputs, state = self(x[:, place : place + 1], token, state)
            state = state.detach() if cut and state is not None else state
            logits.append(outputs)
            token = outputs.detach().argmax(dim=2)
        return torch.cat(logits, dim=1)


output_recurrent = OutputRecurrent
