"""How a row of the table of twins is written: a layer's name, its arguments, the shapes of its inputs."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Generator, Tensor, nn

from fathom import layers
from fathom.layers import composed
from fathom.layers.ladder import Draw, Twin


def classes(count: int, *shape: int, ignored: bool = False) -> Draw:
    """Draws classes from 0 to `count - 1`; with `ignored`, the first is -100."""

    def draw(generator: Generator) -> Tensor:
        drawn = torch.randint(count, shape, generator=generator)
        if ignored:
            drawn.view(-1)[0] = -100
        return drawn

    return draw


def probabilities(*shape: int) -> Draw:
    """Draws distributions over axis 1."""
    return lambda generator: torch.rand(shape, generator=generator, dtype=torch.float64).softmax(1)


def row(
    name: str,
    layer: str,
    *inputs: tuple[int, ...] | Draw,
    args: tuple[Any, ...] = (),
    use: Callable[..., Any] | None = None,
    training: bool = True,
    make: Callable[[Any], Any] | None = None,
    **kwargs: Any,
) -> Twin:
    """A row whose sides are the layer of one name in each rung's namespace, built with the same arguments.

    Args:
        name: what is special about the row; empty for nothing.
        layer: the name in `torch.nn` or `fathom.layers.composed`, in `fathom.layers` and perhaps in
            `fathom.autograd.nn`.
        inputs: as in `Twin`.
        args: positional arguments of the constructor.
        use: as in `Twin`.
        training: as in `Twin`.
        make: builds it from a namespace, for a layer that is made of layers; in place of `args` and `kwargs`.
        kwargs: named arguments of the constructor.
    """

    def build(namespace: Any) -> Any:
        if make is not None:
            return make(namespace)
        own = _own_tensor(namespace)
        return composed.layer(namespace, layer)(*map(own, args), **{word: own(value) for word, value in kwargs.items()})

    return Twin(
        name=f"{layer}: {name}" if name else layer,
        scratch=lambda: build(layers),
        twin=lambda: build(nn),
        build_in=build,
        inputs=inputs,
        training=training,
        **({} if use is None else {"use": use}),
    )


def _own_tensor(namespace: Any) -> Callable[[Any], Any]:
    """Copies a torch tensor to one of the namespace's own kind; leaves anything else as it is."""
    if issubclass(namespace.Module, nn.Module):
        return lambda value: value.clone() if isinstance(value, Tensor) else value
    from fathom import autograd

    return lambda value: autograd.Tensor(value.numpy().copy()) if isinstance(value, Tensor) else value
