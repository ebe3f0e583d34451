"""Losses as functions. Twin: `torch.nn.functional`. `reduction` is "mean" over all elements, "sum" or "none"."""

from fathom.autograd.creation import where
from fathom.autograd.errors import DtypeError, ShapeError
from fathom.autograd.table import RECORDED
from fathom.autograd.tensor import Tensor


def _reduced(loss: Tensor, reduction: str) -> Tensor:
    if reduction == "mean":
        return loss.mean()
    if reduction == "sum":
        return loss.sum()
    if reduction != "none":
        raise ShapeError(f"loss: reduction {reduction!r}; use 'mean', 'sum' or 'none'")
    return loss


def _same_shape(name: str, input: Tensor, target: Tensor) -> None:
    if input.shape != target.shape:
        raise ShapeError(f"{name}: expected a target of shape {input.shape}, that of the input, got {target.shape}")


def mse_loss(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """(x - y)²."""
    _same_shape("mse_loss", input, target)
    return _reduced((input - target).square(), reduction)


def l1_loss(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """|x - y|."""
    _same_shape("l1_loss", input, target)
    return _reduced((input - target).abs(), reduction)


def huber_loss(input: Tensor, target: Tensor, reduction: str = "mean", delta: float = 1.0) -> Tensor:
    """½ d² where |d| < δ, δ (|d| - ½ δ) elsewhere, with d = x - y."""
    _same_shape("huber_loss", input, target)
    distance = (input - target).abs()
    loss = where(distance < delta, 0.5 * distance.square(), delta * (distance - 0.5 * delta))
    return _reduced(loss, reduction)


def smooth_l1_loss(input: Tensor, target: Tensor, reduction: str = "mean", beta: float = 1.0) -> Tensor:
    """The Huber loss divided by its threshold β."""
    return l1_loss(input, target, reduction) if beta == 0 else huber_loss(input, target, reduction, beta) / beta


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """-y log σ(x) - (1 - y) log(1 - σ(x)), in a form that does not overflow."""
    _same_shape("binary_cross_entropy_with_logits", input, target)
    if pos_weight is None:
        loss = RECORDED.softplus(input) - input * target
    else:
        loss = RECORDED.softplus(-input) * (1 + (pos_weight - 1) * target) + (1 - target) * input
    return _reduced(loss if weight is None else loss * weight, reduction)


def nll_loss(
    input: Tensor, target: Tensor, weight: Tensor | None = None, ignore_index: int = -100, reduction: str = "mean"
) -> Tensor:
    """-x[target]: `(batch, classes, ...)` log-probabilities and `(batch, ...)` of int."""
    rows, labels, counted = _rows("nll_loss", input, target, ignore_index)
    loss = -rows.gather(1, labels.unsqueeze(1)).squeeze(1)
    return _weighed(loss, labels, counted, weight, reduction, target.shape)


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """-log softmax(x)[target].

    Args:
        input: logits, `(batch, classes, ...)`, or `(classes,)` for a single example.
        target: class numbers, `(batch, ...)` of int; or probabilities of the shape of `input`.
        weight: `(classes,)`; the mean is then over the weights of the targets.
        ignore_index: targets with this number do not count.
        label_smoothing: the part of the target that is spread evenly over all classes, 0 to 1.
    """
    if input.ndim == 1:
        input, target = input.unsqueeze(0), target.unsqueeze(0)
    if target.dtype.kind == "f":
        return _soft_cross_entropy(input, target, weight, reduction, label_smoothing)
    rows, labels, counted = _rows("cross_entropy", input, target, ignore_index)
    loss = _weighed(RECORDED.cross_entropy(rows, labels), labels, counted, weight, reduction, target.shape)
    if label_smoothing == 0:
        return loss
    log = rows.log_softmax(1)
    every = -(log if weight is None else log * weight).mean(1)
    if counted is not None:
        every = every * counted
    if reduction == "mean":
        total = _total(labels, counted, weight)
        smooth = every.sum() / total
    else:
        smooth = every.sum() if reduction == "sum" else every.reshape(*target.shape)
    return (1 - label_smoothing) * loss + label_smoothing * smooth


def _soft_cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None, reduction: str, label_smoothing: float
) -> Tensor:
    _same_shape("cross_entropy", input, target)
    classes = input.shape[1]
    target = target * (1 - label_smoothing) + label_smoothing / classes
    log = input.log_softmax(1)
    if weight is not None:
        log = log * weight.reshape(-1, *[1] * (input.ndim - 2))
    loss = -(log * target).sum(1)
    return loss.sum() / (input.numel() // classes) if reduction == "mean" else _reduced(loss, reduction)


def _rows(name: str, input: Tensor, target: Tensor, ignore_index: int) -> tuple[Tensor, Tensor, Tensor | None]:
    """`(rows, classes)`, `(rows,)` of class numbers, and 1 or 0 for each row that counts or not (None: all count)."""
    if target.dtype.kind not in "iu":
        raise DtypeError(f"{name}: expected class numbers, got {target.dtype} of shape {target.shape}; use long()")
    if input.ndim < 2 or target.shape != (input.shape[0], *input.shape[2:]):
        raise ShapeError(
            f"{name}: expected logits (batch, classes, ...) and targets (batch, ...), got {input.shape} and "
            f"{target.shape}"
        )
    classes = input.shape[1]
    if input.ndim > 2:
        input = input.permute(0, *range(2, input.ndim), 1).reshape(-1, classes)
    labels = target.reshape(-1)
    ignored = labels.array == ignore_index
    counted = None
    if ignored.any():
        counted = Tensor.wrap((~ignored).astype(input.dtype))
        labels = labels.masked_fill(Tensor.wrap(ignored), 0)
    if labels.numel() and not (labels.array.min() >= 0 and labels.array.max() < classes):
        wrong = labels.array.max() if labels.array.max() >= classes else labels.array.min()
        raise ShapeError(f"{name}: class numbers must be from 0 to {classes - 1}, got {wrong}")
    return input, labels, counted


def _total(labels: Tensor, counted: Tensor | None, weight: Tensor | None) -> Tensor | int:
    if weight is None:
        return len(labels) if counted is None else counted.sum()
    weights = weight[labels]
    return (weights if counted is None else weights * counted).sum()


def _weighed(
    loss: Tensor,
    labels: Tensor,
    counted: Tensor | None,
    weight: Tensor | None,
    reduction: str,
    shape: tuple[int, ...],
) -> Tensor:
    loss = loss if weight is None else loss * weight[labels]
    loss = loss if counted is None else loss * counted
    if reduction == "mean" and (weight is not None or counted is not None):
        return loss.sum() / _total(labels, counted, weight)
    return _reduced(loss.reshape(*shape) if reduction == "none" else loss, reduction)
