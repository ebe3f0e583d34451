"""Reservoirs: fixed random recurrent weights of a chosen spectral radius, their states, and a read-out in closed form.

Nothing here is learnt by gradients. The states are made a block of steps at a time and only two sums over them are
kept, so memory does not grow with the length of a series.
"""

import math
import warnings

import torch
from torch import Generator, Tensor

from fathom.errors import InputError, ShapeError

ACTIVATIONS = ("tanh", "identity")
SPARSE_BELOW = 0.1  # share of the weights that are there, below which a product by rows of a sparse matrix is faster


def spectral_radius(matrix: Tensor) -> float:
    """The greatest absolute value of an eigenvalue of `matrix`, `(units, units)`.

    Raises:
        ShapeError: it is not square.
        InputError: it holds a number that is not finite.
    """
    if matrix.dim() != 2 or matrix.shape[0] != matrix.shape[1]:
        raise ShapeError(f"matrix: expected (units, units), got {tuple(matrix.shape)}")
    if not bool(matrix.isfinite().all()):
        raise InputError("matrix: expected finite numbers, got nan or inf; draw the weights anew")
    return float(torch.linalg.eigvals(matrix.double()).abs().max())


def with_radius(matrix: Tensor, radius: float) -> Tensor:
    """`matrix` times the number that makes `radius` its spectral radius.

    Raises:
        InputError: its own spectral radius is 0, as that of a zero or a strictly triangular matrix: no factor helps; or
            `radius` is negative or not finite.
    """
    if not 0 <= radius < float("inf"):
        raise InputError(f"radius: expected a finite number from 0, got {radius}")
    own = spectral_radius(matrix)
    if own <= torch.finfo(torch.float64).tiny:
        raise InputError(
            "matrix: expected an eigenvalue other than 0, got a spectral radius of 0, which no factor changes; "
            "draw weights with more connections"
        )
    return matrix * (radius / own)


def random_reservoir(
    units: int, radius: float, density: float, generator: Generator, dtype: torch.dtype = torch.float32
) -> Tensor:
    """Normal weights, each there with probability `density`, scaled to a spectral radius: `(units, units)`, dense.

    Source: Jaeger 2001, GMD report 148, "The echo state approach to analysing and training recurrent neural networks".

    Args:
        units: at least 1.
        radius: below 1 the states of most reservoirs forget how they began.
        density: share of the connections, above 0 and at most 1.
        generator: what is drawn from.

    Raises:
        InputError: as `with_radius`, if so few connections were drawn that none closes a loop.
    """
    if not 0 < density <= 1:
        raise InputError(f"density: expected a share above 0 and at most 1, got {density}")
    weights = torch.randn(units, units, generator=generator, dtype=torch.float64)
    kept = torch.rand(units, units, generator=generator) < density
    return with_radius(weights * kept, radius).to(dtype)


def orthogonal_reservoir(units: int, radius: float, generator: Generator, dtype: torch.dtype = torch.float32) -> Tensor:
    """`radius` times an orthogonal matrix drawn evenly among all: every eigenvalue has this absolute value.

    Source: White, Lee and Sompolinsky 2004, "Short-term memory in orthogonal neural networks".
    """
    q, r = torch.linalg.qr(torch.randn(units, units, generator=generator, dtype=torch.float64))
    return (radius * q * r.diagonal().sign()).to(dtype)


def compressed(matrix: Tensor) -> Tensor:
    """The same matrix in the layout in which a product with few columns is fastest: sparse rows (CSR), or as it is."""
    if matrix.device.type != "cpu" or int(matrix.count_nonzero()) >= SPARSE_BELOW * matrix.numel():
        return matrix
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # torch calls the layout a beta version
        rows = matrix.to_sparse_csr()
        # 32-bit places are what the library underneath takes without a copy
        return torch.sparse_csr_tensor(rows.crow_indices().int(), rows.col_indices().int(), rows.values(), rows.shape)


def reservoir_states(
    drive: Tensor, recurrent: Tensor, state: Tensor, leak: float = 1.0, activation: str = "tanh"
) -> Tensor:
    """The state after each step, x' = (1 - leak) x + leak f(drive + W x).

    Source: Jaeger, Lukoševičius, Popovici and Siewert 2007, "Optimization and applications of echo state networks with
    leaky-integrator neurons"; with a leak of 1, Jaeger 2001.

    Args:
        drive: `(steps, units, batch)`, what input and bias add; it is left unchanged. A column is a series of its own.
        recurrent: W, `(units, units)`, dense or what `compressed` gives.
        state: x before the first step, `(units, batch)`.
        leak: 1 replaces the state in each step, near 0 moves it slowly.
        activation: f, `tanh` or `identity`.

    Returns:
        `(steps, units, batch)`; nothing here can be derived.
    """
    states = drive.clone(memory_format=torch.contiguous_format)
    before = state
    with torch.no_grad():
        for now in states.unbind(0):
            now.add_(recurrent @ before)
            if activation == "tanh":
                now.tanh_()
            if leak != 1:
                torch.lerp(before, now, leak, out=now)
            before = now
    return states


