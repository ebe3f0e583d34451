"""Which pixels of the image a unit of a layer sees: by rule for each layer, and by gradient for one unit.

Source: Araujo, Norris and Sim 2019, "Computing Receptive Fields of Convolutional Neural Networks", Distill; Luo, Li,
Urtasun and Zemel 2016, arXiv 1701.04128, for the gradient; Dive into Deep Learning, "Convolutions for Images".
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from fathom.errors import ShapeError
from fathom.layers.evaluating import evaluating
from fathom.registry import unknown


@dataclass(frozen=True)
class Reach:
    """The pixels that the units of a layer see along one axis of the image, padding included.

    Args:
        start: the first pixel that unit 0 sees; negative where that is padding.
        size: how many pixels a unit sees.
        stride: pixels from what a unit sees to what the next one sees; 0 where all see the same.
    """

    start: int
    size: int
    stride: int

    def pixels(self, unit: int, length: int) -> range:
        """What the unit sees of an axis of so many pixels, without the padding."""
        first = self.start + unit * self.stride
        return range(max(first, 0), min(first + self.size, length))

    def window(self, kernel: int, stride: int, padding: int, dilation: int = 1) -> "Reach":
        """Of a layer behind this one that slides a kernel over it."""
        size = self.size + dilation * (kernel - 1) * self.stride
        return Reach(self.start - padding * self.stride, size, self.stride * stride)

    def all(self, units: int) -> "Reach":
        """Of what sees all of so many units."""
        return Reach(self.start, self.size + (units - 1) * self.stride, 0)


@dataclass(frozen=True)
class Field:
    """What the units of a layer see of the image.

    Args:
        height: along the height.
        width: along the width.
    """

    height: Reach
    width: Reach

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.height.size, self.width.size


def receptive_fields(model: nn.Module, shape: Sequence[int]) -> dict[str, Field]:
    """What the units of each layer see, by the layer's name, in the order in which they are done.

    The model runs once without data, in evaluation mode; operations are followed, so that sums and concatenations of
    branches count. What is not known to be local is taken to see all of its input. Batch norm is local.

    Args:
        model: any torch model of one image tensor; it is left as it was.
        shape: of one image, `(channels, height, width)`.

    Returns:
        One entry for each module that gives a tensor; "" is the model itself.

    Raises:
        ShapeError: `shape` is no image's.
    """
    if len(shape) != 3:
        raise ShapeError(f"shape: expected (channels, height, width), got {tuple(shape)}")
    follow, fields = _Follow(), {}

    def note(name: str) -> Callable[[Any, Any, Any], None]:
        def hook(module: Any, inputs: Any, output: Any) -> None:
            if isinstance(output, Tensor) and id(output) in follow.fields:
                fields[name] = follow.fields[id(output)]

        return hook

    image = torch.empty(1, *shape, device="meta", dtype=next((p.dtype for p in model.parameters()), torch.float32))
    follow.give([image], Field(Reach(0, 1, 1), Reach(0, 1, 1)))
    tensors = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    without_data = {name: tensor.detach().to("meta") for name, tensor in tensors.items()}
    hooks = [module.register_forward_hook(note(name)) for name, module in model.named_modules()]
    try:
        with evaluating(model), torch.no_grad(), follow:
            functional_call(model, without_data, (image,))
    finally:
        for hook in hooks:
            hook.remove()
    return fields


def receptive_field(model: nn.Module, shape: Sequence[int]) -> Field:
    """What the units of the model's output see; arguments and errors as in `receptive_fields`."""
    return receptive_fields(model, shape)[""]


