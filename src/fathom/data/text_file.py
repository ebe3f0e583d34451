"""Text as numbers of tokens: the user's own file, `text:FILE`, and what every corpus has in common with it."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fathom.data import cache, tokens
from fathom.data.dataset import Card, Dataset
from fathom.data.options import TEXT_OPTIONS, text
from fathom.data.store import Found
from fathom.data.vocabulary import Vocab, smallest
from fathom.errors import DataError
from fathom.records import DataUsed

OPTIONS = {**TEXT_OPTIONS, "encoding": text}
HELD_OUT = 0.1  # of a text in one piece, at its end
AT_ONCE = 1 << 22  # tokens that are renumbered together: torch wants eight bytes for each
FORM = 1  # of what is cached; another number forgets it

Pieces = Callable[[], Iterator[str]]
"""Reads a text from its beginning, piece by piece."""


def read(name: str, file: Path, split: str, options: dict[str, Any]) -> Dataset:
    """One split of the text in `file`.

    Args:
        name: what the user wrote.
        file: text, plain or packed by gzip.
        split: `train`, or `test`, which is the text's end.
        options: of `OPTIONS`.

    Raises:
        DataError: the file is missing or empty, or has a byte that is no text in this encoding.
    """
    if not file.is_file():
        raise DataError(f"{file}: expected a file of text, but there is none; check the path")
    card = Card(
        name=name,
        title=f"the text {file}",
        example="a token, and the token after it",
        splits={},
        licence="the user's own",
        task="language modelling",
    )
    found = Found(file, "user", cache.remembered_digest(file))
    return corpus(card, split, [found], {}, options)


def corpus(
    card: Card, split: str, found: Sequence[Found], parts: Mapping[str, str], options: Mapping[str, Any]
) -> Dataset:
    """One split of a text: `x` is `(tokens,)` and `y` the token after each, of the smallest type that holds them.

    The vocabulary is of the training tokens; others are `<unk>`. `about` has the vocabulary, the unit, and which share
    of the split is unknown.

    Args:
        found: the files.
        parts: by split, which file or which member of the only file; empty if one text is to be split.
        options: of `OPTIONS`.

    Raises:
        DataError: the split has not two tokens.
    """
    digests = {entry.path.name: entry.sha256 for entry in found}
    key = cache.digest_text(json.dumps([FORM, digests, dict(parts), {k: v for k, v in options.items() if k != "test"}]))
    kept = cache.load_arrays(key)
    if kept is None:
        kept = _numbers(found, parts, options)
        cache.save_arrays(key, *kept)
    arrays, facts = kept
    if parts:
        chosen, vocab = arrays[split], Vocab(facts["vocab"])
    else:
        chosen, vocab = _split(arrays["train"], Vocab(facts["vocab"]), split, options)
    limit = options.get("tokens", 0)
    if limit and split == "train":
        chosen = chosen[: limit + 1]
    if len(chosen) < 2:
        share = "; give test= between 0 and 1" if split == "test" else "; give a longer text"
        raise DataError(f"{card.name}: expected at least 2 tokens in the {split} split, got {len(chosen)}{share}")
    used = DataUsed(
        name=card.name,
        origin="package" if found[0].origin == "sample" else found[0].origin,  # a whole text, if a short one
        path=str(found[0].path.parent),
        sha256=digests,
        sizes={split: len(chosen) - 1},
    )
    about = {
        "kind": "text",
        "classes": [],
        "unit": options.get("unit", "char"),
        "letters": options.get("letters", "false") == "true",
        "vocab": list(vocab.tokens),
        "unknown": 1 - int(chosen.count_nonzero()) / len(chosen),
    }
    return Dataset(card, split, {"x": chosen[:-1], "y": chosen[1:]}, used, about)


def _numbers(
    found: Sequence[Found], parts: Mapping[str, str], options: Mapping[str, Any]
) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """The texts' numbers by split (all of it as `train` if it is in one piece), and the vocabulary."""
    unit = options.get("unit", "char")
    readers = {split: _reader(found, part, options) for split, part in (parts or {"train": ""}).items()}
    wanted = partial(_vocabulary, options=options) if parts else Vocab.of  # that of one text's beginning comes later
    vocab, numbers = tokens.learn(readers.pop("train"), wanted, unit)
    arrays = {split: tokens.encode(pieces(), vocab, unit) for split, pieces in readers.items()} | {"train": numbers}
    return {split: torch.from_numpy(array) for split, array in arrays.items()}, {"vocab": list(vocab.tokens)}


def _vocabulary(counts: Mapping[str, int], options: Mapping[str, Any]) -> Vocab:
    return Vocab.of(counts, options.get("min_count", 1), most=options.get("vocab", 0))


def _reader(found: Sequence[Found], part: str, options: Mapping[str, Any]) -> Pieces:
    named = {entry.path.name.removesuffix(".gz"): entry.path for entry in found}
    file, member = (named[part], "") if part in named else (found[0].path, part)
    letters, lines = options.get("letters", "false") == "true", bool(part)

    def pieces() -> Iterator[str]:
        for piece in tokens.read_pieces(file, options.get("encoding", "utf-8"), member):
            text = piece.replace("\n", " <eos> ") if lines else piece
            yield tokens.letters_only(text) if letters else text

    return pieces


def _split(whole: torch.Tensor, vocab: Vocab, split: str, options: Mapping[str, Any]) -> tuple[torch.Tensor, Vocab]:
    """The beginning or the end of one text, in the numbers of a vocabulary of its beginning."""
    first = len(whole) - round(len(whole) * options.get("test", HELD_OUT))
    limit = options.get("tokens", 0)
    known = whole[: min(first, limit + 1) if limit else first]
    seen = np.sum([np.bincount(part.numpy(), minlength=len(vocab)) for part in known.split(AT_ONCE)], axis=0)
    counts = Counter({token: int(n) for token, n in zip(vocab.tokens, seen, strict=True) if n})
    mine = _vocabulary(counts, options)
    table = torch.from_numpy(mine.encode(vocab.tokens).astype(smallest(len(mine))))
    chosen = whole[:first] if split == "train" else whole[first:]
    return torch.cat([table[part.long()] for part in chosen.split(AT_ONCE)]), mine
