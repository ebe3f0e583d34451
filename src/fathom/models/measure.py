"""What a model costs, part by part: shapes, parameters, operations, memory, and which part feeds which.

The model runs once for one example. An image model of `torch.device("meta")` runs without data: heavy operations are
replaced by the shape of what they give, so that even the deepest takes a fraction of a second.
"""

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from fathom.models.receptive_field import Field, receptive_fields

WEIGHTED = ("convolution", "addmm", "mm")
JOINS = ("add", "cat")
BYTES = 4  # of a number in float32


@dataclass(frozen=True)
class Part:
    """One module, as it was called.

    Args:
        name: its path in the model; "" is the model itself.
        kind: its class.
        level: how many modules it is called from.
        leaf: it is looked at as a whole, for it has no parts, or parameters beside them.
        output: the shape of what it gives for one example, the batch left out.
        parameters: of itself and all in it, but for those that a module called before has, or itself.
        flops: of all in it; a multiply-add counts as two.
        activations: bytes in float32 of all that its operations put out, views left out.
        field: what a unit of its output sees of the image; None where there is no image.
    """

    name: str
    kind: str
    level: int
    leaf: bool
    output: tuple[int, ...]
    parameters: int
    flops: int
    activations: int
    field: Field | None = None


@dataclass(frozen=True)
class Node:
    """A step of the forward pass: a leaf, or an operation between leaves that joins several of them.

    Args:
        name: the leaf's path; of a join the path of the module that it is in.
        kind: the leaf's class, or `add` or `cat`.
        label: what it does, in a few words: `Conv2d 3×3, 64, stride 2`.
        inputs: the nodes it takes from; -1 is the input of the model.
        output: as of `Part`.
    """

    name: str
    kind: str
    label: str
    inputs: tuple[int, ...]
    output: tuple[int, ...]


@dataclass(frozen=True)
class Cost:
    """What a model costs.

    Args:
        parts: every module that was called, a caller before those that it calls; the first is the model itself.
        nodes: the steps of the forward pass, in order.
        depth: layers with weights on the longest way through the model.
    """

    parts: tuple[Part, ...]
    nodes: tuple[Node, ...]
    depth: int

    @property
    def whole(self) -> Part:
        """The model itself."""
        return self.parts[0]

    def rows(self, level: int) -> list[Part]:
        """The parts at a level, and the leaves above it: together all of the model, and none twice."""
        return [part for part in self.parts if part.level == level or (part.leaf and part.level < level)]

    def readable_level(self, least: int = 8, most: int = 32) -> int:
        """The deepest level of at most so many rows; but one of at least so many, if there is one."""
        levels = range(1, max(part.level for part in self.parts) + 1)
        fitting = [level for level in levels if len(self.rows(level)) <= most]
        level = max(fitting, default=1)
        while level < levels.stop - 1 and len(self.rows(level)) < least:
            level += 1
        return level


def measure(model: nn.Module, *example: Tensor) -> Cost:
    """What the model costs for one example.

    Args:
        model: any torch model; it is left in evaluation mode.
        example: what the model is called with, each `(1, ...)`; an image of the meta device, if the model is of it,
            makes no computation.

    Returns:
        Its parts and steps; receptive fields for images on the meta device only.
    """
    record = _Record({part: name for name, part in model.named_modules()})
    hooks = [hook for part in model.modules() for hook in record.listen(part)]
    model.eval()
    fields: dict[str, Field] = {}
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # whose one operation hides all others, as would other kernels below
    try:
        with torch.no_grad(), record:
            if example[0].is_meta and example[0].dim() == 4:
                fields = receptive_fields(model, example[0].shape[1:])
            else:
                with sdpa_kernel(SDPBackend.MATH):
                    model(*example)
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
        for hook in hooks:
            hook.remove()
    parts = [record.part(call, fields.get(call.name)) for call in record.calls]
    return Cost(tuple(parts), tuple(record.nodes), max(record.depths.values(), default=0))


def label(module: nn.Module) -> str:
    """What a layer does, in a few words."""
    words = [type(module).__name__]
    kernel, stride = (getattr(module, name, None) for name in ("kernel_size", "stride"))
    if kernel is not None:
        words[0] += f" {_by(kernel if isinstance(kernel, tuple) else (kernel, kernel))}"
    groups = getattr(module, "groups", 1)
    depthwise = groups > 1 and groups == getattr(module, "out_channels", 0)
    sizes = () if depthwise else ("out_channels", "out_features", "output_size")
    words += [_by(getattr(module, name)) for name in sizes if hasattr(module, name)]
    if groups > 1:
        words.append("depthwise" if depthwise else f"{groups} groups")
    steps = stride if isinstance(stride, tuple) else (stride,) * 2
    if stride is not None and steps != (1, 1):
        words.append(f"stride {steps[0] if steps[0] == steps[1] else _by(steps)}")
    return ", ".join(words)


