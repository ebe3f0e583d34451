"""Activations as modules. Twins: torch's of the same names; `inplace` is taken and ignored."""

from fathom.autograd.nn import functional as F
from fathom.autograd.nn.module import Module
from fathom.autograd.tensor import Tensor


class Sigmoid(Module):
    """1 / (1 + exp(-x))."""

    def forward(self, x: Tensor) -> Tensor:
        """The same shape."""
        return x.sigmoid()


class Tanh(Module):
    """The hyperbolic tangent."""

    def forward(self, x: Tensor) -> Tensor:
        """The same shape."""
        return x.tanh()


class ReLU(Module):
    """max(x, 0)."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()

    def forward(self, x: Tensor) -> Tensor:
        """The same shape."""
        return x.relu()


class LeakyReLU(Module):
    """x where positive, `negative_slope` x elsewhere."""

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False) -> None:
        super().__init__()
        self.negative_slope = negative_slope

    def forward(self, x: Tensor) -> Tensor:
        """The same shape."""
        return F.leaky_relu(x, self.negative_slope)


class ELU(Module):
    """x where positive, α (exp(x) - 1) elsewhere. Clevert et al. 2015, arXiv 1511.07289."""

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        self.alpha = alpha

    def forward(self, x: Tensor) -> Tensor:
        """The same shape."""
        return F.elu(x, self.alpha)


class GELU(Module):
    """x Φ(x), or its approximation by "tanh". Hendrycks and Gimpel 2016, arXiv 1606.08415."""

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        self.approximate = approximate

    def forward(self, x: Tensor) -> Tensor:
        """The same shape."""
        return F.gelu(x, self.approximate)


class SiLU(Module):
    """x sigmoid(x)."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()

    def forward(self, x: Tensor) -> Tensor:
        """The same shape."""
        return F.silu(x)


class Softplus(Module):
    """log(1 + exp(β x)) / β."""

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        super().__init__()
        self.beta, self.threshold = beta, threshold

    def forward(self, x: Tensor) -> Tensor:
        """The same shape."""
        return F.softplus(x, self.beta, self.threshold)


class Softmax(Module):
    """exp(x) / Σ exp(x) along `dim`."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, x: Tensor) -> Tensor:
        """The same shape."""
        return x.softmax(self.dim)


class LogSoftmax(Module):
    """The logarithm of softmax along `dim`."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, x: Tensor) -> Tensor:
        """The same shape."""
        return x.log_softmax(self.dim)