class Ridge:
    """A linear read-out by ridge regression from blocks of states, which are forgotten once added.

    weight = (Σ x xᵀ + penalty I)⁻¹ Σ x yᵀ. Products within a block are made in the states' own precision, sums of
    blocks and the solution in float64. Memory is that of two matrices of `features²` numbers.

    Args:
        features: numbers in a row of states.
        outputs: numbers in a row of targets.
        penalty: λ, added to the diagonal of the sum over all rows; above 0 if the states are not independent.

    Source: Hoerl and Kennard 1970; Lukoševičius 2012, "A practical guide to applying echo state networks", section 4.
    """

    def __init__(self, features: int, outputs: int, penalty: float) -> None:
        check_penalty(penalty)
        self.penalty, self.rows = penalty, 0
        self.gram = torch.zeros(features, features, dtype=torch.float64)
        self.moments = torch.zeros(features, outputs, dtype=torch.float64)

    def add(self, states: Tensor, targets: Tensor) -> None:
        """Learn from `(rows, features)` and `(rows, outputs)`.

        Raises:
            InputError: a number is not finite: one such row would spoil the whole sum.
        """
        check_finite(states, targets)
        self.gram += states.mT @ states
        self.moments += states.mT @ targets.to(states.dtype)
        self.rows += len(states)

    def solve(self) -> Tensor:
        """The weights, `(features, outputs)` float64, by Cholesky's factor, or by eigenvectors if there is none.

        Of all that fit as well these are then the smallest.
        """
        total = self.gram.clone()
        total.diagonal().add_(self.penalty)
        factor, failed = torch.linalg.cholesky_ex(total)
        if not int(failed):
            return torch.cholesky_solve(self.moments, factor)
        values, vectors = torch.linalg.eigh(total)
        told = values.abs() > len(values) * torch.finfo(values.dtype).eps * values.abs().max()
        return vectors[:, told] @ (vectors[:, told].mT @ self.moments / values[told, None])

    def state_dict(self) -> dict[str, Tensor | int]:
        """The sums so far."""
        return {"gram": self.gram, "moments": self.moments, "rows": self.rows}

    def load_state_dict(self, state: dict[str, Tensor | int]) -> None:
        """Put back what `state_dict` gave."""
        self.gram, self.moments = state["gram"], state["moments"]  # type: ignore[assignment]
        self.rows = int(state["rows"])


class Triangle:
    """The same read-out as `Ridge`, from the triangular factor of all rows instead of the sum of their products.

    A QR decomposition of the factor so far above the new rows gives the next factor. The sum of products squares the
    ratio between the greatest and the least singular value of the states, and what lies below 1e-8 of the greatest is
    lost in it; here nothing is lost. It takes about four times as long.

    Args:
        features, outputs, penalty: as of `Ridge`.

    Source: Golub 1965, "Numerical methods for solving linear least squares problems".
    """

    def __init__(self, features: int, outputs: int, penalty: float) -> None:
        check_penalty(penalty)
        self.penalty, self.rows, self.features = penalty, 0, features
        self.factor = torch.zeros(0, features + outputs, dtype=torch.float64)

    def add(self, states: Tensor, targets: Tensor) -> None:
        """Learn from `(rows, features)` and `(rows, outputs)`; InputError if a number is not finite."""
        check_finite(states, targets)
        rows = torch.cat([states, targets], dim=1).double()
        self.factor = torch.linalg.qr(torch.cat([self.factor, rows]), mode="r").R
        self.rows += len(states)

    def solve(self) -> Tensor:
        """The weights, `(features, outputs)` float64, by singular values; of all that fit as well, the smallest."""
        triangle, targets = self.factor[:, : self.features], self.factor[:, self.features :]
        if self.penalty:
            damping = self.penalty**0.5 * torch.eye(self.features, dtype=torch.float64)
            triangle = torch.cat([triangle, damping])
            targets = torch.cat([targets, targets.new_zeros(self.features, targets.shape[1])])
        return torch.linalg.lstsq(triangle, targets, driver="gelsd").solution

    def state_dict(self) -> dict[str, Tensor | int]:
        """The factor so far."""
        return {"factor": self.factor, "rows": self.rows}

    def load_state_dict(self, state: dict[str, Tensor | int]) -> None:
        """Put back what `state_dict` gave."""
        self.factor = state["factor"]  # type: ignore[assignment]
        self.rows = int(state["rows"])


def check_penalty(penalty: float) -> None:
    """InputError unless it is a finite number from 0."""
    if not 0 <= penalty < float("inf"):
        raise InputError(f"penalty: expected a finite number from 0, got {penalty}")


def check_finite(states: Tensor, targets: Tensor) -> None:
    """InputError if there is a number that is not finite: one such row would spoil all others."""
    if math.isfinite(float(states.sum() + targets.sum())):  # a tenth of the time of looking at each
        return
    if not bool(states.isfinite().all() and targets.isfinite().all()):
        raise InputError(
            "series: expected finite numbers, got nan or inf; look at the data, or choose a smaller spectral radius"
        )
