"""Pieces of words that are often seen together, by byte-pair encoding through the package `tokenizers`.

Source: Sennrich, Haddow and Birch 2016, arXiv 1508.07909; blanks are written as `▁` in front of a word, as in Kudo and
Richardson 2018, arXiv 1808.06226, so that joining gives the sentence back.
"""

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

from fathom.data.vocabulary import UNKNOWN
from fathom.errors import InputError, MissingExtraError

SIZE = 8000  # pieces where none are asked for


class Subwords:
    """Sentences cut into the pieces of a tokenizer that `learn` gave.

    Args:
        facts: the tokenizer as JSON.

    Raises:
        MissingExtraError: the package is not there.
    """

    def __init__(self, facts: str) -> None:
        self.tokenizer = _package().Tokenizer.from_str(facts)
        numbers = self.tokenizer.get_vocab()
        self.vocab = sorted(numbers, key=numbers.__getitem__)

    def cut(self, lines: Sequence[str]) -> tuple[list[str], list[int]]:
        """The pieces of all lines and how many each has; a letter that training did not have is `<unk>`."""
        rows = [row.tokens for row in self.tokenizer.encode_batch(list(lines), add_special_tokens=False)]
        return list(itertools.chain.from_iterable(rows)), [len(row) for row in rows]

    def join(self, tokens: Sequence[str]) -> str:
        """The sentence of these pieces."""
        return "".join(tokens).replace("▁", " ").strip()


def learn(lines: Iterable[str], reserved: Sequence[str] = (), size: int = 0) -> str:
    """A tokenizer of pieces of words, as JSON.

    Args:
        lines: sentences to learn from.
        reserved: tokens that come right after `<unk>`.
        size: tokens, the letters and the reserved ones among them; 0 is `SIZE`.

    Raises:
        InputError: that is fewer than there are letters.
        MissingExtraError: the package `tokenizers` is not there.
    """
    package = _package()
    tokenizer = package.Tokenizer(package.models.BPE(unk_token=UNKNOWN))
    tokenizer.pre_tokenizer = package.pre_tokenizers.Metaspace()
    trainer = package.trainers.BpeTrainer(
        vocab_size=size or SIZE, special_tokens=[UNKNOWN, *reserved], show_progress=False
    )
    tokenizer.train_from_iterator(lines, trainer)
    if size and tokenizer.get_vocab_size() > size:
        raise InputError(
            f"vocab: expected at least {tokenizer.get_vocab_size()}, a token for each letter, got {size}; give more"
        )
    return str(tokenizer.to_str())


def _package() -> Any:
    try:
        import tokenizers
    except ImportError:
        raise MissingExtraError("tokenizers", "text", "cutting words into pieces") from None
    return tokenizers