def _by(size: Any) -> str:
    return "×".join(map(str, size)) if isinstance(size, tuple | list) else str(size)


@dataclass
class _Call:
    """A module while it runs, and what the counters were when it began."""

    name: str
    module: Any
    level: int
    leaf: bool
    parameters: int
    flops: int
    activations: int
    inputs: tuple[int, ...]
    output: tuple[int, ...] = field(default=())


class _Record(TorchDispatchMode):
    """Counts operations, remembers who made each tensor, and gives shapes for heavy operations without data."""

    def __init__(self, names: dict[nn.Module, str]) -> None:
        super().__init__()
        self.names, self.flops, self.activations = names, 0, 0
        self.calls: list[_Call] = []
        self.open: list[_Call] = []
        self.nodes: list[Node] = []
        self.depths: dict[int, int] = {}
        self.counted: set[nn.Parameter] = set()
        self.makers: dict[int, int] = {}
        self.kept: list[Any] = []  # so that no other tensor gets the same id

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """No, for that would import torch's compiler, which takes more than a second."""
        return False

    def listen(self, module: nn.Module) -> list[Any]:
        """Hooks that tell when the module begins and ends."""
        return [module.register_forward_pre_hook(self._begin), module.register_forward_hook(self._end)]

    def part(self, call: _Call, seen: Field | None) -> Part:
        kind, costs = type(call.module).__name__, (call.parameters, call.flops, call.activations)
        return Part(call.name, kind, call.level, call.leaf, call.output, *costs, seen)

    def _inside_leaf(self) -> bool:
        return any(call.leaf for call in self.open)

    def _begin(self, module: nn.Module, inputs: Any) -> None:
        if self._inside_leaf():
            return
        if not self.open:
            self.makers.update((id(tensor), -1) for tensor in tree_leaves(inputs))
            self.kept += tree_leaves(inputs)
        leaf = next(module.children(), None) is None or next(module.parameters(recurse=False), None) is not None
        costs = sum(part.numel() for part in set(module.parameters()) - self.counted), self.flops, self.activations
        call = _Call(self.names[module], module, len(self.open), leaf, *costs, self._makers_of(inputs))
        self.calls.append(call)
        self.open.append(call)

    def _end(self, module: nn.Module, inputs: Any, output: Any) -> None:
        if not self.open or self.open[-1].module is not module:
            return
        call = self.open.pop()
        self.counted.update(module.parameters())
        first = tree_leaves(output)[0]
        call.output = tuple(first.shape[1:])
        call.flops, call.activations = self.flops - call.flops, self.activations - call.activations
        if call.leaf and not isinstance(module, nn.Identity):
            self._add(Node(call.name, type(module).__name__, label(module), call.inputs, call.output), output)

    def _add(self, node: Node, output: Any) -> None:
        self.nodes.append(node)
        for tensor in tree_leaves(output):
            self.makers[id(tensor)] = len(self.nodes) - 1
            self.kept.append(tensor)

    def _makers_of(self, values: Any) -> tuple[int, ...]:
        """Who made these tensors, each maker once; the input of the model is made by -1, parameters by nobody."""
        found = [self.makers[id(leaf)] for leaf in tree_leaves(values) if id(leaf) in self.makers]
        return tuple(dict.fromkeys(found))

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = func.overloadpacket.__name__
        inputs = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        without_data = inputs and all(tensor.is_meta for tensor in inputs)
        rule = _rule(func, name) if without_data else None
        result = rule(func, args, inputs) if rule is not None else None
        if result is None:
            result = func(*args, **kwargs)
        if self.open and inputs:
            self._count(func, name, args, kwargs, inputs, result)
        return result

    def _count(self, func: Any, name: str, args: Any, kwargs: Any, inputs: Sequence[Tensor], result: Any) -> None:
        outputs = [leaf for leaf in tree_leaves(result) if isinstance(leaf, Tensor)]
        if func.overloadpacket in flop_registry:
            self.flops += flop_registry[func.overloadpacket](*args, **kwargs, out_val=result)
        if outputs and not func.is_view:
            self.activations += outputs[0].numel() * BYTES
        depth = max((self.depths.get(id(tensor), 0) for tensor in inputs), default=0) + (name in WEIGHTED)
        makers = self._makers_of(inputs)
        for tensor in outputs:
            self.depths[id(tensor)] = depth
            self.kept.append(tensor)
        if self._inside_leaf() or not outputs:
            return
        if name in JOINS and len(makers) > 1:
            self._add(Node(self.open[-1].name, name, name, makers, tuple(outputs[0].shape[1:])), result)
        elif makers:
            for tensor in outputs:
                self.makers[id(tensor)] = makers[0]


Rule = Callable[[Any, Sequence[Any], Sequence[Tensor]], Any]
"""What an operation gives, without data; None where it shall speak for itself, as about shapes that do not fit."""


def _rule(func: Any, name: str) -> Rule | None:
    return RULES.get(name) or (_pointwise if torch.Tag.pointwise in func.tags else None)


