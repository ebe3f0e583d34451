"""Pairs of sentences, one the translation of the other: the user's own, `pairs:FILE`, and what all sets have in common.

A file has a pair a line, its two columns apart by a tab; or two files have one side each, line by line.
"""

import dataclasses
import hashlib
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fathom.data import cache, store, tokens
from fathom.data.dataset import Card, Dataset
from fathom.data.options import PAIR_OPTIONS, expanded, text
from fathom.data.pair_text import BOS, CLEAN, EOS, PAD, RESERVED, SOMETHING, UNK, Coder, book, chunks, learn, side, tidy
from fathom.data.vocabulary import smallest
from fathom.errors import DataError, InputError
from fathom.records import DataUsed

__all__ = [
    "BOS",
    "EOS",
    "PAD",
    "RESERVED",
    "UNK",
    "Coder",
    "PairDataset",
    "dataset",
    "read",
    "read_table",
    "side",
    "tidy",
]

OPTIONS = {**PAIR_OPTIONS, "target": text, "sep": text, "encoding": text}
SEPARATORS = {"tab": "\t", "comma": ","}
HELD_OUT = 0.1
FORM = 1  # of what is cached; another number forgets it

Texts = tuple[list[str], list[str]]
"""The lines of both sides; equally many."""


@dataclass(frozen=True, repr=False)
class PairDataset(Dataset):
    """One split of a set of pairs.

    Its tensors: `x` `(pairs, source steps)` and `y` `(pairs, target steps)`, of the smallest type that holds them, each
    row's tokens, then `EOS`, then `PAD`; `x_length` and `y_length` `(pairs,)` of int64, up to `EOS`.

    Args:
        source_texts: the clean sentence of each row, tokens that are not known included.
        target_texts: likewise.
    """

    source_texts: list[str] = field(default_factory=list)
    target_texts: list[str] = field(default_factory=list)


# --- files ----------------------------------------------------------------------------------------------------------


def read(name: str, file: Path, split: str, options: dict[str, Any]) -> PairDataset:
    """One split of the pairs in `file`, or in it and the file `target`.

    Args:
        name: what the user wrote.
        file: text, plain or packed by gzip.
        split: `train` or `test`.
        options: of `OPTIONS`.

    Raises:
        DataError: a file is missing or no text, a line of it has no two columns or an empty one, or the two files have
            not equally many lines.
    """
    files = [file, *([expanded(options["target"])] if "target" in options else [])]
    for path in files:
        if not path.is_file():
            raise DataError(f"{path}: expected a file of sentences, but there is none; check the path")
    card = Card(
        name=name,
        title=f"the pairs of {file}",
        example="a sentence and its translation",
        splits={},
        licence="the user's own",
        task="translation",
    )
    digests = {path.name if len(files) == 1 else str(path): cache.remembered_digest(path) for path in files}
    used = DataUsed(name=name, origin="user", path=str(file), sha256=digests)
    encoding = options.get("encoding", "utf-8-sig")
    if len(files) == 2:
        return dataset(card, split, lambda: read_aligned(files[0], files[1], encoding), used, options)
    sep = options.get("sep", "tab")
    return dataset(
        card, split, lambda: read_table(file, encoding=encoding, sep=SEPARATORS.get(sep, sep)), used, options
    )


def read_table(file: Path, member: str = "", encoding: str = "utf-8", sep: str = "\t") -> Texts:
    """The first two columns of a file; empty lines are left out.

    Args:
        file: plain, packed by gzip, or an archive.
        member: which file of the archive.
        encoding: as Python names it.
        sep: what stands between the columns. Behind a tab there may be more of them.

    Raises:
        DataError: a line has no two columns, or one of them is empty.
    """
    sources, targets = [], []
    for number, line in enumerate(_lines(file, encoding, member), 1):
        columns = line.split(sep)
        if columns == [""]:
            continue
        if len(columns) < 2 or (len(columns) > 2 and sep != "\t"):
            between = "a tab" if sep == "\t" else repr(sep)
            raise DataError(
                f"{file}, line {number}: expected two columns with {between} between them, got {len(columns)}; write "
                f"SENTENCE, {between}, TRANSLATION, or give sep="
            )
        _require(file, number, columns[0], "source")
        _require(file, number, columns[1], "translation")
        sources.append(columns[0])
        targets.append(columns[1])
    return sources, targets


