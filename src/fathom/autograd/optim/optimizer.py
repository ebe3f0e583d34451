"""What all optimisers share: groups of parameters, and a state for each parameter."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from fathom.autograd.errors import GradientError, ShapeError
from fathom.autograd.tensor import Tensor

Array = np.ndarray[Any, Any]


class Optimizer:
    """Twin: `torch.optim.Optimizer`. A subclass says in `update` how one array changes.

    Args:
        params: tensors, or dicts with "params" and options of their own.
        defaults: the options of groups that say nothing else; `param_groups[i]["lr"]` may be changed between steps.
    """

    def __init__(self, params: Iterable[Any], defaults: dict[str, Any]) -> None:
        if defaults["lr"] < 0:
            raise ShapeError(f"{type(self).__name__}: expected lr >= 0, got {defaults['lr']}")
        given = list(params)
        if not given:
            raise ShapeError(f"{type(self).__name__}: got no parameters; pass model.parameters()")
        groups = given if isinstance(given[0], Mapping) else [{"params": given}]
        self.defaults = defaults
        self.param_groups = [{**defaults, **group, "params": list(group["params"])} for group in groups]
        self.state: dict[int, dict[str, Any]] = {}  # by the number of the parameter, counted through all groups

    def _numbered(self) -> Iterable[tuple[int, Tensor, dict[str, Any]]]:
        number = 0
        for group in self.param_groups:
            for parameter in group["params"]:
                yield number, parameter, group
                number += 1

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients, or make them zeros."""
        for _, parameter, _ in self._numbered():
            if parameter.grad is not None:
                parameter.grad = None if set_to_none else parameter.grad.detach().zero_()

    def step(self) -> None:
        """Change every parameter that has a gradient, in place."""
        for number, parameter, group in self._numbered():
            if parameter.grad is None:
                continue
            if parameter.node is not None:
                raise GradientError(f"optimiser: a parameter of shape {parameter.shape} is not a leaf; use detach()")
            self.update(parameter.array, parameter.grad.array, self.state.setdefault(number, {}), group)
            parameter.storage.version += 1

    def update(self, x: Array, g: Array, state: dict[str, Any], group: dict[str, Any]) -> None:
        """Change x in place; `state` is this parameter's, empty at first."""
        raise NotImplementedError

    def state_dict(self) -> dict[str, Any]:
        """`state`: for each parameter's number its arrays and numbers; `param_groups`: the options and numbers."""
        groups = []
        count = 0
        for group in self.param_groups:
            options = {name: value for name, value in group.items() if name != "params"}
            groups.append({**options, "params": list(range(count, count + len(group["params"])))})
            count += len(group["params"])
        return {"state": {number: dict(state) for number, state in self.state.items()}, "param_groups": groups}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over what `state_dict` gave, or torch's with its tensors as arrays."""
        groups = state_dict["param_groups"]
        sizes = [len(group["params"]) for group in groups]
        if sizes != [len(group["params"]) for group in self.param_groups]:
            raise ShapeError(f"load_state_dict: the state has groups of {sizes} parameters; build the same optimiser")
        for own, group in zip(self.param_groups, groups, strict=True):
            own.update({name: group[name] for name in self.defaults if name in group})
        shapes = {number: parameter.shape for number, parameter, _ in self._numbered()}
        self.state = {
            int(number): {name: _copied(value, shapes[int(number)]) for name, value in state.items()}
            for number, state in state_dict["state"].items()
        }


def _copied(value: Any, shape: tuple[int, ...]) -> Any:
    if value is None or isinstance(value, int | float):
        return value
    array = np.array(value)
    return array.item() if array.ndim == 0 and shape != () else array
