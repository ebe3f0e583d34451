"""What a pair of twins is, and how far apart two twins are: in output, in gradient, in time.

A room that has twins keeps its own table of `Twin`s; `compare` measures one row of it.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor, nn

Draw = Callable[[Generator], Tensor]

# float64: rounding of a few hundred operations, far below any wrong formula. float32: 2^29 times coarser, and
# recurrent layers and normalisations amplify it; a wrong formula shows at 1e-2.
TOLERANCES = {torch.float64: 1e-9, torch.float32: 1e-4}


def call(module: nn.Module, *inputs: Tensor) -> Any:
    """`module(*inputs)`, the default way to use a twin."""
    return module(*inputs)


@dataclass(frozen=True, kw_only=True)
class Twin:
    """A layer of ours and the framework's layer that it must equal.

    Args:
        name: the layer, then what is special about this row (`Conv2d: stride 2, groups 3`).
        scratch: builds ours.
        twin: builds the framework's, with the same parameter names and shapes.
        inputs: one entry for each argument of the forward: a shape, to be filled with normal numbers that get a
            gradient; or a function of a generator that draws something else (classes, masks, probabilities).
        use: calls either with the inputs; for masks and other named arguments.
        training: the mode in which both are compared.
        build_in: builds the layer from any namespace with torch.nn's names, such as the NumPy engine's; None if only
            the two above are meant.
    """

    name: str
    scratch: Callable[[], nn.Module]
    twin: Callable[[], nn.Module]
    inputs: tuple[tuple[int, ...] | Draw, ...]
    use: Callable[..., Any] = call
    training: bool = True
    build_in: Callable[[Any], Any] | None = None

    @property
    def layer(self) -> str:
        """The layer's name, without what is special about the row."""
        return self.name.partition(":")[0]

    def draw(self, dtype: torch.dtype, seed: int = 0) -> tuple[Tensor, ...]:
        """Inputs for both; floating ones are of `dtype` and ask for a gradient."""
        generator = torch.Generator().manual_seed(seed)
        drawn = (
            entry(generator) if callable(entry) else torch.randn(entry, generator=generator, dtype=torch.float64)
            for entry in self.inputs
        )
        return tuple(x.to(dtype).requires_grad_() if x.is_floating_point() else x for x in drawn)

    def build(self, dtype: torch.dtype, seed: int = 0) -> tuple[nn.Module, nn.Module]:
        """Ours and the framework's, with equal parameters and buffers; none is left at a special value such as 1 or 0.

        Raises:
            RuntimeError: parameter names or shapes differ (a strict `load_state_dict`).
        """
        ours, theirs = self.scratch().to(dtype), self.twin().to(dtype)
        generator = torch.Generator().manual_seed(seed + 1)
        with torch.no_grad():
            for name, tensor in theirs.state_dict().items():
                if name.endswith("running_var"):
                    tensor.uniform_(0.5, 2.0, generator=generator)
                elif tensor.is_floating_point():
                    tensor.add_(0.2 * torch.randn(tensor.shape, generator=generator, dtype=dtype))
        ours.load_state_dict(theirs.state_dict(), strict=True)
        return ours.train(self.training), theirs.train(self.training)


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A measured row of the ladder.

    Args:
        name: of the twin.
        rung: whose layer stood beside the framework's, `scratch` or `numpy`.
        dtype: in which it was measured.
        output_difference: the worst difference of an output or buffer, as a fraction of the largest entry.
        gradient_difference: the worst difference of a gradient (of inputs and parameters), likewise.
        tolerance: what either may be.
        seconds: of ours, forward and backward; 0 if not timed.
        twin_seconds: of the framework's.
    """

    name: str
    rung: str
    dtype: str
    output_difference: float
    gradient_difference: float
    tolerance: float
    seconds: float = 0.0
    twin_seconds: float = 0.0

    @property
    def within(self) -> bool:
        """Whether both differences keep to the tolerance."""
        return self.output_difference <= self.tolerance and self.gradient_difference <= self.tolerance

    @property
    def time_ratio(self) -> float:
        """Our time over the framework's: 2 is twice as slow; 0 if not timed."""
        return self.seconds / self.twin_seconds if self.twin_seconds else 0.0


