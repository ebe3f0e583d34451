"""Labelled binary trees, one a line in brackets: the user's own, `trees:FILE`, and what every treebank has in common.

    (3 (2 It) (4 (2 is) (4 fine)))

Each bracket holds a label from 0 to 4 and either a word or two brackets. Words are lower-cased; `-LRB-`, `-RRB-` and a
backslash before `/` or `*` are escapes, as in the Penn Treebank.
"""

from __future__ import annotations

import gzip
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from fathom.data.dataset import Card, Dataset
from fathom.data.options import choice, number
from fathom.errors import DataError
from fathom.records import DataUsed

if TYPE_CHECKING:
    from torch import Tensor

    from fathom.data.store import Found

CLASSES = ("very negative", "negative", "neutral", "positive", "very positive")
PARTS = ("test", "dev")
TREEBANK_OPTIONS = {
    "part": choice(*PARTS),  # which trees the split `test` is: those to measure on, or those to choose by
    "vectors": choice("true", "false"),  # let the vocabulary have the words of the word vectors at hand, too
}
OPTIONS = {
    **TREEBANK_OPTIONS,
    "test": number(0, below=0.5),  # share of the lines for each of the two parts, at the end
}
HELD_OUT = 0.1
FORM = 1  # of what is cached; another number forgets it
TOKEN = re.compile(r"[()]|[^() \t\r\n]+")  # other blanks, as in 8 1/2, are part of a word
ESCAPES = {"-lrb-": "(", "-rrb-": ")", "-lsb-": "[", "-rsb-": "]", "-lcb-": "{", "-rcb-": "}"}


class Node(NamedTuple):
    """A node of a tree: its word ("" inside), how far above it its children stand, its height, its label."""

    word: str
    left: int
    right: int
    height: int
    label: int


def plain(word: str) -> str:
    r"""A word without escapes, in lower case.

    >>> plain("Co-writer\\/director"), plain("-LRB-")
    ('co-writer/director', '(')
    """
    lower = word.lower()
    return ESCAPES.get(lower, lower.replace("\\/", "/").replace("\\*", "*"))


def escaped(word: str) -> str:
    """A word as it may stand in brackets: those of its own as escapes."""
    return {"(": "-LRB-", ")": "-RRB-"}.get(word, word)


def parse(line: str) -> list[Node]:
    """The nodes of the tree in `line`, children before parents.

    Raises:
        ValueError: it is no tree; says what was expected and what came.
    """
    nodes: list[Node] = []
    opened: list[tuple[int, list[str | int]]] = []  # label, and words or rows of trees, of each open bracket
    tokens = iter(TOKEN.findall(line))
    for token in tokens:
        if nodes and not opened:
            raise ValueError(f"expected one tree a line, got {token!r} after it")
        if token == "(":
            label = next(tokens, "the end")
            if label not in ("0", "1", "2", "3", "4"):
                raise ValueError(f"expected a label from 0 to 4 behind (, got {label!r}")
            opened.append((int(label), []))
        elif not opened:
            raise ValueError(f"expected a tree to begin with (, got {token!r}")
        elif token == ")":
            nodes.append(_closed(*opened.pop(), nodes))
            if opened:
                opened[-1][1].append(len(nodes) - 1)
        else:
            opened[-1][1].append(token)
    if opened or not nodes:
        raise ValueError(f"expected {len(opened)} more ) at the end, got the end of the line")
    return nodes


def _closed(label: int, parts: list[str | int], nodes: Sequence[Node]) -> Node:
    """The node of a bracket that has just been closed."""
    if len(parts) == 1 and isinstance(parts[0], str):
        return Node(plain(parts[0]), 0, 0, 0, label)
    if len(parts) == 2 and all(isinstance(part, int) for part in parts):
        left, right = (int(part) for part in parts)
        height = 1 + max(nodes[left].height, nodes[right].height)
        return Node("", len(nodes) - left, len(nodes) - right, height, label)
    words = sum(isinstance(part, str) for part in parts)
    raise ValueError(
        f"expected a word or two trees in each bracket, got {words} words and {len(parts) - words} trees under a label "
        f"{label}"
    )


def parse_lines(lines: Iterable[str], where: str) -> list[list[Node]]:
    """The trees of all lines but the empty ones.

    Raises:
        DataError: a line is no tree; names `where` and the line's number.
    """
    trees = []
    for count, line in enumerate(lines, 1):
        if line.strip():
            try:
                trees.append(parse(line))
            except ValueError as error:
                raise DataError(f"{where}, line {count}: {error}; write as (3 (2 It) (4 (2 is) (4 fine)))") from None
    return trees


def over(words: Sequence[str], kind: str) -> list[Node]:
    """A tree of one of `fathom.ops.trees.KINDS` over the words of a sentence, labelled neutral throughout."""
    from fathom.ops.trees import shape

    leaves = map(plain, words)
    rows = shape(len(words), kind).tolist()
    return [Node("" if height else next(leaves), left, right, height, 2) for left, right, height in rows]


def written(nodes: Sequence[Node]) -> str:
    """A tree in brackets, on one line; what `parse` reads.

    >>> written(parse("(3 (2 It) (4 (2 is) (4 fine)))"))
    '(3 (2 it) (4 (2 is) (4 fine)))'
    """
    texts: list[str] = []
    for row, node in enumerate(nodes):
        inside = f"{texts[row - node.left]} {texts[row - node.right]}" if node.height else escaped(node.word)
        texts.append(f"({node.label} {inside})")
    return texts[-1]


