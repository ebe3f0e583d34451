"""The cache folder: digests that need not be computed twice, and decoded arrays.

All of it can be lost or be unwritable at any time: then things are only slower.
"""

import contextlib
import hashlib
import json
import os
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fathom import records
from fathom.data.options import expanded
from fathom.errors import SaveError

if TYPE_CHECKING:
    from torch import Tensor


def folder() -> Path:
    """`FATHOM_CACHE`, else `fathom` in the platform's cache folder."""
    if chosen := os.environ.get("FATHOM_CACHE"):
        return expanded(chosen)
    import platformdirs

    return Path(platformdirs.user_cache_dir("fathom", appauthor=False))


def digest(path: Path) -> str:
    """The sha256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def remembered_digest(path: Path) -> str:
    """`digest(path)`, computed once for each path, size and time of change (`mtime_ns`)."""
    state = path.stat()
    key = json.dumps([str(path.resolve()), state.st_size, state.st_mtime_ns])
    note = folder() / "digests" / f"{digest_text(str(path.resolve()))}.json"
    with contextlib.suppress(OSError, ValueError, AttributeError):
        known = json.loads(note.read_text(encoding="utf-8"))
        if known.get("key") == key and len(known.get("sha256", "")) == 64:
            return str(known["sha256"])
    found = digest(path)
    with contextlib.suppress(OSError, SaveError):
        note.parent.mkdir(parents=True, exist_ok=True)
        records.write_text(note, json.dumps({"key": key, "sha256": found}))
    return found


def digest_text(text: str) -> str:
    """The sha256 of a text, in hexadecimal."""
    return hashlib.sha256(text.encode(errors="backslashreplace")).hexdigest()


def _checksum(tensors: "dict[str, Tensor]") -> str:
    """A checksum over the bytes of all tensors; it finds what a disk or a half-copied folder spoils."""
    total = 0
    for name in sorted(tensors):
        total = zlib.crc32(tensors[name].contiguous().view(-1).numpy().view("u1").data, total)
    return str(total)


def load_arrays(key: str) -> "tuple[dict[str, Tensor], dict[str, Any]] | None":
    """The tensors and facts kept under `key`; None if there are none or they are damaged."""
    from safetensors import SafetensorError, safe_open

    path = folder() / "arrays" / f"{key}.safetensors"
    try:
        with safe_open(path, framework="pt") as file:
            facts = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (not a mapping)
        if facts.get("crc32") == _checksum(tensors):
            return tensors, json.loads(facts["facts"])
    except (OSError, SafetensorError, ValueError, KeyError):
        pass
    return None


def save_arrays(key: str, tensors: "dict[str, Tensor]", facts: dict[str, Any] | None = None) -> None:
    """Keep `tensors` and `facts` (plain JSON) under `key`; nothing happens if the folder can't be written."""
    from safetensors.torch import save_file

    path = folder() / "arrays" / f"{key}.safetensors"
    with contextlib.suppress(OSError, SaveError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with records.replacing(path) as temporary:
            try:
                save_file(tensors, temporary, {"crc32": _checksum(tensors), "facts": json.dumps(facts or {})})
            except Exception as error:  # safetensors wraps a full disk in an error of its own
                raise OSError(str(error)) from error
