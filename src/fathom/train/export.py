"""A trained model handed over as one file, which is loaded again and must answer the same before it is kept."""

import contextlib
import importlib.util
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from fathom.errors import FathomError, InputError, MissingExtraError
from fathom.records import dump_json, replacing
from fathom.registry import unknown

TOLERANCE = 1e-4  # absolute, and relative to the largest number of an answer
TRACED = 2  # examples in the batch that is traced; a batch of one would be taken for a constant
BATCHES = (1, 3, 7)  # examples in the batches on which both are compared
EXAMPLES = sum(BATCHES)
MOST_BYTES = 2**31 - 2**20  # of weights in one ONNX file: protobuf's limit, less a little for the graph

Answer = Callable[..., Any]
"""What was loaded again: input tensors to an output tensor or several."""


@dataclass(frozen=True, kw_only=True)
class Exportable:
    """A trained model, with what one must know to use it without fathom.

    Args:
        model: on the CPU, in evaluation mode.
        inputs: at least `EXAMPLES` examples of each argument, in the order of its forward, by the names to give them.
        outputs: names for what comes out.
        fresh: gives a model of the same shape, whose weights don't matter.
        about: plain values that every file carries as metadata.
        batch_axes: which axis of an input counts the examples, where that is not the first.
        steps: of inputs whose axis 1 may have any length from 2, its name and its most.
        inner: the submodule whose weights are handed over where nothing else is; "" for the whole.
        real: whether the examples are from the run's test data.
    """

    model: nn.Module
    inputs: Mapping[str, Tensor]
    outputs: tuple[str, ...]
    fresh: Callable[[], nn.Module]
    about: Mapping[str, Any]
    batch_axes: Mapping[str, int] = field(default_factory=dict)
    steps: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    inner: str = ""
    real: bool = False

    def axis(self, name: str) -> int:
        """The axis of an input that counts the examples."""
        return self.batch_axes.get(name, 0)

    def batch(self, start: int, count: int) -> tuple[Tensor, ...]:
        """So many of the examples, as the model takes them; of those of any length, the fewer the shorter."""
        rows = {name: tensor.narrow(self.axis(name), start, count) for name, tensor in self.inputs.items()}
        for name in self.steps:
            rows[name] = rows[name][:, : self.steps_of(rows[name].shape[1], count)].contiguous()
        return tuple(rows.values())

    @staticmethod
    def steps_of(steps: int, count: int) -> int:
        """How long so many examples are in a batch, where the longest has so many steps and any length will do."""
        return max(2, steps * count // max(BATCHES))

    @property
    def shapes(self) -> dict[str, list[str | int]]:
        """Of each input, its sizes; `batch`, or the name in `steps`, where any will do."""
        named = {name: {1: steps, self.axis(name): "batch"} for name, (steps, _) in self.steps.items()}
        return {
            name: [
                named.get(name, {self.axis(name): "batch"}).get(axis, size) for axis, size in enumerate(tensor.shape)
            ]
            for name, tensor in self.inputs.items()
        }

    @property
    def metadata(self) -> dict[str, str]:
        """`about` as texts: what is none is written as JSON."""
        return {
            name: value if isinstance(value, str) else dump_json(value, indent=None)
            for name, value in self.about.items()
        }


@dataclass(frozen=True, kw_only=True)
class Exported:
    """What was written, and what came of the check on `EXAMPLES` examples.

    Args:
        size: of the file, in bytes.
        largest_difference: of any number in the outputs from the model's own.
        largest_output: the largest number in the model's own outputs.
        checked_by: what loaded and ran the file.
    """

    size: int
    largest_difference: float
    largest_output: float
    checked_by: str


def export(what: Exportable, file: Path, form: str) -> Exported:
    """Write the model in one of `FORMATS`, load the file and compare it; it gets its name only if it answers the same.

    Args:
        form: `onnx`, `torch` (a program of torch.export) or `safetensors` (the weights alone).

    Raises:
        UnknownNameError: no such format.
        MissingExtraError: a package that the format needs is not installed.
        InputError: the model does not fit into the format.
        FathomError: the model can't be traced, or the file answers otherwise.
        SaveError: it could not be written.
    """
    if form not in FORMATS:
        raise unknown("format", form, FORMATS)
    with replacing(file) as temporary, torch.inference_mode(False), torch.no_grad():
        with _no_remarks(), _plain_errors(form):
            answer, checked_by = FORMATS[form](what, temporary)
            difference, largest = compare(what, answer)
        size = temporary.stat().st_size
    return Exported(size=size, largest_difference=difference, largest_output=largest, checked_by=checked_by)


def compare(what: Exportable, answer: Answer) -> tuple[float, float]:
    """How far the outputs of `answer` are from the model's, over batches of several sizes.

    Returns:
        The largest difference of two numbers, and the model's own largest number.

    Raises:
        FathomError: an output is out of tolerance, or has another shape.
    """
    differences, sizes = [], []
    for start, count in zip((0, *accumulate(BATCHES)), BATCHES, strict=False):
        batch = what.batch(start, count)
        for name, ours, theirs in zip(what.outputs, _each(what.model(*batch)), _each(answer(*batch)), strict=True):
            if ours.shape != theirs.shape:
                raise FathomError(
                    f"the exported model gives {name} {tuple(theirs.shape)}, expected {tuple(ours.shape)}; "
                    "nothing was written"
                )
            off = (ours - theirs).abs()
            differences.append(off.max().item())
            sizes.append(ours.abs().max().item())
            if not (off <= TOLERANCE * (1 + ours.abs().amax(-1, keepdim=True))).all():
                raise FathomError(
                    f"the exported model answers otherwise: {name} is off by {differences[-1]:.2g}, expected at most "
                    f"{TOLERANCE:g}, or that of the largest number in it; nothing was written, try another --format"
                )
    return max(differences), max(sizes)


def _each(outputs: Any) -> tuple[Tensor, ...]:
    return (outputs,) if isinstance(outputs, Tensor) else tuple(outputs)


# --- the formats ----------------------------------------------------------------------------------------------------


def _traced(what: Exportable) -> ExportedProgram:
    return torch.export.export(what.model, what.batch(0, TRACED), dynamic_shapes=_any_size(what))


def _any_size(what: Exportable) -> tuple[dict[int, Any], ...]:
    batch = Dim("batch")
    steps = {name: {1: Dim(axis, min=2, max=most)} for name, (axis, most) in what.steps.items()}
    return tuple({what.axis(name): batch, **steps.get(name, {})} for name in what.inputs)


def _onnx(what: Exportable, file: Path) -> tuple[Answer, str]:
    _need("onnx", "onnxscript", "onnxruntime")
    weights = sum(tensor.numel() * tensor.element_size() for tensor in what.model.state_dict().values())
    if weights > MOST_BYTES:
        raise InputError(
            f"--format onnx: expected at most 2 GiB of weights, got {weights / 2**30:.1f}; give --format torch"
        )
    import onnxruntime

    program = torch.onnx.export(
        _traced(what),
        input_names=list(what.inputs),
        output_names=list(what.outputs),
        dynamic_shapes=_any_size(what),  # of a program only for the axes' names
        dynamo=True,
        verbose=False,
    )
    assert program is not None
    program.model.metadata_props.update(what.metadata)
    program.save(file, external_data=False)
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])

    def answer(*batch: Tensor) -> list[Tensor]:
        given = {name: tensor.numpy() for name, tensor in zip(what.inputs, batch, strict=True)}
        return [torch.from_numpy(output) for output in session.run(None, given)]

    return answer, f"onnxruntime {onnxruntime.__version__}"


