"""Our update rules, which know torch's tensors, on parameters of the NumPy engine."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import torch
from torch import nn


class SharedMemory:
    """An optimiser over torch's views of the engine's parameters: what it changes, the engine sees. It is `Stateful`.

    Args:
        parameters: of a model on the engine.
        build: gives the optimiser over those views.
    """

    def __init__(self, parameters: Iterable[Any], build: Callable[[list[nn.Parameter]], torch.optim.Optimizer]) -> None:
        self.parameters = list(parameters)
        self.views = [nn.Parameter(torch.from_numpy(parameter.array)) for parameter in self.parameters]
        self.optimizer = build(self.views)

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """Those of the optimiser; `lr` may be changed between steps."""
        return self.optimizer.param_groups

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for parameter in self.parameters:
            parameter.grad = None

    def step(self) -> None:
        """Change every parameter that has a gradient, in place."""
        for parameter, view in zip(self.parameters, self.views, strict=True):
            view.data = torch.from_numpy(parameter.array)  # the same memory, unless the model was given another
            gradient = parameter.grad
            view.grad = None if gradient is None else torch.from_numpy(np.require(gradient.array, requirements="W"))
        self.optimizer.step()
        for parameter in self.parameters:
            if parameter.grad is not None:
                parameter.storage.version += 1  # so that a graph from before the step is not used after it

    def state_dict(self) -> dict[str, Any]:
        """That of the optimiser, in torch's form."""
        return self.optimizer.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Put back what `state_dict` gave."""
        self.optimizer.load_state_dict(dict(state))