def _blank(shape: Sequence[int]) -> Tensor:
    return torch.empty(tuple(shape), device="meta")


def _convolution(func: Any, args: Sequence[Any], inputs: Sequence[Tensor]) -> Tensor | None:
    x, weight, _, stride, padding, dilation, transposed, _, groups = args
    sizes = _windows(x.shape[2:], weight.shape[2:], stride, padding, dilation)
    fits = x.dim() == weight.dim() and x.shape[1] == weight.shape[1] * groups and min(sizes) > 0
    return _blank((x.shape[0], weight.shape[0], *sizes)) if fits and not transposed else None


def _max_pooling(func: Any, args: Sequence[Any], inputs: Sequence[Tensor]) -> tuple[Tensor, ...] | None:
    x, kernel, stride, padding, dilation, rounded_up = _filled(args, [], 0, 1, False)
    sizes, steps = x.shape[2:], stride or kernel
    if rounded_up:
        if any(padding if isinstance(padding, list) else [padding]) or any(map(operator.gt, steps, kernel)):
            return None
        sizes = [size + step - 1 for size, step in zip(sizes, steps, strict=True)]
    counts = _windows(sizes, kernel, steps, padding, dilation)
    return (_blank((*x.shape[:2], *counts)), _blank((0,))) if min(counts) > 0 else None


def _average_pooling(func: Any, args: Sequence[Any], inputs: Sequence[Tensor]) -> Tensor | None:
    x, kernel, stride, padding, rounded_up = _filled(args[:5], [], 0, False)
    sizes = _windows(x.shape[2:], kernel, stride or kernel, padding, 1)
    return _blank((*x.shape[:2], *sizes)) if min(sizes) > 0 and not rounded_up else None


def _adaptive_pooling(func: Any, args: Sequence[Any], inputs: Sequence[Tensor]) -> Tensor:
    return _blank((*args[0].shape[:-2], *args[1]))


def _filled(args: Sequence[Any], *defaults: Any) -> tuple[Any, ...]:
    """The arguments of a pooling, with defaults for those behind the kernel that were left out."""
    return (*args, *defaults[len(args) - 2 :])


def _windows(sizes: Sequence[int], kernel: Any, stride: Any, padding: Any, dilation: Any) -> list[int]:
    pairs = (
        (value, value) if isinstance(value, int) else (value[0], value[-1]) for value in (stride, padding, dilation)
    )
    return [
        (size + 2 * border - gap * (width - 1) - 1) // step + 1
        for size, width, step, border, gap in zip(sizes, kernel, *pairs, strict=True)
    ]


def _batch_norm(func: Any, args: Sequence[Any], inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
    statistics = [_blank((0,)) for _ in func._schema.returns[1:]]
    return (_blank(args[0].shape), *statistics)


def _product(func: Any, args: Sequence[Any], inputs: Sequence[Tensor]) -> Tensor | None:
    *_, first, second = inputs
    return _blank((first.shape[0], second.shape[1])) if first.shape[1] == second.shape[0] else None


def _concatenation(func: Any, args: Sequence[Any], inputs: Sequence[Tensor]) -> Tensor | None:
    axis = args[1] if len(args) > 1 else 0
    shapes = [list(tensor.shape) for tensor in inputs]
    total = sum(shape.pop(axis) for shape in shapes)
    if any(shape != shapes[0] for shape in shapes):
        return None
    shapes[0].insert(axis % inputs[0].dim(), total)
    return _blank(shapes[0])


def _mean(func: Any, args: Sequence[Any], inputs: Sequence[Tensor]) -> Tensor:
    x, axes, keepdim, *_ = (*args, False)
    gone = {axis % x.dim() for axis in axes}
    sizes = [(axis, 1 if axis in gone else size) for axis, size in enumerate(x.shape)]
    return _blank([size for axis, size in sizes if keepdim or axis not in gone])


def _pointwise(func: Any, args: Sequence[Any], inputs: Sequence[Tensor]) -> Tensor | None:
    axes = max(tensor.dim() for tensor in inputs)
    shapes = [(1,) * (axes - tensor.dim()) + tuple(tensor.shape) for tensor in inputs]
    columns = [set(sizes) - {1} for sizes in zip(*shapes, strict=True)]
    return _blank([max(sizes, default=1) for sizes in columns]) if all(len(sizes) < 2 for sizes in columns) else None


RULES: dict[str, Rule] = {
    "_adaptive_avg_pool2d": _adaptive_pooling,
    "_native_batch_norm_legit_no_training": _batch_norm,
    "addmm": _product,
    "avg_pool2d": _average_pooling,
    "cat": _concatenation,
    "convolution": _convolution,
    "cudnn_batch_norm": _batch_norm,
    "max_pool2d_with_indices": _max_pooling,
    "mean": _mean,
    "mm": _product,
    "native_batch_norm": _batch_norm,
}
