"""Sentences to numbers and back, for one side of a set of pairs: cleaned, cut into tokens, looked up."""

import itertools
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from fathom.data import subwords
from fathom.data.tokens import WORDS
from fathom.data.vocabulary import Vocab
from fathom.errors import InputError

UNK, PAD, BOS, EOS = range(4)
RESERVED = ("<pad>", "<bos>", "<eos>")
NO_WIDTH = r"\u200b\u2060\ufeff"  # blanks that take no room
BLANKS = re.compile(rf"(?:[^\S\n]|[{NO_WIDTH}])+")
CHUNK = 20_000  # lines cleaned or cut at once
SOMETHING = re.compile(rf"[^\s{NO_WIDTH}]")


def book(text: str) -> str:
    """Lower case, a blank before each of `, . ! ?`; the two kinds of non-breaking blanks as plain ones.

    Other blanks of Unicode stay as they are, as part of a word. Lines stay lines.

    Source: Dive into Deep Learning, "Machine Translation and the Dataset".

    >>> book("Cours\\u202f! Non, non...")
    'cours ! non , non . . .'
    """
    lower = text.replace("\u202f", " ").replace("\xa0", " ").lower()
    for mark in ",.!?":
        lower = lower.replace(mark, f" {mark}")
    while "  " in lower:
        lower = lower.replace("  ", " ")
    return "\n".join([line.strip(" ") for line in lower.split("\n")])


def plain(text: str) -> str:
    """The text as it is written: composed letters (NFC), every run of blanks as one, none at the ends of a line.

    >>> plain("Cours\\u202f!  Où\\u2009?")
    'Cours ! Où ?'
    """
    composed = unicodedata.normalize("NFC", text)
    return "\n".join([line.strip(" ") for line in BLANKS.sub(" ", composed).split("\n")])


def tidy(text: str) -> str:
    """The blanks before `, . ! ?` taken away: what `book` put in, for a reader.

    >>> tidy("cours ! non , non .")
    'cours! non, non.'
    """
    return re.sub(" (?=[,.!?])", "", text)


CLEAN = {"book": book, "plain": plain}


class Pieces(Protocol):
    """How a unit cuts clean sentences, and joins what was cut."""

    def cut(self, lines: Sequence[str]) -> tuple[list[str], list[int]]:
        """The tokens of all lines, one after the other, and how many each line has."""

    def join(self, tokens: Sequence[str]) -> str:
        """The sentence of these tokens."""


class Words:
    """What stands between blanks, once clean by `book`; words and punctuation marks, once by `plain`."""

    def __init__(self, clean: str) -> None:
        self.clean = clean

    def cut(self, lines: Sequence[str]) -> tuple[list[str], list[int]]:
        """The words."""
        spaced = lines if self.clean == "book" else [" ".join(WORDS.findall(line)) for line in lines]
        return " ".join(spaced).split(" "), [line.count(" ") + 1 for line in spaced]

    def join(self, tokens: Sequence[str]) -> str:
        """The words with blanks between them."""
        return " ".join(tokens)


class Blanks:
    """What stands between blanks, marks with the words that they touch."""

    def cut(self, lines: Sequence[str]) -> tuple[list[str], list[int]]:
        """The tokens."""
        parts = [line.split() for line in lines]
        return [*itertools.chain.from_iterable(parts)], [len(part) for part in parts]

    def join(self, tokens: Sequence[str]) -> str:
        """The tokens with blanks between."""
        return " ".join(tokens)


class Characters:
    """Every character, blanks too."""

    def cut(self, lines: Sequence[str]) -> tuple[list[str], list[int]]:
        """The characters."""
        return list("".join(lines)), [len(line) for line in lines]

    def join(self, tokens: Sequence[str]) -> str:
        """The characters side by side."""
        return "".join(tokens)


def chunks(rows: Any) -> Iterator[Any]:
    """Some rows after the others, so that not the tokens of all are in memory at once."""
    return (rows[start : start + CHUNK] for start in range(0, len(rows), CHUNK))


