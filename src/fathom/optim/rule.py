"""What all our update rules share: parameter groups, states, ranges, and the two ways through a list of tensors."""

import inspect
import logging
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from fathom.errors import InputError
from fathom.optim.tensors import Tensors

LOG = logging.getLogger("fathom.optim")
ONE = torch.tensor(1.0)

Group = dict[str, Any]
State = dict[str, Tensor]


def _from_0(value: Any) -> bool:
    return bool(0 <= value < math.inf)


RANGES: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "lr": (_from_0, "a number from 0"),
    "lr_decay": (_from_0, "a number from 0"),
    "weight_decay": (_from_0, "a number from 0"),
    "momentum": (_from_0, "a number from 0"),
    "dampening": (math.isfinite, "a finite number"),
    "eps": (_from_0, "a number from 0"),
    "initial_accumulator_value": (_from_0, "a number from 0"),
    "alpha": (lambda value: 0 <= value <= 1, "a number from 0 to 1"),
    "rho": (lambda value: 0 <= value <= 1, "a number from 0 to 1"),
    "betas": (lambda pair: len(pair) == 2 and all(0 <= value < 1 for value in pair), "two numbers from 0 and below 1"),
    "trust_coefficient": (lambda value: 0 < value < math.inf, "a number above 0"),
    "bounds": (lambda pair: len(pair) == 2 and 0 <= pair[0] <= pair[1], "two numbers from 0, the smaller first"),
}
"""What an option may be, and how an error says so; an option means the same in every rule."""