def gradient_field(model: nn.Module, images: Tensor, layer: str = "") -> Tensor:
    """How much each pixel moves the middle unit of a layer: the effective receptive field.

    Args:
        model: any torch model of one image tensor; it runs in evaluation mode and is left as it was.
        images: `(examples, channels, height, width)`.
        layer: the name of a module that gives `(examples, channels, rows, columns)`; "" for the model itself.

    Returns:
        `(height, width)`: the absolute gradient of the unit's sum over its channels, averaged over the examples and
        summed over the channels of the image; exactly 0 outside the receptive field.

    Raises:
        UnknownNameError: there is no such layer.
    """
    modules = dict(model.named_modules())
    if layer not in modules:
        raise unknown("layer", layer, modules)
    seen: list[Tensor] = []
    hook = modules[layer].register_forward_hook(lambda module, inputs, output: seen.append(output))
    images = images.detach().requires_grad_()
    try:
        with evaluating(model), torch.enable_grad():
            model(images)
    finally:
        hook.remove()
    rows, columns = seen[0].shape[-2:]
    (gradient,) = torch.autograd.grad(seen[0][..., rows // 2, columns // 2].sum(), images)
    return gradient.abs().mean(0).sum(0)


SAME = ("view", "_unsafe_view", "clone", "alias", "detach", "_to_copy", "native_dropout", "lift_fresh")


class _Follow(TorchDispatchMode):
    """Knows the field of every tensor that an operation makes of one whose field it knows."""

    def __init__(self) -> None:
        super().__init__()
        self.fields: dict[int, Field] = {}
        self.kept: list[Tensor] = []  # so that no other tensor gets the same id

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """No, for that would import torch's compiler, which takes more than a second."""
        return False

    def give(self, tensors: Sequence[Any], field: Field) -> None:
        for tensor in tensors:
            if isinstance(tensor, Tensor):
                self.fields[id(tensor)] = field
                self.kept.append(tensor)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        inputs = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor) and id(leaf) in self.fields]
        if inputs:
            self.give(tree_leaves(result), self._after(func, args, inputs, tree_leaves(result)[0]))
        return result

    def _after(self, func: Any, args: Sequence[Any], inputs: Sequence[Tensor], output: Tensor) -> Field:
        name = func.overloadpacket.__name__
        fields = [(self.fields[id(tensor)], tensor.shape[-2:]) for tensor in inputs]
        field, (rows, columns) = fields[0]
        if name in GEOMETRY:
            windows = GEOMETRY[name](args, (rows, columns), output)
            if windows is not None:
                return Field(field.height.window(*windows[0]), field.width.window(*windows[1]))
        elif name == "slice" and args[1] % inputs[0].dim() >= inputs[0].dim() - 2:
            return _sliced(field, args, inputs[0])
        elif name == "constant_pad_nd":
            left, _, top, *_ = [*list(args[1]), 0, 0]
            return Field(field.height.window(1, 1, top), field.width.window(1, 1, left))
        elif self._is_local(func, name, inputs, output):
            return _merged(fields)
        return Field(_merged(fields).height.all(rows), _merged(fields).width.all(columns))

    def _is_local(self, func: Any, name: str, inputs: Sequence[Tensor], output: Tensor) -> bool:
        if torch.Tag.pointwise in func.tags or "batch_norm" in name:
            return True
        kept = output.dim() > 2 and output.shape[-2:] == inputs[0].shape[-2:]
        return kept and (name in SAME or (name in ("cat", "slice", "split", "split_with_sizes", "unbind")))


Windows = tuple[tuple[int, int, int, int], tuple[int, int, int, int]]
"""Kernel, stride, padding and dilation along the height, and along the width."""


def _windows(*values: Sequence[int]) -> Windows:
    """From kernel, stride, padding and dilation, each with one entry for both axes or one for each."""
    first, second = ([value[axis] for value in values] for axis in (0, -1))
    return (first[0], first[1], first[2], first[3]), (second[0], second[1], second[2], second[3])


def _convolution(args: Sequence[Any], units: Sequence[int], output: Tensor) -> Windows | None:
    _, weight, _, stride, padding, dilation, transposed = args[:7]
    return None if transposed else _windows(weight.shape[-2:], stride, padding, dilation)


def _pooling(args: Sequence[Any], units: Sequence[int], output: Tensor) -> Windows:
    given = dict(zip(("kernel", "stride", "padding", "dilation"), args[1:], strict=False))
    dilation = given.get("dilation")  # of an average it is how to round sizes
    kernel, padding = given["kernel"], given.get("padding") or [0]
    return _windows(kernel, given.get("stride") or kernel, padding, dilation if isinstance(dilation, list) else [1])


def _adaptive(args: Sequence[Any], units: Sequence[int], output: Tensor) -> Windows | None:
    counts = output.shape[-2:]
    if any(size % count for size, count in zip(units, counts, strict=True)):
        return None  # windows of several sizes
    sizes = [size // count for size, count in zip(units, counts, strict=True)]
    return _windows(sizes, sizes, [0], [1])


GEOMETRY: Mapping[str, Callable[[Sequence[Any], Sequence[int], Tensor], Windows | None]] = {
    "convolution": _convolution,
    "max_pool2d_with_indices": _pooling,
    "avg_pool2d": _pooling,
    "_adaptive_avg_pool2d": _adaptive,
}


def _sliced(field: Field, args: Sequence[Any], x: Tensor) -> Field:
    _, axis, start, _, step = (*args, None, None, None)[:5]
    first, step = start or 0, step or 1
    first += x.shape[axis] if first < 0 else 0
    if axis % x.dim() == x.dim() - 1:
        return Field(field.height, field.width.window(1, step, -first))
    return Field(field.height.window(1, step, -first), field.width)


def _merged(fields: Sequence[tuple[Field, Sequence[int]]]) -> Field:
    """The smallest field that holds all of these; with each goes how many units the tensor has along the axes."""
    return Field(
        _hull([(field.height, units[0]) for field, units in fields]),
        _hull([(field.width, units[-1]) for field, units in fields]),
    )


def _hull(reaches: Sequence[tuple[Reach, int]]) -> Reach:
    if len({reach.stride for reach, _ in reaches}) > 1:
        reaches = [(reach.all(units), units) for reach, units in reaches]
    start = min(reach.start for reach, _ in reaches)
    end = max(reach.start + reach.size for reach, _ in reaches)
    return Reach(start, end - start, reaches[0][0].stride)