class Coder:
    """One side's sentences as numbers; `<unk>` is 0, `<pad>` 1, `<bos>` 2, `<eos>` 3.

    Args:
        vocab: with the four in front.
        pieces: how a sentence is cut.
        clean: `book` or `plain`.
        steps: the most numbers that a sentence may have, the end symbol counted; 0 is no limit.
    """

    def __init__(self, vocab: Vocab, pieces: Pieces, clean: str = "book", steps: int = 0) -> None:
        self.vocab, self.pieces, self.clean, self.steps = vocab, pieces, CLEAN[clean], steps
        self.known = {token: number for token, number in vocab.numbers.items() if number > EOS}

    def __len__(self) -> int:
        return len(self.vocab)

    def __repr__(self) -> str:
        return f"Coder({len(self)} tokens, {type(self.pieces).__name__.lower()})"

    def tokens(self, text: str) -> list[str]:
        """The tokens of a sentence, known or not."""
        cleaned = self.clean(text.replace("\n", " "))
        return self.pieces.cut([cleaned])[0] if cleaned else []

    def encode(self, text: str) -> list[int]:
        """The numbers of a sentence and of the end symbol.

        Raises:
            InputError: there is no word in it, none that is known, or it is longer than allowed.
        """
        tokens = self.tokens(text)
        if not tokens:
            raise InputError(f"expected a sentence, got {text[:40]!r}; write some words")
        numbers = [*self.numbers(tokens), EOS]
        if not any(number and token.strip(" ▁") for token, number in zip(tokens, numbers, strict=False)):
            raise InputError(
                f"{text[:40]!r}: expected a token that the training text has, got none of its {len(self.known):,}; "
                "is it in the language that is translated from?"
            )
        if self.steps and len(numbers) > self.steps:
            raise InputError(
                f"{text[:40]!r}: expected at most {self.steps - 1} tokens, got {len(tokens)}; shorten it, or train "
                f"with steps={len(numbers)}"
            )
        return numbers

    def numbers(self, tokens: Iterable[str]) -> list[int]:
        """The number of each token, 0 for one that is not known; the reserved ones are not, when they are written."""
        return [self.known.get(token, UNK) for token in tokens]

    def flat(self, lines: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """The numbers of clean lines, one after the other and without end symbols, and how many each has."""
        tokens, lengths = self.pieces.cut(lines)
        numbers = map(self.known.get, tokens, itertools.repeat(UNK))
        return np.fromiter(numbers, np.int64, len(tokens)), np.array(lengths, np.int64)

    def strings(self, numbers: Iterable[int]) -> list[str]:
        """The tokens of numbers up to the end symbol, without `<pad>` and `<bos>`."""
        found = []
        for token, number in zip(self.vocab.decode(numbers := list(numbers)), numbers, strict=True):
            if number == EOS:
                break
            if number not in (PAD, BOS):
                found.append(token)
        return found

    def decode(self, numbers: Iterable[int], neat: bool = True) -> str:
        """The sentence of numbers, up to the end symbol.

        Args:
            numbers: of tokens, `<unk>` among them.
            neat: without the blanks that the book's cleaning puts before marks; False leaves the sentence in the form
                of a dataset's texts.
        """
        text = self.pieces.join(self.strings(numbers))
        return tidy(text) if neat and self.clean is book else text


def learn(lines: Sequence[str], options: Mapping[str, Any]) -> dict[str, Any]:
    """What `side` makes a coder of: the vocabulary of clean training lines, in plain values.

    Args:
        lines: as `CLEAN[options["clean"]]` gives them.
        options: `unit`, `clean`, `vocab`, `min_count` and `steps`, those of a set of pairs; or the unit `space`.
    """
    unit = options.get("unit", "word")
    facts = {"unit": unit, "clean": options.get("clean", "book"), "steps": options.get("steps", 0)}
    if unit == "subword":
        return {**facts, "tokenizer": subwords.learn(lines, RESERVED, options.get("vocab", 0))}
    pieces = _pieces(facts)
    counts = Counter(itertools.chain.from_iterable(pieces.cut(some)[0] for some in chunks(lines)))
    vocab = Vocab.of(counts, options.get("min_count", 2), RESERVED, options.get("vocab", 0))
    return {**facts, "vocab": list(vocab.tokens)}


def side(facts: Mapping[str, Any]) -> Coder:
    """The coder of what `learn` found, as it stands in `about["source"]` and `about["target"]`."""
    pieces = _pieces(facts)
    tokens = pieces.vocab if isinstance(pieces, subwords.Subwords) else facts["vocab"]
    return Coder(Vocab(tokens), pieces, facts["clean"], facts["steps"])


def _pieces(facts: Mapping[str, Any]) -> Pieces:
    if facts["unit"] == "subword":
        return subwords.Subwords(facts["tokenizer"])
    if facts["unit"] == "space":
        return Blanks()
    return Words(facts["clean"]) if facts["unit"] == "word" else Characters()