class Rule(torch.optim.Optimizer):
    """A `torch.optim.Optimizer` whose subclass says in `update` how one tensor, or many at once, change.

    Args:
        params: tensors, or torch's parameter groups.
        defaults: the options of groups that say nothing else.

    `foreach` chooses the way: True changes all tensors of a device and dtype together, False one after the other, None
    (the default) together on an accelerator, one by one on the CPU, where what was just read is still in the cache.
    Both ways run the same `update`. `maximize` climbs instead.

    A parameter without a gradient is skipped; the first time that one that asks for a gradient has none, the logger
    `fathom.optim` says how many there are.

    Raises:
        InputError: an option is out of its range, a parameter is complex, or a gradient is sparse.
    """

    TWIN: ClassVar[type[torch.optim.Optimizer] | None] = None
    """The framework's rule with the same numbers and the same state."""

    STATE: ClassVar[Mapping[str, str]] = {}
    """What is kept for each parameter: its name, and the option that asks for it (empty: always there)."""

    OURS: ClassVar[frozenset[str]] = frozenset()
    """The options that a state dict of the twin may lack."""

    _said: frozenset[str] = frozenset()

    def update(self, x: Tensor, g: Tensor, state: State, t: float, group: Group) -> None:
        """Change x in place, `(...)` by its gradient g of the same shape; all may be `Tensors`.

        Args:
            x: the parameter.
            g: its gradient, which must be left as it is.
            state: by the names in STATE, changed in place.
            t: steps with this one, from 1; 0 for a rule that does not count them.
            group: the options.
        """
        raise NotImplementedError

    def wanted(self, group: Group) -> list[str]:
        """The names of what a parameter has before its first step."""
        return [name for name, option in self.STATE.items() if not option or group[option]]

    def start(self, parameter: Tensor, group: Group) -> State:
        """The state before the first step: zeros."""
        return {name: torch.zeros(()) if name == "step" else torch.zeros_like(parameter) for name in self.wanted(group)}

    def add_param_group(self, param_group: Group) -> None:
        """Add parameters with options of their own."""
        super().add_param_group(param_group)
        self.check({name: param_group[name] for name in self.defaults})
        for parameter in param_group["params"]:
            if parameter.is_complex():
                got = f"got {parameter.dtype}; pass torch.view_as_real(x)"
                raise self._wrong(f"expected real parameters, {got}")

    @classmethod
    def check(cls, options: Mapping[str, Any]) -> None:
        """InputError if one of the options, which are all there, is out of its range."""
        for name in options.keys() & RANGES.keys():
            fits, words = RANGES[name]
            try:
                right = fits(options[name])
            except TypeError:  # a word where a number should be
                right = False
            if not right:
                raise InputError(f"{cls.__name__}: {name}: expected {words}, got {options[name]!r}")

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Change every parameter that has a gradient; gives what `closure` gives, which is called first."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        found = missing = 0
        for group in self.param_groups:
            parameters = [parameter for parameter in group["params"] if parameter.grad is not None]
            found += len(parameters)
            if len(parameters) < len(group["params"]):
                missing += sum(p.grad is None and p.requires_grad for p in group["params"])
            self._change(parameters, self._begun(parameters, group), group)
        if missing:
            self._say(found, missing)
        return loss

    def _begun(self, parameters: Sequence[Tensor], group: Group) -> list[State]:
        """The states, made where this is the first step; those of a rule that keeps none are not remembered."""
        keeps = any(not option or group[option] for option in self.STATE.values())
        states: list[State] = [self.state[parameter] if keeps else {} for parameter in parameters]
        for parameter, state in zip(parameters, states, strict=True):
            if parameter.grad.is_sparse:  # type: ignore[union-attr]
                got = f"got a sparse one of {tuple(parameter.shape)}; build with sparse=False"
                raise self._wrong(f"expected dense gradients, {got}")
            if not state:
                state.update(self.start(parameter, group))
        return states

    def _change(self, parameters: Sequence[Tensor], states: Sequence[State], group: Group) -> None:
        if group["foreach"] or (group["foreach"] is None and any(x.device.type != "cpu" for x in parameters)):
            for alike in _alike(parameters, states):
                self._change_together([x for x, _ in alike], [state for _, state in alike], group)
            return
        maximize = group["maximize"]
        for x, state in zip(parameters, states, strict=True):
            g: Any = x.grad
            t = state["step"].add_(1).item() if "step" in state else 0.0
            self.update(x, g.neg() if maximize else g, state, t, group)

    def _change_together(self, parameters: Sequence[Tensor], states: Sequence[State], group: Group) -> None:
        joint: dict[str, Any] = {name: Tensors([state[name] for state in states]) for name in states[0]}
        t = 0.0
        if "step" in joint:
            steps = joint["step"].each
            torch._foreach_add_(steps, ONE, alpha=1.0)  # a number in its place would become a tensor for each
            t = steps[0].item()
        x: Any = Tensors(parameters)
        g: Any = Tensors([parameter.grad for parameter in parameters])  # type: ignore[misc]
        self.update(x, g.neg() if group["maximize"] else g, joint, t, group)
        for name in joint.keys() - states[0].keys():
            for state, tensor in zip(states, joint[name].each, strict=True):
                state[name] = tensor

    def _say(self, found: int, missing: int) -> None:
        name, words = type(self).__name__, "some" if found else "none"
        if words not in self._said:
            self._said |= {words}
            if found:
                LOG.warning("%s: %d of %d parameters have no gradient and stay", name, missing, found + missing)
            else:
                LOG.warning("%s: none of %d parameters has a gradient; call backward() before step()", name, missing)

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over what `state_dict` gave, ours or the twin's.

        Raises:
            InputError: it is of another rule, or of other parameters.
        """
        groups, states = state_dict["param_groups"], state_dict["state"]
        sizes, expected = ([len(group["params"]) for group in some] for some in (groups, self.param_groups))
        if sizes != expected:
            raise self._wrong(f"expected a state of groups of {expected} parameters, got {sizes}; build it alike")
        for group, own in zip(groups, self.param_groups, strict=True):
            self._check_names("options", self._options() - self.OURS, group.keys())
            for number, parameter in zip(group["params"], own["params"], strict=True):
                if state := states.get(number):
                    self._check_names("a state", self.wanted(group), state.keys(), self.STATE.keys())
                    self._check_shapes(number, state, parameter.shape)
        super().load_state_dict(dict(state_dict))

    def _wrong(self, message: str) -> InputError:
        return InputError(f"{type(self).__name__}: {message}")

    def _check_shapes(self, number: Any, state: Mapping[str, Any], shape: torch.Size) -> None:
        for name, value in state.items():
            if name != "step" and value is not None and tuple(value.shape) != tuple(shape):
                got = f"{name} of {tuple(value.shape)}"
                raise self._wrong(f"parameter {number}: expected a state of {tuple(shape)}, got {got}")

    def _check_names(
        self, what: str, needed: Iterable[str], got: Iterable[str], known: Iterable[str] | None = None
    ) -> None:
        extra = set() if known is None else set(got) - set(known)
        if extra or set(needed) - set(got):
            expected, found = (", ".join(sorted(set(names) - {"params"})) for names in (known or needed, got))
            raise self._wrong(f"expected {what} with {expected}, got {found}; load it into the rule that wrote it")

    def _options(self) -> set[str]:
        return inspect.signature(type(self)).parameters.keys() & self.defaults.keys()

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            for name in self._options():
                group.setdefault(name, self.defaults[name])


def _alike(parameters: Sequence[Tensor], states: Sequence[State]) -> Iterable[list[tuple[Tensor, State]]]:
    """The parameters and states by device, dtype, steps done, and what a state holds."""
    lists: dict[Any, list[tuple[Tensor, State]]] = {}
    for x, state in zip(parameters, states, strict=True):
        t = state["step"].item() if "step" in state else 0
        lists.setdefault((x.device, x.dtype, t, *state), []).append((x, state))
    return lists.values()
