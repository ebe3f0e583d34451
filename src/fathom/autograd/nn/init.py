"""Initialisers, in place and with the name's underscore. Twin: `torch.nn.init`."""

import math

import numpy as np

from fathom.autograd.creation import default_generator
from fathom.autograd.errors import ShapeError
from fathom.autograd.state import no_grad
from fathom.autograd.tensor import Tensor

Generator = np.random.Generator | None


@no_grad()
def constant_(tensor: Tensor, val: float) -> Tensor:
    """`val` everywhere."""
    return tensor.fill_(val)


def zeros_(tensor: Tensor) -> Tensor:
    """0 everywhere."""
    return constant_(tensor, 0.0)


def ones_(tensor: Tensor) -> Tensor:
    """1 everywhere."""
    return constant_(tensor, 1.0)


@no_grad()
def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Generator = None) -> Tensor:
    """Uniform from a to b."""
    return tensor.copy_((generator or default_generator()).uniform(a, b, tensor.shape))


@no_grad()
def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Generator = None) -> Tensor:
    """Normal with this mean and standard deviation."""
    return tensor.copy_((generator or default_generator()).normal(mean, std, tensor.shape))


def fans(tensor: Tensor) -> tuple[int, int]:
    """How many inputs an output sees, and how many outputs an input: `(outputs, inputs, *kernel)`."""
    if tensor.ndim < 2:
        raise ShapeError(f"init: fan in and out need at least 2 axes, got {tensor.shape}; use uniform_ or normal_")
    receptive = math.prod(tensor.shape[2:])
    return tensor.shape[1] * receptive, tensor.shape[0] * receptive


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """By what a nonlinearity shrinks the standard deviation, to be made good by the weights."""
    gains = {"relu": math.sqrt(2), "tanh": 5 / 3, "selu": 3 / 4, "linear": 1.0, "conv2d": 1.0, "sigmoid": 1.0}
    if nonlinearity == "leaky_relu":
        return math.sqrt(2 / (1 + (0.01 if param is None else param) ** 2))
    if nonlinearity not in gains:
        raise ShapeError(f"init: unknown nonlinearity {nonlinearity!r}; one of {', '.join([*gains, 'leaky_relu'])}")
    return gains[nonlinearity]


def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator: Generator = None) -> Tensor:
    """Uniform with variance 2 gain² / (fan_in + fan_out). Glorot and Bengio 2010, equation 16."""
    bound = gain * math.sqrt(6 / sum(fans(tensor)))
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Generator = None) -> Tensor:
    """Normal with variance 2 gain² / (fan_in + fan_out)."""
    return normal_(tensor, 0.0, gain * math.sqrt(2 / sum(fans(tensor))), generator)


def _kaiming_std(tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    if mode not in ("fan_in", "fan_out"):
        raise ShapeError(f"init: mode {mode!r}; use 'fan_in' or 'fan_out'")
    return calculate_gain(nonlinearity, a) / math.sqrt(fans(tensor)[mode == "fan_out"])


def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator = None,
) -> Tensor:
    """Uniform with variance gain² / fan. He et al. 2015, arXiv 1502.01852, equation 10."""
    bound = math.sqrt(3) * _kaiming_std(tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Tensor,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator = None,
) -> Tensor:
    """Normal with variance gain² / fan."""
    return normal_(tensor, 0.0, _kaiming_std(tensor, a, mode, nonlinearity), generator)


@no_grad()
def orthogonal_(tensor: Tensor, gain: float = 1.0, generator: Generator = None) -> Tensor:
    """Rows (or columns, if fewer) at right angles, of length `gain`. Saxe et al. 2013, arXiv 1312.6120."""
    rows, columns = tensor.shape[0], math.prod(tensor.shape[1:])
    drawn = (generator or default_generator()).standard_normal((max(rows, columns), min(rows, columns)))
    q, r = np.linalg.qr(drawn)
    q = q * np.sign(np.diag(r))  # so that every orthogonal matrix is equally likely
    return tensor.copy_(gain * (q.T if rows < columns else q).reshape(tensor.shape))