def compare(twin: Twin, dtype: torch.dtype = torch.float64, seed: int = 0, repeats: int = 0) -> Comparison:
    """Measure one row.

    Args:
        twin: the row.
        dtype: `torch.float64` or `torch.float32`.
        seed: of the inputs, parameters, and whatever the layers draw themselves.
        repeats: how often each is timed, in turn; the fastest counts. 0: no timing.
    """
    ours, theirs = twin.build(dtype, seed)
    inputs = twin.draw(dtype, seed)
    outputs, gradients = value_and_gradients(twin, ours, inputs, seed)
    expected_outputs, expected_gradients = value_and_gradients(twin, theirs, inputs, seed)
    seconds = twin_seconds = 0.0
    if repeats:
        ones = [torch.ones_like(y) for y in tensors(twin.use(theirs, *inputs))]
        seconds, twin_seconds = fastest(
            lambda: gradients_of(ours, inputs, list(tensors(twin.use(ours, *inputs))), ones),
            lambda: gradients_of(theirs, inputs, list(tensors(twin.use(theirs, *inputs))), ones),
            repeats=repeats,
        )
    return Comparison(
        name=twin.name,
        rung="scratch",
        dtype=str(dtype).removeprefix("torch."),
        output_difference=worst_difference(outputs, expected_outputs),
        gradient_difference=worst_difference(gradients, expected_gradients),
        tolerance=TOLERANCES[dtype],
        seconds=seconds,
        twin_seconds=twin_seconds,
    )


def value_and_gradients(
    twin: Twin, module: nn.Module, inputs: tuple[Tensor, ...], seed: int = 0
) -> tuple[list[Tensor], list[Tensor]]:
    """All floating outputs and buffers after a forward; and the gradients of all inputs and parameters.

    The gradients are of the sum of all outputs, each entry with its own fixed random weight.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # both draw the same, if they draw
        outputs = list(tensors(twin.use(module, *inputs)))
    gradients = gradients_of(module, inputs, outputs, seeds(outputs, seed))
    return [y.detach() for y in outputs] + [buffer.clone() for buffer in module.buffers()], list(gradients)


def seeds(outputs: list[Tensor], seed: int = 0) -> list[Tensor]:
    """The fixed random weight of each entry of the outputs."""
    generator = torch.Generator().manual_seed(seed + 2)
    return [torch.randn(y.shape, generator=generator, dtype=torch.float64).to(y.dtype) for y in outputs]


def gradients_of(
    module: nn.Module, inputs: tuple[Tensor, ...], outputs: list[Tensor], weights: list[Tensor]
) -> tuple[Tensor, ...]:
    """The gradients of the weighted sum of the outputs with respect to all inputs and parameters."""
    wanted = [x for x in inputs if x.requires_grad] + list(module.parameters())
    return torch.autograd.grad(outputs, wanted, weights, allow_unused=True, materialize_grads=True)


def tensors(value: Any) -> Iterator[Tensor]:
    """Every floating tensor in nested tuples, in order."""
    if isinstance(value, Tensor):
        if value.is_floating_point():
            yield value
    elif value is not None:
        for entry in value:
            yield from tensors(entry)


def worst_difference(ours: list[Tensor], theirs: list[Tensor]) -> float:
    """The largest |ours - theirs| of any tensor over the largest |theirs| of that tensor.

    The scale of a tensor is at least a hundredth of the largest in the list: a gradient that is zero but for rounding
    (of the keys' bias in attention) has no scale of its own. Infinite if shapes differ or one has NaN.
    """
    if [tuple(a.shape) for a in ours] != [tuple(b.shape) for b in theirs]:
        return float("inf")
    scales = [float(b.abs().max()) if b.numel() else 0.0 for b in theirs]
    floor = 0.01 * max(scales, default=0.0) or 1.0
    worst = 0.0
    for a, b, scale in zip(ours, theirs, scales, strict=True):
        difference = float((a - b).abs().max()) / max(scale, floor) if b.numel() else 0.0
        worst = max(worst, difference if difference == difference else float("inf"))
    return worst


def fastest(*contenders: Callable[[], object], repeats: int) -> tuple[float, ...]:
    """Seconds of the fastest of `repeats` runs of each; they take turns."""
    best = [float("inf")] * len(contenders)
    for _ in range(repeats):
        for place, contender in enumerate(contenders):
            start = time.perf_counter()
            contender()
            best[place] = min(best[place], time.perf_counter() - start)
    return tuple(best)
