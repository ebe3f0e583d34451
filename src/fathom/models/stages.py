"""A network taken apart for fine-tuning: the head, which tells the classes, and the stages below it.

    parts = stages(model)                       # lowest first, the head left out
    start_from(model, weights)                  # all but the head
    freeze(model, "layer2")                     # the lowest stages up to that one
    parameter_groups(model, lr, falling=2.6)    # rates for an optimiser

Stages are the network's own children, each batch norm with the layer before it; where a network has fewer than four,
its sequences are opened. A model may know better: it may say `HEAD`, the name of what gives the logits (else that is
the last layer with a matrix or kernels), and `stages()`, the names of the modules of each stage.

Sources: Dive into Deep Learning, "Fine-Tuning"; Howard and Ruder 2018, arXiv 1801.06146, section 3.2, for rates that
fall from stage to stage.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MethodType
from typing import Any

from torch import Tensor, nn

from fathom.errors import InputError
from fathom.models.published import differences, renamed
from fathom.registry import unknown

FEWEST = 4  # stages; a network that shows fewer is opened further
HEAD_FACTOR = 10.0  # times the learning rate, for the head, which knows nothing yet: d2l-zh 13.2


@dataclass(frozen=True)
class Stage:
    """Modules that are frozen together and learn at one rate.

    Args:
        name: that of the first.
        modules: by their names in the model.
    """

    name: str
    modules: Mapping[str, nn.Module]

    def parameters(self) -> Iterator[nn.Parameter]:
        """Those of all its modules."""
        for module in self.modules.values():
            yield from module.parameters()


def head(model: nn.Module) -> str:
    """The name of the module that tells the classes.

    Raises:
        InputError: nothing in the model has a matrix or kernels.
    """
    told: str | None = getattr(model, "HEAD", None)
    found = [name for name, module in model.named_modules() if name and _weighs(module, recurse=False)]
    if told is None and not found:
        raise InputError(f"{type(model).__name__}: expected layers with weights, got none; give another network")
    return told or found[-1]


def stages(model: nn.Module) -> list[Stage]:
    """The stages below the head, lowest first; every parameter outside the head is in exactly one.

    Raises:
        InputError: the model has no layers with weights.
    """
    if (told := getattr(model, "stages", None)) is not None:
        return [Stage(names[0], {name: model.get_submodule(name) for name in names}) for names in told()]
    top = head(model)
    units = _opened("", model, top)
    while len(_joined(units)) < FEWEST and any(isinstance(unit, nn.Sequential) for _, unit in units):
        units = [
            part
            for name, unit in units
            for part in (_opened(name, unit, top) if isinstance(unit, nn.Sequential) else [(name, unit)])
        ]
    return _joined(units)


def _opened(name: str, module: nn.Module, top: str) -> list[tuple[str, nn.Module]]:
    """The children with parameters, by name, the head left out; one that holds the head is opened itself."""
    found: list[tuple[str, nn.Module]] = []
    for child, part in module.named_children():
        whole = f"{name}.{child}" if name else child
        if f"{top}.".startswith(f"{whole}.") and whole != top:
            found += _opened(whole, part, top)
        elif whole != top and any(True for _ in part.parameters()):
            found.append((whole, part))
    return found


def _joined(units: list[tuple[str, nn.Module]]) -> list[Stage]:
    """Each unit a stage, those without a matrix or kernels (batch norms) with the one before."""
    groups: list[dict[str, nn.Module]] = []
    for name, unit in units:
        if groups and not _weighs(unit):
            groups[-1][name] = unit
        else:
            groups.append({name: unit})
    return [Stage(next(iter(group)), group) for group in groups]


def _weighs(module: nn.Module, recurse: bool = True) -> bool:
    return any(parameter.dim() >= 2 for parameter in module.parameters(recurse))


def start_from(model: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Fill the model, all but its head, which keeps what it has.

    Args:
        weights: by our names or those of a published file; of its head no notice is taken.

    Raises:
        InputError: something below the head is missing, of another shape, or not in the model; names the first.
    """
    top = head(model)
    if not stages(model):
        raise InputError(
            f"expected a network with layers below its head, got none in {type(model).__name__}; train it anew"
        )
    mine = {name: tensor for name, tensor in model.state_dict().items() if not name.startswith(f"{top}.")}
    theirs = {name: tensor for name, tensor in renamed(model, weights).items() if not name.startswith(f"{top}.")}
    if found := differences(mine, theirs):
        rest = f" ({len(found)} tensors do not fit)" if len(found) > 1 else ""
        raise InputError(
            f"expected the weights of this network ({type(model).__name__}), but {found[0]}{rest}; "
            "give those of the same network, for pictures of as many channels"
        )
    model.load_state_dict(theirs, strict=False)


def freeze(model: nn.Module, last: str) -> list[Stage]:
    """Let the lowest stages learn no more: neither their weights nor their batch norms' statistics change.

    Args:
        last: the topmost of them, by the name of one of its modules, or how many they are, from 1.

    Returns:
        The frozen stages.

    Raises:
        UnknownNameError: no stage has such a name.
        InputError: there are not so many.
    """
    parts = stages(model)
    frozen = parts[: _count(parts, last)]
    for stage in frozen:
        for module in stage.modules.values():
            module.requires_grad_(False)
            module.train = MethodType(_stays, module)  # type: ignore[method-assign]  # and deepcopy binds it anew
            module.train()
    return frozen


def _count(parts: list[Stage], last: str) -> int:
    if last.isdigit():
        if not 1 <= int(last) <= len(parts):
            raise InputError(
                f"--freeze: expected a number from 1 to {len(parts)}, the stages of this network "
                f"({', '.join(stage.name for stage in parts)}), got {last}"
            )
        return int(last)
    for number, stage in enumerate(parts, start=1):
        if last in stage.modules:
            return number
    raise unknown("stage to freeze", last, [stage.name for stage in parts])


def _stays(module: nn.Module, mode: bool = True) -> nn.Module:
    return nn.Module.train(module, False)


def parameter_groups(model: nn.Module, lr: float, falling: float = 1.0) -> list[dict[str, Any]]:
    """Parameter groups for an optimiser: the head at `HEAD_FACTOR · lr`, the topmost stage at `lr`, each below slower.

    Args:
        falling: the factor from a stage's rate to that of the next lower one's, from 1.

    Returns:
        Lowest stage first, the head last; what is frozen is left out.
    """
    parts = stages(model)
    owners: list[Stage | nn.Module] = [*parts, model.get_submodule(head(model))]
    rates = [lr / falling ** (len(parts) - 1 - place) for place in range(len(parts))]
    groups = [
        {"params": [parameter for parameter in owner.parameters() if parameter.requires_grad], "lr": rate}
        for owner, rate in zip(owners, [*rates, HEAD_FACTOR * lr], strict=True)
    ]
    return [group for group in groups if group["params"]]
