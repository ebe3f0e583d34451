"""From a name to a dataset: registered ones, `NAME,key=value`, and the user's own, `KIND:PATH,key=value`."""

import difflib
import importlib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fathom.data import cards, options, store
from fathom.data.dataset import Card, Dataset
from fathom.data.options import expanded
from fathom.errors import DataError, InputError
from fathom.registry import pairs, unknown

if TYPE_CHECKING:
    from fathom.data.picture_files import PictureFiles

SPLITS = ("train", "test")
_READERS = {  # imported when needed
    "images": "fathom.data.image_folder",
    "contest": "fathom.data.contest_folder",
    "csv": "fathom.data.csv_table",
    "text": "fathom.data.text_file",
    "series": "fathom.data.series_file",
    "trees": "fathom.data.trees",
    "pairs": "fathom.data.pairs",
}


@dataclass(frozen=True)
class Spec:
    """What a dataset's name says: the `kind` (empty for a registered set), its name or path, the user's options."""

    kind: str
    target: str
    options: dict[str, str] = field(default_factory=dict)


def load(name: str, split: str = "train", **defaults: Any) -> Dataset:
    """One split of the dataset `name`.

    Args:
        name: a registered name (`fashion-mnist`) or `KIND:PATH`, either with `,key=value` behind it.
        split: `train` or `test`.
        defaults: options that a recipe asks for (`image_size=28, channels=1`). The user's `key=value` override them,
            and those that this kind of data does not have are left out.

    Raises:
        UnknownNameError: no such dataset, kind, option or split; the nearest is suggested.
        InputError: an option has a value that it may not have.
        DataError: a file is missing or damaged.
        DownloadError: every mirror that answered gave wrong bytes.

    When the files of a registered set are nowhere and can't be downloaded, its sample stands in; one line on stderr
    says so, and `used` and `card` are the sample's.
    """
    if split not in SPLITS:
        raise unknown("split", split, SPLITS)
    spec = parse(name)
    if spec.kind:
        reader = importlib.import_module(_READERS[spec.kind])
        chosen = options.resolve(spec.kind, reader.OPTIONS, spec.options, defaults)
        dataset: Dataset = reader.read(name, expanded(spec.target), split, chosen)
        return dataset
    return _registered(spec, split, defaults)


def _registered(spec: Spec, split: str, defaults: dict[str, Any]) -> Dataset:
    card, module = cards.card(spec.target), cards.module(spec.target)
    chosen = options.resolve(card.name, module.OPTIONS, spec.options, defaults)
    try:
        dataset: Dataset = module.read(card, split, chosen)
        return dataset
    except store.UnavailableError:
        if not card.sample:
            raise
        say_sample(card, cards.card(card.sample))
    return _registered(replace(spec, target=card.sample), split, defaults)


def load_files(name: str, split: str = "train") -> "PictureFiles":
    """One split of a set whose pictures are files: `imagenet`, or `images:DIR` with its options.

    Raises:
        InputError: the set is not made of picture files.
        DataError: the folder is not laid out as it should be.
    """
    from fathom.data import image_folder, picture_files

    spec = parse(name)
    if spec.kind == "images":
        chosen = options.resolve(spec.kind, image_folder.OPTIONS, spec.options, {})
        folder = expanded(spec.target)
        pictures, classes = image_folder.labelled(name, folder, chosen)
        numbers = {label: number for number, label in enumerate(classes)}
        ours = [(str(one.path.relative_to(folder)), numbers[one.label]) for one in pictures if one.split == split]
        return picture_files.files(name, "user", folder, classes, ours, split, chosen.get("skip_bad", False))
    module = None if spec.kind else cards.module(spec.target)
    if module is None or not hasattr(module, "read_files"):
        raise InputError(f"{name}: expected pictures in files, since they are cut anew each time; give images:DIR")
    chosen = options.resolve(spec.target, module.OPTIONS, spec.options, {})
    card = cards.card(spec.target)
    try:
        found: PictureFiles = module.read_files(card, split, chosen)
    except store.UnavailableError:
        say_sample(card, cards.card(card.sample))
        return load_files(name.replace(card.name, card.sample, 1), split)
    return found


def say_sample(card: Card, sample: Card) -> None:
    """Say in one line that the sample stands in, and how to get the set."""
    counts = " + ".join(f"{sample.splits[split]:,}" for split in SPLITS)
    reason = "FATHOM_OFFLINE is set" if store.offline() else "it could not be downloaded"
    remedy = f"fathom data get {card.name} fetches the whole set"
    if card.by_hand:
        reason, remedy = "it can't be downloaded", card.by_hand
    elif not any(file.urls for file in card.files):
        reason, remedy = "there is no mirror of it", "FATHOM_DATA names the folder where it may be"
    store.say(
        f"{card.name}: not on this machine, and {reason}; using {sample.name} instead ({counts} examples); {remedy}"
    )


