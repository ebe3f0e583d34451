"""BLEU: how many runs of tokens a translation has in common with a reference; the book's, and the field's."""

import math
import re
import string
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from fathom.errors import InputError
from fathom.registry import unknown

ORDERS = 4  # runs of one to four tokens
WITHIN_WORDS = "'.,-"  # symbols that need not stand by themselves
ENTITIES = {"&quot;": '"', "&amp;": "&", "&lt;": "<", "&gt;": ">"}
SYMBOL = re.compile(f"([{re.escape(''.join(sorted(set(string.punctuation) - set(WITHIN_WORDS))))}])")
POINT_AFTER_OTHER = re.compile(r"([^0-9])([.,])")
POINT_BEFORE_OTHER = re.compile(r"([.,])([^0-9])")
DASH_AFTER_DIGIT = re.compile(r"([0-9])(-)")


def bleu(predicted: Sequence[str], reference: Sequence[str], k: int = 2) -> float:
    """The book's BLEU of one sentence, 0–1: exp(min(0, 1 - r / c)) · Π p_n^(1 / 2^n), n = 1 … k.

    Args:
        predicted: tokens, c of them.
        reference: tokens, r of them.
        k: the longest runs that count; of a shorter prediction, all that it has.

    Raises:
        InputError: `k` is below 1.

    Source: Dive into Deep Learning, "Sequence to Sequence Learning", equation of BLEU. Of a prediction with fewer than
    `k` tokens its code divides by zero; that of the later English edition counts the runs that there are, as here.
    """
    if k < 1:
        raise InputError(f"k: expected runs of at least 1 token, got {k}")
    if not predicted:
        return 0.0
    score = math.exp(min(0.0, 1 - len(reference) / len(predicted)))
    for n in range(1, min(k, len(predicted)) + 1):
        matches = (_runs(predicted, n) & _runs(reference, n)).total()
        score *= (matches / (len(predicted) - n + 1)) ** (0.5**n)
    return score


