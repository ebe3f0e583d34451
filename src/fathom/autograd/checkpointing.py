"""Memory for time: run a part of the network without keeping anything, and once more when backward needs it."""

import copy
from collections.abc import Callable
from contextlib import contextmanager
from typing import Any

from fathom.autograd import creation
from fathom.autograd.node import Node
from fathom.autograd.state import STATE, enable_grad
from fathom.autograd.table import RECORDED, Operation, wrt
from fathom.autograd.tensor import Tensor

# Its formula is never read: `CheckpointNode.rerun` stands in its place.
CHECKPOINT = Operation("checkpoint", lambda *x: x[0], (wrt(lambda *_: None, needs="x"),), ("x",), variadic=True)


def checkpoint(function: Callable[..., Tensor], *inputs: Tensor) -> Tensor:
    """`function(*inputs)`, keeping only the inputs for backward. Twin: `torch.utils.checkpoint.checkpoint`.

    Backward runs the function a second time, with the same random numbers, and walks through the graph that this
    leaves. A chain of n layers cut into √n parts needs memory for about 2√n of them and one more forward pass. Leaves
    that the function uses without being given them (a module's parameters) get their gradients; results of other
    operations must be among the inputs.

    Args:
        function: of tensors, to one tensor.
    """
    if not STATE.recording or STATE.level or STATE.tracer is not None:
        return function(*inputs)
    state = copy.deepcopy(creation.default_generator().bit_generator.state)
    y = function(*[x.detach().requires_grad_(x.requires_grad) for x in inputs])
    if not y.requires_grad:
        return y
    out = Tensor.wrap(y.array)
    out.requires_grad = True
    wanted = tuple(x.requires_grad for x in inputs)
    out.node = CheckpointNode(CHECKPOINT, inputs, {}, wanted, out)
    out.node.inputs, out.node.versions = inputs, {i: x.storage.version for i, x in enumerate(inputs)}
    out.node.function, out.node.random_state = function, state
    return out


class CheckpointNode(Node):
    """Keeps the function and its inputs; for its derivative the function is run again."""

    __slots__ = ("function", "random_state")
    function: Callable[..., Tensor]
    random_state: Any

    def rerun(self, recorded: bool) -> tuple[list[Tensor], Tensor]:
        """The inputs anew, and the result with a graph that starts at them; `recorded` goes on behind them."""
        self.check()
        with enable_grad(), _as_it_was(self.random_state):
            again = RECORDED.clone if recorded else lambda x: x.detach().requires_grad_(x.requires_grad)
            inputs = [again(x) for x in self.inputs]
            return inputs, self.function(*inputs)


@contextmanager
def _as_it_was(state: Any) -> Any:
    """The default generator in an earlier state; afterwards it goes on where it is now."""
    generator = creation.default_generator().bit_generator
    now = copy.deepcopy(generator.state)
    generator.state = state
    try:
        yield
    finally:
        generator.state = now
