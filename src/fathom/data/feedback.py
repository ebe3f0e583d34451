"""Sequences whose next output asks for what was put out before, for what was put in before, or for both.

An example is a row of symbols and what to answer at each step, a number from 0 to 4. There are three kinds of row:

- sum: the answer is the sum of all inputs so far, modulo 5: the last answer says all that must be known of the past.
- echo: the answer is the input of three steps ago, at first 0: no answer says what must be remembered.
- walk: the first input says by how much the answer grows at each step, modulo 5, and the first answer is drawn: neither
  the answers nor the inputs alone are enough.

Source: the first two are what Goodfellow, Bengio and Courville 2016, section 10.2.1, say of recurrence from the output;
the third is a model "with both teacher forcing and BPTT" there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fathom.data.dataset import Card, Dataset
from fathom.data.options import integer
from fathom.records import DataUsed

if TYPE_CHECKING:
    import torch

MODULUS = 5
DELAY = 3
KINDS = ("sum", "echo", "walk")
ALPHABET = (*"01234", *"abcde", *"pqrs", "_")  # summed; echoed; by how much a walk grows, and its other inputs
LETTERS, STRIDES, BLANK = 5, 10, 14
STEPS = 20

CARD = Card(
    name="feedback",
    title="Sums, echoes and walks: who remembers what",
    example="a row of symbols and of the answers before each step, and the answers",
    splits={"train": 3000, "test": 900},
    licence="generated; Apache-2.0 as this package",
    task="sequence labelling",
    classes=tuple(str(number) for number in range(MODULUS)),
)
CARDS = (CARD,)
OPTIONS = {"steps": integer(DELAY + 2), "examples": integer(3), "seed": integer(0)}


def read(card: Card, split: str, options: dict[str, Any]) -> Dataset:
    """One split: `x` `(examples, steps, 2)`, symbols and the answers one step before (5 before the first), and `y`.

    `y` is `(examples, steps)`; 20 steps unless `steps` is given. Rows are of the three kinds in turn.
    """
    import torch

    from fathom import seeding

    steps, count = options.get("steps", STEPS), options.get("examples", card.splits[split])
    random = seeding.generator(options.get("seed", 0), list(card.splits).index(split), steps)
    rows = [rule(random, count, steps) for rule in (sums, echoes, walks)]
    kind = torch.arange(count) % len(KINDS)
    symbols, y = (torch.stack(parts)[kind, torch.arange(count)] for parts in zip(*rows, strict=True))
    before = torch.nn.functional.pad(y, (1, 0), value=MODULUS)[:, :-1]
    used = DataUsed(name=card.name, origin="generated", sizes={split: count})
    about = {"kind": "symbols", "classes": list(card.classes), "alphabet": list(ALPHABET), "length": steps}
    return Dataset(card, split, {"x": torch.stack([symbols, before], dim=2), "y": y}, used, about)


def sums(random: torch.Generator, count: int, steps: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Numbers, and their sums so far."""
    import torch

    symbols = torch.randint(MODULUS, (count, steps), generator=random)
    return symbols, symbols.cumsum(dim=1) % MODULUS


def echoes(random: torch.Generator, count: int, steps: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Letters, and their numbers three steps later."""
    import torch

    numbers = torch.randint(MODULUS, (count, steps), generator=random)
    return numbers + LETTERS, torch.nn.functional.pad(numbers, (DELAY, 0))[:, :-DELAY]


def walks(random: torch.Generator, count: int, steps: int) -> tuple[torch.Tensor, torch.Tensor]:
    """A stride and blanks, and the places that are passed from a first one that nothing says."""
    import torch

    stride = torch.randint(1, MODULUS, (count, 1), generator=random)
    first = torch.randint(MODULUS, (count, 1), generator=random)
    symbols = torch.full((count, steps), BLANK)
    symbols[:, :1] = STRIDES + stride - 1
    return symbols, (first + stride * torch.arange(steps)) % MODULUS


def kinds(symbols: torch.Tensor) -> torch.Tensor:
    """Which kind each row of symbols `(examples, steps)` is, `(examples,)`: its first symbol tells."""
    return (symbols[:, 0] >= LETTERS).long() + (symbols[:, 0] >= STRIDES).long()