def _torch(what: Exportable, file: Path) -> tuple[Answer, str]:
    with file.open("wb") as opened:  # given its temporary name, torch would complain that it is not .pt2
        torch.export.save(_traced(what), opened, extra_files={"fathom.json": dump_json(dict(what.about))})
    with file.open("rb") as opened:
        return torch.export.load(opened).module(), f"torch {torch.__version__}"


def _safetensors(what: Exportable, file: Path) -> tuple[Answer, str]:
    weights = what.model.get_submodule(what.inner).state_dict()
    apart = {name: tensor.clone(memory_format=torch.contiguous_format) for name, tensor in weights.items()}
    file.write_bytes(save(apart, {"format": "pt", **what.metadata}))  # which refuses two names for one memory
    model = what.fresh()
    model.get_submodule(what.inner).load_state_dict(load_file(file))
    return model.eval(), f"torch {torch.__version__}"


FORMATS: Mapping[str, Callable[[Exportable, Path], tuple[Answer, str]]] = {
    "onnx": _onnx,
    "safetensors": _safetensors,
    "torch": _torch,
}


def _need(*packages: str) -> None:
    for package in packages:
        if importlib.util.find_spec(package) is None:
            raise MissingExtraError(package, "export", "--format onnx")


@contextlib.contextmanager
def _no_remarks() -> Iterator[None]:
    """The exporters warn of their own deprecated calls, and log which operations of torchvision they do without."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


@contextlib.contextmanager
def _plain_errors(form: str) -> Iterator[None]:
    """What an exporter or a runtime raises, in one line."""
    try:
        yield
    except (FathomError, MemoryError, OSError):
        raise
    except Exception as error:  # each has a family of its own, which end in Exception or RuntimeError
        advice = "try --format safetensors" if form != "safetensors" else "train anew"
        reason = " ".join(str(error).split())[:200]
        raise FathomError(f"--format {form}: the model could not be exported ({reason}); {advice}") from error