def read_aligned(file: Path, target: Path, encoding: str = "utf-8", *, skip_empty: bool = False) -> Texts:
    """The lines of two files that belong together; those that are empty in both are left out.

    Args:
        skip_empty: leave out, and count in a remark, also the pairs of which one line is empty.

    Raises:
        DataError: they have not equally many lines, or one of two that belong together is empty.
    """
    sources, targets = _lines(file, encoding), _lines(target, encoding)
    if len(sources) != len(targets):
        raise DataError(
            f"{target}: expected {len(sources):,} lines, as many as {file} has, got {len(targets):,}; align them"
        )
    pairs = enumerate(zip(sources, targets, strict=True))
    empty = {row for row, (one, other) in pairs if not (SOMETHING.search(one) and SOMETHING.search(other))}
    if not skip_empty:
        for row in sorted(row for row in empty if sources[row] or targets[row]):
            _require(file, row + 1, sources[row], "source")
            _require(target, row + 1, targets[row], "translation")
    elif empty:
        store.say(
            f"{file}, {target.name}: {len(empty):,} of {len(sources):,} pairs have an empty side and are left out "
            f"(first: line {min(empty) + 1:,})"
        )
    return _without(sources, empty), _without(targets, empty)


def _without(lines: list[str], rows: set[int]) -> list[str]:
    return [line for row, line in enumerate(lines) if row not in rows] if rows else lines


def _lines(file: Path, encoding: str, member: str = "") -> list[str]:
    """The lines of a file, of which no more than a piece is ever held as one text."""
    lines, rest = [], ""
    for piece in tokens.read_pieces(file, encoding, member):
        *whole, rest = (rest + piece).split("\n")
        lines += whole
    return [*lines, rest] if rest else lines


def _require(file: Path, number: int, sentence: str, what: str) -> None:
    if not SOMETHING.search(sentence):
        raise DataError(f"{file}, line {number}: expected a {what}, got nothing; fill it in or delete the line")


# --- sentences to tensors -------------------------------------------------------------------------------------------


def dataset(
    card: Card,
    split: str,
    texts: Callable[[], Texts],
    used: DataUsed,
    options: Mapping[str, Any],
    *,
    held: int = 0,
    key: str = "",
) -> PairDataset:
    """One split of a set of pairs; `about["source"]` and `about["target"]` are what `side` makes a coder of.

    Held out is a share of the source sentences, chosen by a hash of each, so that no sentence is in both splits and
    the choice does not depend on the others. Vocabularies are of the training pairs.

    Args:
        texts: gives all lines of both sides.
        options: of `PAIR_OPTIONS`.
        held: the last so many lines are those held out; 0 holds a share of the source sentences out.
        key: what else of the lines' choice is to be told apart in the cache.

    Raises:
        DataError: the split has no pair.
        InputError: `steps` leaves no room for a token.
        MissingExtraError: pieces of words are asked for, and the package `tokenizers` is not there.
    """
    if options.get("steps") == 1:
        raise InputError(f"{card.name}: steps: expected 0 (no limit) or at least 2, a token and the end symbol, got 1")
    chosen = {key: options[key] for key in sorted(options)}
    told = [FORM, "pairs", card.name if not used.sha256 else "", used.sha256, chosen, *([held, key] if held else [])]
    key = cache.digest_text(json.dumps(told))
    kept = cache.load_arrays(key)
    if kept is None:
        kept = _encoded(card, texts(), options, held)
        cache.save_arrays(key, *kept)
    arrays, facts = kept
    tensors = {name: arrays[f"{split}.{name}"] for name in ("x", "y", "x_length", "y_length")}
    if len(tensors["x"]) == 0:
        raise DataError(
            f"{card.name}: expected pairs in the {split} split, got none of {facts['pairs']:,}; give more, or test= a "
            "share above 0"
        )
    about = {
        "kind": "pairs",
        "classes": [],
        "source": facts["source"],
        "target": facts["target"],
        "steps": options.get("steps", 0),
        "unknown": [_unknown(tensors["x"]), _unknown(tensors["y"])],
    }
    sources, targets = (_unpacked(arrays[f"{split}.{name}"]) for name in ("sources", "targets"))
    used = dataclasses.replace(used, sizes={split: len(sources)})
    return PairDataset(card, split, tensors, used, about, sources, targets)


