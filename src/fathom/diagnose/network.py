"""What this room must know of a model, and how it listens to the layers while they work."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from torch import Tensor


class Network(Protocol):
    """A model of one tensor, as every `torch.nn.Module` is; its layers are torch's, ours, or anybody's."""

    training: bool

    def __call__(self, x: Tensor, /) -> Tensor:
        """Map `(examples, ...)` to logits `(examples, classes)`."""

    def eval(self) -> Any:
        """Switch dropout and running statistics off."""

    def modules(self) -> Iterator[Any]:
        """The model and all its parts."""

    def named_modules(self) -> Iterator[tuple[str, Any]]:
        """The same with their names; that of the model itself is empty."""


Heard = Callable[[str, Any, Tensor], Tensor | None]
"""Name, module and output of a layer that is done; what it returns, if anything, goes on in the output's place."""


@contextmanager
def listening(model: Network, heard: Heard) -> Iterator[None]:
    """While the block lasts, `heard` is told of each module that gives a tensor, in the order in which they end."""

    def hook_of(name: str) -> Callable[[Any, Any, Any], Tensor | None]:
        return lambda module, inputs, output: heard(name, module, output) if isinstance(output, Tensor) else None

    hooks = [module.register_forward_hook(hook_of(name)) for name, module in model.named_modules()]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
