"""An echo state network: a random recurrent net that is left as it was drawn, under a linear read-out.

Source: Jaeger 2001, GMD report 148; Jaeger and Haas 2004, "Harnessing nonlinearity"; Goodfellow et al. 2016, 10.8.

    (batch, steps, in_features)
      ── fixed input weights, fixed recurrent weights, tanh ──> (batch, steps, hidden_size)
      ── beside the input, Linear ──> (batch, steps, num_outputs)
"""

from typing import Any

import torch
from torch import Tensor

from fathom.errors import InputError
from fathom.models.model import Model
from fathom.models.parts import at_least, check_choice
from fathom.ops.reservoir import ACTIVATIONS, compressed, orthogonal_reservoir, random_reservoir, reservoir_states

NAMES = ("echo_state_network",)
KINDS = ("random", "orthogonal")


class EchoStateNetwork(Model):
    """Series to series; only the read-out is a parameter, the rest are buffers.

    Args:
        in_features: numbers at each step.
        num_outputs: numbers that come out at each step.
        hidden_size: units of the reservoir.
        spectral_radius: of its recurrent weights.
        density: share of the recurrent weights that are there; `orthogonal` has them all.
        leak: 1 replaces the state in each step, near 0 moves it slowly; above 0.
        input_scale: input weights are drawn evenly from -`input_scale` to `input_scale`.
        bias_scale: so are the biases.
        kind: `random`, normal weights, or `orthogonal`.
        activation: `tanh` or `identity`.
        nn: the namespace of layers, for the read-out.

    Raises:
        InputError: a number is out of range, or so few connections were drawn that the spectral radius is 0.
    """

    input_weight: Tensor
    recurrent: Tensor
    bias: Tensor

    def __init__(
        self,
        in_features: int = 1,
        num_outputs: int = 1,
        hidden_size: int = 100,
        spectral_radius: float = 0.9,
        density: float = 0.1,
        leak: float = 1.0,
        input_scale: float = 1.0,
        bias_scale: float = 0.2,
        kind: str = "random",
        activation: str = "tanh",
        *,
        nn: Any = torch.nn,
    ) -> None:
        super().__init__()
        at_least(1, in_features=in_features, num_outputs=num_outputs, hidden_size=hidden_size)
        check_choice("kind of reservoir", kind, KINDS)
        check_choice("activation", activation, ACTIVATIONS)
        if not 0 < leak <= 1:
            raise InputError(f"leak: expected a number above 0 and at most 1, got {leak}")
        self.leak, self.activation = leak, activation
        drawn = torch.default_generator
        if kind == "orthogonal":
            recurrent = orthogonal_reservoir(hidden_size, spectral_radius, drawn)
        else:
            recurrent = random_reservoir(hidden_size, spectral_radius, density, drawn)
        self.register_buffer("recurrent", recurrent)
        self.register_buffer("input_weight", input_scale * (2 * torch.rand(hidden_size, in_features) - 1))
        self.register_buffer("bias", bias_scale * (2 * torch.rand(hidden_size, 1) - 1))
        self.readout = nn.Linear(hidden_size + in_features, num_outputs)

    def features(self, x: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """What the read-out sees, `(batch, steps, hidden_size + in_features)`, and the state after the last step.

        Args:
            x: `(batch, steps, in_features)`.
            state: `(hidden_size, batch)`; None starts with zeros.
        """
        state = x.new_zeros(len(self.recurrent), len(x)) if state is None else state
        drive = self.input_weight @ x.permute(1, 2, 0) + self.bias  # (steps, hidden_size, batch)
        states = reservoir_states(drive, compressed(self.recurrent), state, self.leak, self.activation)
        return torch.cat([states.permute(2, 0, 1), x], dim=2), states[-1]

    def example(self) -> tuple[Tensor, ...]:
        """Inputs of one example, of the usual shape."""
        return (self.input_weight.new_zeros(1, 35, self.input_weight.shape[1]),)

    def forward(self, x: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Map `(batch, steps, in_features)` to `(batch, steps, num_outputs)` and the state after the last step."""
        features, state = self.features(x, state)
        return self.readout(features), state

    @torch.no_grad()
    def continued(self, seen: Tensor, steps: int) -> Tensor:
        """What follows `seen`, each output being the next input: `(batch, steps, in_features)`.

        Args:
            seen: `(batch, steps before, in_features)`, with as many features as there are outputs.
            steps: how many, at least 1.
        """
        outputs, state = self(seen)
        told, recurrent = [outputs[:, -1]], compressed(self.recurrent)
        while len(told) < steps:
            x = told[-1]
            drive = (self.input_weight @ x.mT + self.bias)[None]
            state = reservoir_states(drive, recurrent, state, self.leak, self.activation)[0]
            told.append(self.readout(torch.cat([state.mT, x], dim=1)))
        return torch.stack(told, dim=1)

    @torch.no_grad()
    def set_readout(self, weights: Tensor) -> None:
        """Take over weights `(hidden_size + in_features + 1, num_outputs)`, the last row of which are the biases."""
        self.readout.weight.copy_(weights[:-1].mT)
        self.readout.bias.copy_(weights[-1])


echo_state_network = EchoStateNetwork
