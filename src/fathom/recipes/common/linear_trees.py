"""Trees written as sequences, and read again: what a translator from sentences to trees needs."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from fathom.data.trees import Node

Bracket = tuple[int, int, int]
"""The first leaf of a bracket, that behind its last one, and its label."""

STOPS = (".", "!", "?")


def linear(nodes: Sequence[Node]) -> str:
    """A tree as tokens with blanks between: `(3` opens a node of label 3, `)` closes it, a label alone is a leaf.

    The words are left out, for they stand in the sentence.

    >>> from fathom.data.trees import parse
    >>> linear(parse("(3 (2 It) (4 (2 is) (4 fine)))"))
    '(3 2 (4 2 4 ) )'

    Source: Vinyals et al. 2015, "Grammar as a foreign language", arXiv 1412.7449, section 2.2, with closing brackets
    that have no name.
    """
    texts: list[str] = []
    for row, node in enumerate(nodes):
        inside = (
            f"({node.label} {texts[row - node.left]} {texts[row - node.right]} )" if node.height else f"{node.label}"
        )
        texts.append(inside)
    return texts[-1]


def brackets(tokens: Iterable[str]) -> Counter[Bracket]:
    """All brackets over two leaves or more; those that nobody opened are left out, those left open close at the end.

    Args:
        tokens: as `linear` writes them; others are left out.
    """
    found: Counter[Bracket] = Counter()
    opened: list[tuple[int, int]] = []
    leaves = 0

    def close() -> None:
        first, label = opened.pop()
        if leaves - first > 1:
            found[first, leaves, label] += 1

    for token in tokens:
        if token == ")" and opened:
            close()
        elif re.fullmatch(r"\([0-4]", token):
            opened.append((leaves, int(token[1])))
        elif re.fullmatch(r"[0-4]", token):
            leaves += 1
    while opened:
        close()
    return found


def bracket_f1(guessed: Iterable[Counter[Bracket]], right: Iterable[Counter[Bracket]]) -> float:
    """The harmonic mean of precision and recall of brackets, counted over all trees; 0 if none agrees.

    Source: Black et al. 1991, "A procedure for quantitatively comparing the syntactic coverage of English grammars".
    """
    agree = said = true = 0
    for guess, truth in zip(guessed, right, strict=True):
        agree += (guess & truth).total()
        said, true = said + guess.total(), true + truth.total()
    return 2 * agree / (said + true) if agree else 0.0


def nameless(found: Counter[Bracket]) -> Counter[Bracket]:
    """The same brackets, their labels left out of account."""
    plain: Counter[Bracket] = Counter()
    for (first, last, _), count in found.items():
        plain[first, last, 0] += count
    return plain


def right_branching(words: Sequence[str]) -> Counter[Bracket]:
    """The brackets of the tree in which each word joins all that follow it, without labels.

    A full stop, or what ends the sentence in its place, joins the whole sentence before it, as treebanks have it.
    """
    whole = len(words)
    clause = whole - 1 if words[-1] in STOPS and whole > 2 else whole
    found = Counter((first, clause, 0) for first in range(clause - 1))
    return found if clause == whole else found + Counter([(0, whole, 0)])


def with_words(tokens: Sequence[str], words: Sequence[str]) -> str:
    """A tree in brackets again, its words put in; what is no binary tree over just these words stays as it is.

    >>> with_words("(3 2 (4 2 4 ) )".split(), ["it", "is", "fine"])
    '(3 (2 it) (4 (2 is) (4 fine)))'
    """
    as_said, rest = " ".join(tokens), iter(words)
    opened: list[list[str]] = [[]]
    for token in tokens:
        if token.startswith("("):
            opened.append([token])
        elif token.isdigit() and (word := next(rest, "")):
            opened[-1].append(f"({token} {word})")
        elif token == ")" and len(opened) > 1 and len(opened[-1]) == 3:
            closed = " ".join(opened.pop())
            opened[-1].append(f"{closed})")
        else:
            return as_said
    whole = len(opened) == 1 and len(opened[0]) == 1 and next(rest, None) is None
    return opened[0][0] if whole else as_said