# --- files to tensors -----------------------------------------------------------------------------------------------


def read(name: str, file: Path, split: str, options: dict[str, Any]) -> Dataset:
    """One split of the trees in `file`; the end of the file is held out, and before it as much to choose by.

    Args:
        name: what the user wrote.
        file: text in UTF-8, a tree a line, plain or packed by gzip.
        split: `train` or `test`.
        options: of `OPTIONS`.

    Raises:
        DataError: the file is missing, is no text, or a line of it is no tree; or a split is empty.
    """
    from fathom.data import cache
    from fathom.data.store import Found

    trees = parse_lines(_lines(file), str(file))
    held = round(len(trees) * options.get("test", HELD_OUT))
    first = len(trees) - 2 * held
    parts = {"train": trees[:first], "dev": trees[first : first + held], "test": trees[first + held :]}
    card = Card(
        name=name,
        title=f"the trees of {file}",
        example="a binary tree with a label at each node",
        splits={},
        licence="the user's own",
        classes=CLASSES,
    )
    found = Found(file, "user", cache.remembered_digest(file))
    used = DataUsed(name=name, origin="user", path=str(file), sha256={file.name: found.sha256})
    return dataset(card, split, tabled(parts), used, options)


def _lines(file: Path) -> list[str]:
    try:
        raw = file.read_bytes()
        return (gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw).decode("utf-8").split("\n")
    except (OSError, EOFError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DataError(f"{file}: expected a file of trees in UTF-8, could not read it ({reason}); check it") from error


def from_files(files: Mapping[str, Found]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """`tabled` of the files `train`, `dev` and `test`, from the cache when it has them.

    Raises:
        DataError: a line is no tree.
    """
    from fathom.data import cache

    key = cache.digest_text(json.dumps([FORM, "trees", {part: found.sha256 for part, found in files.items()}]))
    kept = cache.load_arrays(key)
    if kept is None:
        kept = tabled({part: parse_lines(_lines(found.path), str(found.path)) for part, found in files.items()})
        cache.save_arrays(key, *kept)
    return kept


def tabled(parts: Mapping[str, Sequence[Sequence[Node]]]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """All nodes by part, `(nodes, 5)` of int32: the four columns of a forest and the label; and all `words`.

    The words stand in the order of their numbers here, those of the training trees first, the most frequent in front;
    there are `known` of these. Number 0 is nobody's.
    """
    import torch

    counts = {part: Counter(node.word for tree in trees for node in tree if node.word) for part, trees in parts.items()}
    words = dict.fromkeys(word for part in ("train", "dev", "test") for word, _ in counts[part].most_common())
    numbers = {"": 0} | {word: number for number, word in enumerate(words, 1)}
    rows = {part: [(numbers[node.word], *node[1:]) for tree in trees for node in tree] for part, trees in parts.items()}
    tables = {part: torch.tensor(found, dtype=torch.int32).reshape(-1, 5) for part, found in rows.items()}
    return tables, {"words": list(words), "known": len(counts["train"])}


def dataset(
    card: Card, split: str, kept: tuple[dict[str, Tensor], dict[str, Any]], used: DataUsed, options: Mapping[str, Any]
) -> Dataset:
    """One split of a treebank.

    Its tensors: `x` `(trees, 2)`, each tree's first row and number of nodes; `y` `(trees,)`, the label of its root;
    `nodes` `(nodes, 4)`, a forest as `fathom.ops.trees` has it; `labels` `(nodes,)`. All are int64.

    Args:
        kept: of `tabled`.

    Raises:
        DataError: there is no tree in the split.
    """
    import dataclasses

    import torch

    from fathom.data import word_vectors
    from fathom.data.vocabulary import Vocab
    from fathom.ops.trees import roots

    tables, facts = kept
    table = tables[options.get("part", "test") if split == "test" else split].long()
    if len(table) == 0:
        raise DataError(
            f"{card.name}: expected trees in the {split} split, got none; give more lines, or test= a share"
        )
    learnt = facts["words"][: facts["known"]]
    vectors = word_vectors.words() if options.get("vectors") == "true" else ()
    vocab = Vocab(list(dict.fromkeys([*learnt, *vectors])))
    renumbered = torch.from_numpy(vocab.encode(["", *facts["words"]]))
    nodes = torch.cat([renumbered[table[:, :1]], table[:, 1:4]], dim=1)
    last = roots(nodes)
    first = torch.cat([torch.zeros(1, dtype=torch.int64), last[:-1] + 1])
    leaf = nodes[:, 3] == 0
    about = {
        "kind": "trees",
        "classes": list(card.classes),
        "vocab": list(vocab.tokens),
        "vectors": bool(vectors),
        "unknown": float((nodes[leaf, 0] == 0).float().mean()),
    }
    tensors = {
        "x": torch.stack([first, last + 1 - first], dim=1),
        "y": table[last, 4],
        "nodes": nodes,
        "labels": table[:, 4].contiguous(),
    }
    return Dataset(card, split, tensors, dataclasses.replace(used, sizes={split: len(last)}), about)
