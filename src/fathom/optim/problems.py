"""Two problems on which update rules are compared: an ill-conditioned quadratic, and a network to be taught."""

from collections.abc import Callable

import torch
from torch import nn
from torch.nn.functional import cross_entropy

Start = Callable[[torch.dtype], tuple[list[nn.Parameter], Callable[[], None]]]
"""A problem: gives its parameters at their start, and a function that sets their gradients where they are now."""


def quadratic(dtype: torch.dtype) -> tuple[list[nn.Parameter], Callable[[], None]]:
    """½ (x - c)ᵀ H (x - c) over three parameters of 22 numbers; H's eigenvalues go from 0.01 to 10."""
    generator = torch.Generator().manual_seed(0)
    start, centre = torch.randn(2, 22, generator=generator, dtype=torch.float64)
    basis, _ = torch.linalg.qr(torch.randn(22, 22, generator=generator, dtype=torch.float64))
    hessian = ((basis * torch.logspace(-2, 1, 22, dtype=torch.float64)) @ basis.T).to(dtype)
    centre = centre.to(dtype)
    shapes = [(3, 5), (), (2, 3)]
    pieces = start.to(dtype).split([15, 1, 6])
    parameters = [nn.Parameter(piece.reshape(shape).clone()) for piece, shape in zip(pieces, shapes, strict=True)]

    def set_gradients() -> None:
        with torch.no_grad():
            whole = hessian @ (torch.cat([parameter.flatten() for parameter in parameters]) - centre)
            for parameter, piece in zip(parameters, whole.split([15, 1, 6]), strict=True):
                parameter.grad = piece.view(parameter.shape)

    return parameters, set_gradients


def network(build: Callable[[], nn.Module], example: tuple[int, ...], classes: int, batch: int = 3) -> Start:
    """The problem of teaching a network the classes of random examples, another batch at each step.

    Args:
        build: gives the model; its weights may be drawn from torch's global generator, which is seeded for it.
        example: the shape of one.
        classes: how many.
        batch: examples a step.
    """

    def start(dtype: torch.dtype) -> tuple[list[nn.Parameter], Callable[[], None]]:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            model = build().to(dtype)
        generator = torch.Generator().manual_seed(1)
        parameters = list(model.parameters())

        def set_gradients() -> None:
            x = torch.randn((batch, *example), generator=generator, dtype=torch.float64).to(dtype)
            y = torch.randint(classes, (batch,), generator=generator)
            gradients = torch.autograd.grad(cross_entropy(model(x), y), parameters)
            for parameter, gradient in zip(parameters, gradients, strict=True):
                parameter.grad = gradient

        return parameters, set_gradients

    return start
