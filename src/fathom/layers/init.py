"""Initial weights, drawn in place, under the names of `torch.nn.init`; the same generator gives the same numbers.

`fan_in` is the number of inputs that one output sums over, `fan_out` the number of outputs that one input reaches.
"""

import math

import torch
from torch import Generator, Tensor

from fathom.errors import ShapeError
from fathom.registry import unknown

# How much a nonlinearity must be made up for, to keep the variance of what passes through it. He et al. 2015,
# arXiv 1502.01852, section 2.2, for ReLU and its leaky form; 5/3 for tanh is torch's empirical value.
GAINS = {"linear": 1.0, "sigmoid": 1.0, "tanh": 5 / 3, "relu": math.sqrt(2.0), "selu": 3 / 4}


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The factor for the standard deviation; `param` is the slope of `leaky_relu`, 0.01 if not given."""
    if nonlinearity == "leaky_relu":
        return math.sqrt(2 / (1 + (0.01 if param is None else param) ** 2))
    if nonlinearity.startswith("conv"):  # conv1d … conv_transpose3d are linear maps
        return 1.0
    if nonlinearity not in GAINS:
        raise unknown("nonlinearity", nonlinearity, [*GAINS, "leaky_relu"])
    return GAINS[nonlinearity]


def fans(tensor: Tensor) -> tuple[int, int]:
    """`(fan_in, fan_out)` of a weight `(out, in, *kernel)`."""
    if tensor.dim() < 2:
        raise ShapeError(f"tensor: expected a weight (out, in, *kernel), got {tuple(tensor.shape)}; use uniform_")
    reach = math.prod(tensor.shape[2:])
    return tensor.shape[1] * reach, tensor.shape[0] * reach


@torch.no_grad()
def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Evenly from `a` to `b`."""
    return tensor.uniform_(a, b, generator=generator)


@torch.no_grad()
def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None) -> Tensor:
    """From the normal distribution."""
    if tensor.is_meta:  # nothing to draw; torch's own would import 800 modules first
        return tensor
    return tensor.normal_(mean, std, generator=generator)


@torch.no_grad()
def constant_(tensor: Tensor, val: float) -> Tensor:
    """`val` everywhere."""
    return tensor.fill_(val)


def zeros_(tensor: Tensor) -> Tensor:
    """0 everywhere."""
    return constant_(tensor, 0.0)


def ones_(tensor: Tensor) -> Tensor:
    """1 everywhere."""
    return constant_(tensor, 1.0)


def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Evenly in ±gain · √(6 / (fan_in + fan_out)).

    Source: Glorot and Bengio 2010, equation 16; Dive into Deep Learning, "Numerical Stability and Initialization".
    """
    bound = gain * math.sqrt(6 / sum(fans(tensor)))
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Normal with standard deviation gain · √(2 / (fan_in + fan_out)). Source: as `xavier_uniform_`."""
    return normal_(tensor, 0.0, gain * math.sqrt(2 / sum(fans(tensor))), generator)


def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Evenly in ±√3 · gain / √fan. Source and arguments: as `kaiming_normal_`."""
    bound = math.sqrt(3) * _kaiming_std(tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Tensor,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Normal with standard deviation gain / √fan.

    Args:
        tensor: a weight `(out, in, *kernel)`, changed in place.
        a: the slope below zero of the leaky ReLU that follows.
        mode: `fan_in` keeps the variance on the way forward, `fan_out` on the way back.
        nonlinearity: what follows, as `calculate_gain` knows it.
        generator: where the numbers come from; torch's global one if not given.

    Source: He et al. 2015, arXiv 1502.01852, equations 10 and 14.
    """
    return normal_(tensor, 0.0, _kaiming_std(tensor, a, mode, nonlinearity), generator)


@torch.no_grad()
def orthogonal_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Orthonormal rows (or columns, whichever are fewer) times `gain`, evenly among all such matrices.

    Source: Saxe et al. 2013, arXiv 1312.6120; signs as in Mezzadri 2007, arXiv math-ph/0609050.
    """
    fans(tensor)
    rows = len(tensor)
    draw = torch.empty(rows, tensor.numel() // rows, dtype=tensor.dtype, device=tensor.device)
    draw.normal_(0.0, 1.0, generator=generator)
    tall = draw if rows >= draw.shape[1] else draw.T
    q, r = torch.linalg.qr(tall)
    q = q * r.diagonal().sign()
    return tensor.copy_((q if tall is draw else q.T).reshape(tensor.shape) * gain)


def _kaiming_std(tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    choices = dict(zip(("fan_in", "fan_out"), fans(tensor), strict=True))
    if mode not in choices:
        raise unknown("mode", mode, choices)
    return calculate_gain(nonlinearity, a) / math.sqrt(choices[mode])


def default_(weight: Tensor, bias: Tensor | None) -> None:
    """What torch's own linear and convolutional layers start with: both evenly in ±1 / √fan_in."""
    kaiming_uniform_(weight, a=math.sqrt(5))  # gain √(2/6), times √3: the bound is 1 / √fan_in
    if bias is not None:
        bound = 1 / math.sqrt(fans(weight)[0])
        uniform_(bias, -bound, bound)
