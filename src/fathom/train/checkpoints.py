"""A training's whole state in one safetensors file, written whole or not at all."""

import math
import os
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from fathom.errors import RunFolderError, SaveError
from fathom.records import RunFolder, dump_json, load_json, replacing
from fathom.train.events import Progress, Stateful

EVERY_SECONDS = 30.0  # a killed run loses at most this much work
SHARE = 0.05  # of the time, which saving short epochs may take; the others go without, save the best and the last


def _split(value: Any, path: str, tensors: dict[str, Tensor], seen: dict[tuple[Any, ...], str]) -> Any:
    """Move the tensors and arrays of a tree into `tensors` and leave their names in their places."""
    if isinstance(value, np.ndarray):
        return {"array": _split(torch.from_numpy(value), path, tensors, seen)["tensor"]}
    if isinstance(value, Tensor):
        place = (value.device, value.data_ptr(), tuple(value.shape), value.stride(), value.dtype)
        if value.numel() and place in seen:  # tied tensors: safetensors takes each memory once
            return {"tensor": seen[place]}
        seen[place] = path
        whole = value.detach().cpu().contiguous()
        storage = ("storage", whole.untyped_storage().data_ptr())
        tensors[path] = whole.clone() if storage in seen else whole  # and views of one memory not at all
        seen[storage] = path
        return {"tensor": path}
    if isinstance(value, Mapping):
        return {"dict": [[key, _split(item, f"{path}.{key}", tensors, seen)] for key, item in value.items()]}
    if isinstance(value, list | tuple) and any(
        isinstance(item, Tensor | np.ndarray | Mapping | list) for item in value
    ):
        parts = [_split(item, f"{path}.{number}", tensors, seen) for number, item in enumerate(value)]
        return {"tuple" if isinstance(value, tuple) else "list": parts}
    return {"value": value}


def _join(node: Any, tensors: Mapping[str, Tensor]) -> Any:
    kind, content = next(iter(node.items()))
    if kind == "tensor":
        return tensors[content]
    if kind == "array":
        return tensors[content].numpy()
    if kind == "dict":
        return {key: _join(item, tensors) for key, item in content}
    if kind in ("list", "tuple"):
        items = [_join(item, tensors) for item in content]
        return tuple(items) if kind == "tuple" else items
    return content


def save_checkpoint(path: Path, tree: Mapping[str, Any], about: Mapping[str, Any] | None = None) -> None:
    """Write a tree of dicts, lists, tensors and plain values as one safetensors file.

    Tensors are named by their path in the tree (`model.net.0.weight`); all else is JSON in the file's metadata.

    Raises:
        SaveError: it could not be written (a full disk, say); the old file is still there.
    """
    tensors: dict[str, Tensor] = {}
    seen: dict[tuple[Any, ...], str] = {}
    skeleton = {"dict": [[key, _split(value, key, tensors, seen)] for key, value in tree.items()]}
    metadata = {"format": "pt", "tree": dump_json(skeleton, indent=None), "about": dump_json(about or {}, indent=None)}
    with replacing(path) as temporary:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            save_file(tensors, temporary, metadata)
        except SafetensorError as error:
            raise SaveError(f"could not write {path}: {error}; make room or give another folder") from error