def _encoded(
    card: Card, texts: Texts, options: Mapping[str, Any], held: int = 0
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors of both splits, their names behind the split's, and the facts of both sides."""
    first = options.get("pairs") or None
    if options.get("swap") == "true":
        texts = texts[1], texts[0]
    if not texts[0]:
        raise DataError(f"{card.name}: expected pairs of sentences, got none; write SENTENCE, a tab, TRANSLATION")
    splits = _split(texts[0][:first], options, held)
    clean = CLEAN[options.get("clean", "book")]
    texts = _cleaned(clean, texts[0][:first]), _cleaned(clean, texts[1][:first])
    parts = {split: [[lines[row] for row in rows] for lines in texts] for split, rows in splits.items()}
    if not len(splits["train"]):
        raise DataError(f"{card.name}: expected pairs in the train split, got none of {len(texts[0])}; give more")
    train = parts["train"]
    if options.get("shared") == "true":
        sides = [learn(train[0] + train[1], options)] * 2
    else:
        sides = [learn(lines, options) for lines in train]
    arrays = {}
    for name, length, word, place in (("x", "x_length", "sources", 0), ("y", "y_length", "targets", 1)):
        coder = side(sides[place])
        for split, lines in parts.items():
            arrays[f"{split}.{name}"], arrays[f"{split}.{length}"] = padded(coder, lines[place])
            arrays[f"{split}.{word}"] = _packed(lines[place])
    return arrays, {"source": sides[0], "target": sides[1], "pairs": len(texts[0])}


def _cleaned(clean: Callable[[str], str], lines: Sequence[str]) -> list[str]:
    """Each line clean; a few are cleaned as one text, which is faster than line by line."""
    return [line for some in chunks(lines) for line in clean("\n".join(some)).split("\n")]


def _split(sources: Sequence[str], options: Mapping[str, Any], last: int = 0) -> dict[str, np.ndarray]:
    """The rows of each split, in their order."""
    most = options.get("examples")
    places = shares(sources) if most or not last else np.zeros(len(sources))
    held = np.arange(len(sources)) >= len(sources) - last if last else places < options.get("test", HELD_OUT)
    train = np.flatnonzero(~held)
    if most:
        train = np.sort(train[places[train].argsort(kind="stable")[:most]])
    return {"train": train, "test": np.flatnonzero(held)}


def shares(sentences: Sequence[str]) -> np.ndarray:
    """A number in 0–1 for each sentence, `(sentences,)`, by a hash of it: the same for the same words."""
    lines = _cleaned(book, sentences)
    digests = b"".join(hashlib.blake2b(line.encode(), digest_size=8).digest() for line in lines)
    return np.frombuffer(digests, np.dtype("<u8")) / 2.0**64


def padded(coder: Coder, lines: Sequence[str]) -> tuple[Tensor, Tensor]:
    """The numbers of clean lines, `(lines, steps)`: tokens, `EOS`, then `PAD`; and how many count, `(lines,)`.

    A line of more than `coder.steps` numbers is cut to these and then has no end, so that no net learns to stop there.
    """
    kind, most = smallest(len(coder)), coder.steps or sys.maxsize
    parts = [_ended(coder, some, most, kind) for some in chunks(lines)]
    lengths = np.concatenate([np.zeros(0, np.int64), *(counts for _, counts in parts)])
    rows = np.full((len(lengths), lengths.max(initial=1)), PAD, kind)
    for some, (numbers, counts) in zip(chunks(rows), parts, strict=True):
        some[np.arange(rows.shape[1]) < counts[:, None]] = numbers
    return torch.from_numpy(rows), torch.from_numpy(lengths)


def _ended(coder: Coder, lines: Sequence[str], most: int, kind: Any) -> tuple[np.ndarray, np.ndarray]:
    """The numbers of all lines one after the other, each line's end behind them, at most so many; how many of each."""
    numbers, counts = coder.flat(lines)
    numbers, counts = np.insert(numbers, counts.cumsum(), EOS), counts + 1
    places = np.arange(len(numbers)) - np.repeat(counts.cumsum() - counts, counts)
    return numbers[places < most].astype(kind), np.minimum(counts, most)


def _unknown(numbers: Tensor) -> float:
    """The share of `UNK` among all tokens, the end symbols among them."""
    return int((numbers == UNK).sum()) / max(1, int((numbers != PAD).sum()))


def _packed(lines: Sequence[str]) -> Tensor:
    content = bytearray("\n".join(lines), "utf-8")
    content += b"\n"
    return torch.frombuffer(content, dtype=torch.uint8)


def _unpacked(content: Tensor) -> list[str]:
    return str(content.numpy().data, "utf-8").split("\n")[:-1]