class Bleu:
    """Running BLEU of a whole corpus, 0–100 points: BP · exp(mean of ln p_n), n = 1 … 4.

    Counts are summed over all sentences before anything is divided, and may be merged with those of another process.

    Args:
        tokenize: `13a` cuts text as the field does (mteval-v13a); `none` at blanks only.
        smooth: `exp` halves the precision of each order without a match once more, as the field does; `none` gives 0.

    Raises:
        UnknownNameError: there is no such way to cut or to smooth.

    Source: Papineni et al. 2002, section 2.3; Post 2018, arXiv 1804.08771; for the smoothing Chen and Cherry 2014,
    technique 3.

    >>> points = Bleu()
    >>> points.update(["the cat sat on the mat ."], [["the cat sat on a mat ."]])
    >>> round(points.score, 2)
    48.89
    """

    def __init__(self, tokenize: str = "13a", smooth: str = "exp") -> None:
        if tokenize not in TOKENIZERS:
            raise unknown("tokenize", tokenize, TOKENIZERS)
        if smooth not in ("exp", "none"):
            raise unknown("smooth", smooth, ("exp", "none"))
        self.tokenize, self.smooth = tokenize, smooth
        self.matches: list[int] = []
        self.runs: list[int] = []
        self.reset()

    def update(self, predicted: Iterable[str], references: Iterable[Sequence[str]]) -> None:
        """Take in sentences.

        Args:
            predicted: one text a sentence.
            references: of each sentence, at least one right translation.

        Raises:
            InputError: there are not as many sentences of one as of the other, or one has no reference.
        """
        predicted, references = list(predicted), list(references)
        if len(predicted) != len(references):
            raise InputError(f"references: expected {len(predicted)}, one list a sentence, got {len(references)}")
        cut = TOKENIZERS[self.tokenize]
        for text, right in zip(predicted, references, strict=True):
            if isinstance(right, str) or not right:
                raise InputError(f"references: expected a list of at least one text for each sentence, got {right!r}")
            self._count(cut(text), [cut(reference) for reference in right])

    def _count(self, tokens: Sequence[str], references: Sequence[Sequence[str]]) -> None:
        self.predicted += len(tokens)
        self.reference += min((abs(len(right) - len(tokens)), len(right)) for right in references)[1]
        for n in range(1, ORDERS + 1):
            most: Counter[tuple[str, ...]] = Counter()
            for right in references:
                most |= _runs(right, n)
            self.matches[n - 1] += (_runs(tokens, n) & most).total()
            self.runs[n - 1] += max(0, len(tokens) - n + 1)

    @property
    def precisions(self) -> list[float]:
        """The share of runs of each order that a reference has too, 0–1, smoothed."""
        found, halving = [], 1.0
        for matches, runs in zip(self.matches, self.runs, strict=True):
            if matches == 0 and runs and self.smooth == "exp":
                halving *= 2
                found.append(1 / (halving * runs))
            else:
                found.append(matches / runs if runs else 0.0)
        return found

    @property
    def brevity_penalty(self) -> float:
        """1 if the translations are as long as the references together, else exp(1 - r / c)."""
        if self.predicted >= self.reference:
            return 1.0
        return math.exp(1 - self.reference / self.predicted) if self.predicted else 0.0

    @property
    def score(self) -> float:
        """BLEU, 0–100."""
        precisions = self.precisions
        if not any(self.matches) or min(precisions) == 0:
            return 0.0
        return 100 * self.brevity_penalty * math.exp(sum(map(math.log, precisions)) / ORDERS)

    def merge(self, other: "Bleu") -> None:
        """Take in all that another process has counted."""
        self.predicted += other.predicted
        self.reference += other.reference
        self.matches = [a + b for a, b in zip(self.matches, other.matches, strict=True)]
        self.runs = [a + b for a, b in zip(self.runs, other.runs, strict=True)]

    def reset(self) -> None:
        """Begin again from nothing."""
        self.predicted = self.reference = 0
        self.matches, self.runs = [0] * ORDERS, [0] * ORDERS

    def state_dict(self) -> dict[str, Any]:
        """Plain numbers."""
        return {name: getattr(self, name) for name in ("predicted", "reference", "matches", "runs")}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Put back what `state_dict` gave."""
        self.predicted, self.reference = int(state["predicted"]), int(state["reference"])
        self.matches, self.runs = list(state["matches"]), list(state["runs"])

    def __repr__(self) -> str:
        return f"Bleu({self.score:.2f} of {self.predicted:,} tokens)"


def corpus_bleu(predicted: Iterable[str], references: Iterable[Sequence[str]], **options: Any) -> float:
    """`Bleu.score` of a corpus at once; `options` are those of `Bleu`."""
    points = Bleu(**options)
    points.update(predicted, references)
    return points.score


def cut_13a(text: str) -> list[str]:
    """Tokens as BLEU counts them: symbols by themselves, points and commas too unless within a number.

    Source: the rules of the script mteval-v13a of NIST's evaluations, for Western languages.
    """
    text = text.replace("<skipped>", "").replace("-\n", "").replace("\n", " ")
    if "&" in text:
        for entity, symbol in ENTITIES.items():
            text = text.replace(entity, symbol)
    text = SYMBOL.sub(r" \1 ", f" {text} ")
    text = POINT_AFTER_OTHER.sub(r"\1 \2 ", text)
    text = POINT_BEFORE_OTHER.sub(r" \1 \2", text)
    return DASH_AFTER_DIGIT.sub(r"\1 \2 ", text).split()


TOKENIZERS: dict[str, Callable[[str], list[str]]] = {"13a": cut_13a, "none": str.split}


def _runs(tokens: Sequence[str], n: int) -> Counter[tuple[str, ...]]:
    """How often each run of `n` tokens occurs."""
    return Counter(tuple(tokens[place : place + n]) for place in range(len(tokens) - n + 1))
