"""A recurrent net made deeper in one of the places where it can be: four answers to what depth means in time.

Source: Pascanu, Gulcehre, Cho and Bengio 2014, arXiv 1312.6026, sections 3.2 and 3.3; Goodfellow, Bengio and Courville
2016, section 10.5 and figure 10.13.

    shallow     h_t = tanh(U x_t + W h_(t-1)),                  y_t = V h_t
    input       h_t = tanh(U tanh(A x_t) + W h_(t-1))
    transition  h_t = tanh(A tanh(U x_t + W h_(t-1)))
    skip        h_t = tanh(A tanh(U x_t + W h_(t-1)) + S h_(t-1))
    output      y_t = V tanh(A h_t)
    stack       a second recurrence above the first
"""

from typing import Any

import torch

from fathom.models.model import Model
from fathom.models.parts import at_least, check_choice

NAMES = ("deep_recurrent",)
DEPTHS = ("shallow", "input", "transition", "skip", "output", "stack")


class DeepRecurrent(Model):
    """Rows of numbers to numbers at each step; every layer is of one size.

    Args:
        in_features: numbers at each step.
        num_classes: numbers that come out at each step.
        depth: where the net is deeper, one of `DEPTHS`; all but `shallow` have one layer more.
        hidden_size: units of each layer.
        nn: the namespace of layers.

    Raises:
        InputError: a size below 1, or no such depth.
    """

    def __init__(
        self,
        in_features: int,
        num_classes: int,
        depth: str = "shallow",
        hidden_size: int = 64,
        *,
        nn: Any = torch.nn,
    ) -> None:
        super().__init__()
        at_least(1, in_features=in_features, num_classes=num_classes, hidden_size=hidden_size)
        check_choice("depth", depth, DEPTHS)
        self.depth, self.hidden_size = depth, hidden_size
        if depth == "input":
            self.before = nn.Linear(in_features, hidden_size)
        if depth in ("transition", "skip"):
            self.input = nn.Linear(in_features, hidden_size)
            self.hidden = nn.Linear(hidden_size, hidden_size, bias=False)
            self.between = nn.Linear(hidden_size, hidden_size)
            if depth == "skip":
                self.shortcut = nn.Linear(hidden_size, hidden_size, bias=False)
        else:
            features = hidden_size if depth == "input" else in_features
            self.recurrent = nn.RNN(features, hidden_size, num_layers=2 if depth == "stack" else 1, batch_first=True)
        self.output = nn.Linear(hidden_size, num_classes)
        if depth == "output":
            self.output = nn.Sequential(nn.Linear(hidden_size, hidden_size), nn.Tanh(), self.output)

    def forward(self, x: Any, state: Any = None) -> tuple[Any, Any]:
        """Map `(batch, steps, in_features)` to `(batch, steps, num_classes)` and the state after the last step.

        Args:
            x: the sequences.
            state: `(layers, batch, hidden_size)`; None starts with zeros.
        """
        if self.depth == "input":
            x = self.before(x).tanh()
        x, state = self._transitions(x, state) if self.depth in ("transition", "skip") else self.recurrent(x, state)
        return self.output(x), state

    def _transitions(self, x: Any, state: Any) -> tuple[Any, Any]:
        given = self.input(x).unbind(1)
        h = x.new_zeros(len(x), self.hidden_size) if state is None else state[0]
        states = []
        for now in given:
            deep = self.between((now + self.hidden(h)).tanh())
            h = (deep + self.shortcut(h) if self.depth == "skip" else deep).tanh()
            states.append(h)
        return torch.stack(states, dim=1), h[None]


deep_recurrent = DeepRecurrent