def parse(name: str) -> Spec:
    """The parts of a dataset's name.

    A path may hold commas and equals signs: of all ways to read it, the longest path that exists is taken.

    Raises:
        UnknownNameError: no such kind or registered name.
        InputError: an option is not of the form `key=value`, or the path is left out.
    """
    kind, colon, rest = name.partition(":")
    if not colon:
        target, _, listed = name.partition(",")
        if target not in cards.CARDS:
            raise _unknown_name(target)
        return Spec("", target, pairs(name, listed.split(",") if listed else []))
    if kind not in _READERS:
        raise unknown("kind of data", kind, _READERS, f"there are: {', '.join(cards.KINDS.values())}")
    pieces = rest.split(",")
    lengths = [count for count in range(len(pieces), 0, -1) if expanded(",".join(pieces[:count])).exists()]
    plain = next((count for count, piece in enumerate(pieces) if count and "=" in piece), len(pieces))
    count = lengths[0] if lengths and rest else plain
    path = ",".join(pieces[:count])
    if not path:
        raise InputError(f"{name}: expected a path after {kind}:, got nothing; write {cards.KINDS[kind]}")
    return Spec(kind, path, pairs(name, pieces[count:]))


def absolute(name: str) -> str:
    """`name` with the paths in it made absolute, so that it means the same in every folder; others as they are.

    Raises:
        UnknownNameError, InputError: as `parse`.
    """
    if name == "none":  # a recipe without examples
        return name
    spec = parse(name)
    if not spec.kind:
        return name
    target = expanded(spec.target).resolve()
    options = dict(spec.options)
    if labels := options.get("labels"):
        places = (expanded(labels), Path(target, labels))  # where the reader looks for it, in this order
        found = next((str(place.resolve()) for place in places if place.is_file()), labels)
        options["labels"] = labels if "," in found else found
    if spec.kind == "pairs" and "target" in options:
        options["target"] = str(expanded(options["target"]).resolve())
    return ",".join([f"{spec.kind}:{target}", *(f"{key}={value}" for key, value in options.items())])


def _unknown_name(target: str) -> InputError:
    path = expanded(target)
    if target and path.is_dir():
        return InputError(f"unknown dataset {target!r}, but there is a folder of that name; write images:{target}")
    if target and path.is_file():
        return InputError(
            f"unknown dataset {target!r}, but there is a file of that name; write csv:{target},target=COLUMN"
        )
    near = difflib.get_close_matches(target, cards.names(), n=1)
    hint = (
        "" if near else f"there are: {', '.join(cards.names())}, and {', '.join(kind + ':PATH' for kind in _READERS)}"
    )
    return unknown("dataset", target, cards.names(), hint)


# --- what `fathom data` asks ----------------------------------------------------------------------------------------


def get(name: str) -> list[store.Found]:
    """Every file of a registered set, downloaded if it is not here; empty for a generated set.

    Raises:
        DownloadError: a file can't be had.
        DataError: a folder of the user holds a damaged one.
    """
    card = cards.card(name)
    return _by_hand(card) if card.by_hand else store.get(card)


def verify(name: str) -> list[store.Found]:
    """Every file of a registered set that is on this machine, its digest computed anew; empty for a generated set.

    Raises:
        DataError: a file is missing.
        ChecksumError: a file is damaged.
    """
    card = cards.card(name)
    return _by_hand(card) if card.by_hand else _here(card, fresh=True)


def path(name: str) -> Path:
    """The folder that holds a registered set's files, which are verified; a digest is remembered until a file changes.

    Raises:
        DataError: a file is missing, or the set is generated and has none.
        ChecksumError: a file is damaged.
    """
    card = cards.card(name)
    if card.by_hand:
        return _by_hand(card)[0].path
    if not card.files:
        raise DataError(f"{name}: expected a set made of files, but it is generated when it is loaded")
    return _here(card, fresh=False)[0].path.parent


def _by_hand(card: Card) -> list[store.Found]:
    """The folder of a set that the user has put there; DataError if it is not there or not whole."""
    found: list[store.Found] = cards.module(card.name).here(card)
    return found


def _here(card: Card, fresh: bool) -> list[store.Found]:
    """Every file of the set, verified; DataError if one is not on this machine."""
    found = [store.find(card, file, fresh) for file in card.files]
    missing = [file.name for file, entry in zip(card.files, found, strict=True) if entry is None]
    if missing:
        raise DataError(
            f"{card.name}: expected {len(card.files)} files, {len(missing)} are not on this machine "
            f"(first: {missing[0]}); run fathom data get {card.name}, or set FATHOM_DATA"
        )
    return [entry for entry in found if entry is not None]