def load_checkpoint(path: Path) -> dict[str, Any]:
    """The tree that `save_checkpoint` wrote, its tensors on the CPU.

    Raises:
        RunFolderError: the file is missing, damaged or not one of ours.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (not a dict)
        tree = _join(load_json(metadata["tree"]), tensors)
    except FileNotFoundError:
        raise RunFolderError(f"there is no checkpoint {path}; expected one that fathom train wrote") from None
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise RunFolderError(f"{path} is damaged or not a checkpoint of ours ({error}); start the run anew") from error
    return dict(tree)


def restore(state: Mapping[str, Stateful], path: Path) -> None:
    """Bring every object of `state` to where the checkpoint `path` was written.

    Raises:
        RunFolderError: the checkpoint is damaged or does not fit these objects.
    """
    tree = load_checkpoint(path)
    if missing := sorted(set(state) ^ set(tree)):
        raise RunFolderError(f"{path} is of another recipe: {', '.join(missing)} is on one side only; start anew")
    for name, thing in state.items():
        try:
            thing.load_state_dict(tree[name])
        except (RuntimeError, ValueError, KeyError) as error:
            reason = " ".join(str(error).split())
            raise RunFolderError(f"{path} does not fit, at {name}: {reason[:300]}; start the run anew") from error


class Checkpoints:
    """Listener that keeps `last` and `best`: every 30 seconds, at each epoch's end and when the training is stopped.

    Where epochs are so short that saving each would take more than a twentieth of the time, some are not saved.

    Args:
        folder: the run folder.
        state: all that changes; the checkpoint holds exactly this.
        monitor: the name in an epoch's record by which `best` is chosen; with "" there is no `best`.
        maximise: whether more of it is better.
    """

    def __init__(
        self, folder: RunFolder, state: Mapping[str, Stateful], monitor: str = "test_loss", maximise: bool = False
    ) -> None:
        self.folder, self.state, self.monitor, self.maximise = folder, state, monitor, maximise
        self._saved_step = -1
        self._saved_at = time.monotonic()
        self._cost = 0.0  # seconds that the last save took

    def step(self, progress: Progress) -> None:
        """Save when 30 seconds have gone by."""
        if time.monotonic() - self._saved_at >= EVERY_SECONDS and math.isfinite(progress.metrics.get("loss", 0.0)):
            self._save(progress, self.folder.last)

    def epoch(self, progress: Progress) -> None:
        """Save; an epoch better than all before becomes `best` first, so that a kill in between only repeats it."""
        scores = [record[self.monitor] for record in progress.history if self.monitor in record]
        if scores and scores.index(max(scores) if self.maximise else min(scores)) == len(scores) - 1:
            self._save(progress, self.folder.best)
            _copy(self.folder.best, self.folder.last)
        elif progress.epoch >= progress.epochs or progress.enough or self._is_worth_it():
            self._save(progress, self.folder.last)

    def _is_worth_it(self) -> bool:
        return self._cost <= SHARE * (time.monotonic() - self._saved_at)

    def end(self, progress: Progress) -> None:
        """Save if the training was stopped between two saves; after a failure the last good state stays."""
        if progress.status == "stopped" and progress.step != self._saved_step:
            self._save(progress, self.folder.last)

    def _save(self, progress: Progress, path: Path) -> None:
        began = time.monotonic()
        tree = {name: thing.state_dict() for name, thing in self.state.items()}
        save_checkpoint(path, tree, {"step": progress.step, "epoch": progress.epoch})
        self._saved_step, self._saved_at = progress.step, time.monotonic()
        self._cost = self._saved_at - began


def _copy(source: Path, target: Path) -> None:
    """Give the same bytes a second name; a copy where the file system has no links."""
    with replacing(target) as temporary:
        temporary.unlink(missing_ok=True)
        try:
            os.link(source, temporary)
        except OSError:
            shutil.copyfile(source, temporary)


def load_weights(model: torch.nn.Module, path: Path) -> torch.nn.Module:
    """Load the checkpoint's weights into `model`, which is put in evaluation mode and returned.

    They are the average's, if the training kept one and it had begun.
    """
    try:
        model.load_state_dict(model_weights(path))
    except RuntimeError as error:
        raise RunFolderError(f"{path} does not fit the model: {' '.join(str(error).split())[:300]}") from error
    return model.eval()


def model_weights(path: Path) -> dict[str, Tensor]:
    """The weights in a checkpoint, by name: the average's, if the training kept one and it had begun.

    Raises:
        RunFolderError: the file is missing, damaged or not one of ours, or there is no model in it.
    """
    tree = load_checkpoint(path)
    if not isinstance(tree.get("model"), dict):
        raise RunFolderError(f"{path}: expected the checkpoint of a model, got one of {', '.join(tree)}; train anew")
    weights = tree["average"]["model"] if tree.get("average", {}).get("count") else tree["model"]
    return {name: torch.as_tensor(value) for name, value in weights.items()}
