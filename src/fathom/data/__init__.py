"""Examples: fetched, verified, parsed, encoded and handed out in batches; this room knows no model.

`load(name, split)` gives a `Dataset`, `Batches` hands out its tensors. Names are bound when they are first used, so
that `fathom.data.cards` (what there is, from where, under which licence) can be read without importing torch.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fathom.data.batches import Batches, pixels
    from fathom.data.cards import card, kinds, names
    from fathom.data.csv_table import encode_rows, read_rows
    from fathom.data.dataset import Card, Dataset, RemoteFile
    from fathom.data.decoding import list_images, read_image
    from fathom.data.entries import load_entries
    from fathom.data.loading import get, load, load_files, path, verify
    from fathom.data.picture_files import PictureFiles
    from fathom.data.streaming import Streamed

_HOMES = {
    "Batches": "batches",
    "Card": "dataset",
    "Dataset": "dataset",
    "PictureFiles": "picture_files",
    "RemoteFile": "dataset",
    "Streamed": "streaming",
    "card": "cards",
    "encode_rows": "csv_table",
    "get": "loading",
    "kinds": "cards",
    "list_images": "decoding",
    "load": "loading",
    "load_entries": "entries",
    "load_files": "loading",
    "names": "cards",
    "path": "loading",
    "pixels": "batches",
    "read_image": "decoding",
    "read_rows": "csv_table",
    "verify": "loading",
}

__all__ = [
    "Batches",
    "Card",
    "Dataset",
    "PictureFiles",
    "RemoteFile",
    "Streamed",
    "card",
    "encode_rows",
    "get",
    "kinds",
    "list_images",
    "load",
    "load_entries",
    "load_files",
    "names",
    "path",
    "pixels",
    "read_image",
    "read_rows",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'fathom.data' has no attribute {name!r}")
    return getattr(importlib.import_module(f"fathom.data.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
