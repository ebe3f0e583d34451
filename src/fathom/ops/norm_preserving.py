"""A penalty on gradients that shrink or grow on their way back through a recurrence."""

from torch import Tensor

from fathom.errors import ShapeError


def omega(weight_hh: Tensor, gradients: Tensor, slopes: Tensor) -> Tensor:
    """Σ over steps of (‖∂E/∂a_(k+1) ∂a_(k+1)/∂a_k‖ / ‖∂E/∂a_(k+1)‖ - 1)², its mean over the batch: a scalar.

    a is what a plain recurrence has before its activation, a_(k+1) = W φ(a_k) + …, so ∂a_(k+1)/∂a_k = W diag(φ'(a_k)).
    Autograd through W alone gives the paper's immediate derivative, for which the other two are constants. A step that
    no gradient reaches counts as 0.

    Args:
        weight_hh: W, `(hidden_size, hidden_size)`.
        gradients: ∂E/∂a, the whole derivative, `(steps, batch, hidden_size)`; its scale does not matter.
        slopes: φ'(a), of the same shape.

    Raises:
        ShapeError: the shapes differ, or there is only one step.

    Source: Pascanu, Mikolov and Bengio 2013, arXiv 1211.5063, equations 9 and 10.
    """
    if gradients.dim() != 3 or gradients.shape != slopes.shape or len(gradients) < 2:
        raise ShapeError(
            "gradients, slopes: expected both (steps, batch, hidden_size) with two steps or more, got "
            f"{tuple(gradients.shape)} and {tuple(slopes.shape)}"
        )
    after = gradients[1:]
    length = after.norm(dim=2)
    reached = length > 0
    before = ((after @ weight_hh) * slopes[:-1])[reached]
    terms = (before.norm(dim=1) / length[reached] - 1).square()
    return terms.sum() / gradients.shape[1]
