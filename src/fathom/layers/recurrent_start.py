"""How a recurrence starts such that it keeps what it has seen: redraws weights of a finished layer, in place."""

from typing import Any

import torch

from fathom.errors import InputError
from fathom.layers import init


@torch.no_grad()
def identity_(layer: Any, scale: float = 1.0, std: float = 0.001) -> None:
    """Let an RNN of ReLUs hand its state on as it is: recurrent weights `scale` times I, biases 0, small inputs.

    Args:
        layer: an RNN of one layer, torch's or ours.
        scale: of the identity; below 1 the state fades.
        std: of the normal weights of the input.

    Source: Le, Jaitly and Hinton 2015, arXiv 1504.00941, section 4.
    """
    if getattr(layer, "nonlinearity", "") != "relu":
        raise InputError(f"identity_: expected an RNN with nonlinearity='relu', got {layer}")
    layer.weight_hh_l0.copy_(scale * torch.eye(layer.hidden_size))
    init.normal_(layer.weight_ih_l0, 0.0, std)
    for bias in (layer.bias_ih_l0, layer.bias_hh_l0):
        init.zeros_(bias)


@torch.no_grad()
def gaussian_(layer: Any, gain: float) -> None:
    """Recurrent weights normal around 0 with variance gain² / hidden_size, so that the spectral radius is near `gain`.

    The layer is an RNN of one layer. With many units the eigenvalues fill a disc of that radius (Ginibre 1965).
    """
    init.normal_(layer.weight_hh_l0, 0.0, gain / layer.hidden_size**0.5)


@torch.no_grad()
def forget_bias_(layer: Any, value: float = 1.0) -> None:
    """Biases of an LSTM's forget gate that sum to `value`: at 1 a cell keeps 73 % of itself a step, at 0 half.

    Args:
        layer: an LSTM of one layer, torch's or ours.

    Source: Gers, Schmidhuber and Cummins 2000; Jozefowicz, Zaremba and Sutskever 2015, section 2.2, who take 1.
    """
    if layer.weight_hh_l0.shape[0] != 4 * layer.hidden_size:
        raise InputError(f"forget_bias_: expected an LSTM, got {layer}")
    size = layer.hidden_size
    layer.bias_ih_l0[size : 2 * size], layer.bias_hh_l0[size : 2 * size] = value, 0.0
