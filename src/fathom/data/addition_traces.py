"""How two numbers are added, call by call: what a programmer-interpreter sees and what it ought to do next.

Four rows of digits lie above each other (the two numbers, the carries, the sum), each with a pointer that begins at the
last column. Programs call each other and in the end `ACT`, which writes or moves a pointer:

    ADD     ADD1, LSHIFT, and again, until the column is blank
    ADD1    writes the sum's last digit under the column; CARRY if there is one
    CARRY   to the left in the row of carries, writes 1, back to the right
    LSHIFT  all four pointers to the left

An example is one call: what was seen at each of its steps, and what it did next or that it ended.

Source: Reed and de Freitas 2016, arXiv 1511.06279, section 3.1.1 and figure 3. There the end is told together with the
last thing that a call does; here it is a step of its own, so that it may depend on what that has changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from fathom.data.dataset import Card, Dataset
from fathom.data.options import integer
from fathom.errors import InputError
from fathom.records import DataUsed

if TYPE_CHECKING:
    import torch

PROGRAMS = ("ADD", "ADD1", "CARRY", "LSHIFT", "ACT")
ADD, ADD1, CARRY, LSHIFT, ACT = range(5)
ROWS = ("first", "second", "carry", "sum")
ACTIONS = ("none", "write carry", "write sum", *(f"move {row}" for row in ROWS))
VALUES = (*(str(digit) for digit in range(10)), "left", "right")
BLANK = 10  # what stands in a column where no digit is
SEEN = len(ROWS) + 1  # the four digits under the pointers, and the program that was called
WRITE = {2: 1, 3: 2}  # row to the action that writes there
MOVE = 3  # the action that moves the first row's pointer
LEFT, RIGHT = 10, 11

TRACES = Card(
    name="addition-traces",
    title="Additions of short numbers, call by call",
    example="what a call saw at each step, and what it did next",
    splits={"train": 9_868, "test": 992},
    licence="generated; Apache-2.0 as this package",
    task="traces",
)
CARDS = (TRACES,)
ADDITIONS = {"train": 1_000, "test": 100}  # each is many calls
OPTIONS = {
    "digits": integer(1),  # of each number, at most
    "examples": integer(1),  # additions
    "seed": integer(0),
}


class Step(NamedTuple):
    """What is done next: `program` by number, and what `ACT` does to which value; -1 where there is none."""

    program: int
    action: int = -1
    value: int = -1


@dataclass
class Pad:
    """The four rows of digits and their pointers; changed in place.

    Args:
        rows: four lists of digits, the last column first, `BLANK` where nothing stands.
        pointers: a column for each row, 0 is the last.
    """

    rows: list[list[int]]
    pointers: list[int] = field(default_factory=lambda: [0] * len(ROWS))

    @classmethod
    def of(cls, first: int, second: int) -> Pad:
        """Two numbers of at least 0, no carries and no sum."""
        return cls([[int(digit) for digit in reversed(str(number))] for number in (first, second)] + [[], []])

    def seen(self) -> tuple[int, ...]:
        """The digits under the four pointers."""
        return tuple(self._at(row, column) for row, column in enumerate(self.pointers))

    def _at(self, row: int, column: int) -> int:
        return self.rows[row][column] if 0 <= column < len(self.rows[row]) else BLANK

    def act(self, action: int, value: int) -> None:
        """Write a digit under a pointer, or move one.

        Raises:
            InputError: no such action, or it does not take this value.
        """
        if action >= MOVE and value in (LEFT, RIGHT):
            self.pointers[action - MOVE] += 1 if value == LEFT else -1
            return
        row = next((row for row, writes in WRITE.items() if writes == action), None)
        if row is None or not 0 <= value < BLANK or self.pointers[row] < 0:
            raise InputError(f"expected an action that can be done, got {describe(Step(ACT, action, value))}")
        column = self.pointers[row]
        self.rows[row] += [BLANK] * (column + 1 - len(self.rows[row]))
        self.rows[row][column] = value

    def total(self) -> str:
        """The digits of the sum, `_` where a blank was left between them."""
        return "".join("_" if digit == BLANK else str(digit) for digit in reversed(self.rows[3])) or "_"


def describe(step: Step) -> str:
    """A step for a person, as `ACT(write sum, 3)`."""
    if step.program != ACT:
        return PROGRAMS[step.program]
    action = ACTIONS[step.action] if 0 <= step.action < len(ACTIONS) else "none"
    value = VALUES[step.value] if 0 <= step.value < len(VALUES) else "none"
    return f"ACT({action}, {value})"


def rule(program: int, pad: Pad) -> Iterator[Step]:
    """What the call of a program does, one step after the other; each is asked for when the last has been done."""
    if program == ADD:
        while any(digit != BLANK for digit in pad.seen()[:3]):
            yield Step(ADD1)
            yield Step(LSHIFT)
    elif program == ADD1:
        total = sum(digit for digit in pad.seen()[:3] if digit != BLANK)
        yield Step(ACT, WRITE[3], total % 10)
        if total >= 10:
            yield Step(CARRY)
    elif program == CARRY:
        yield Step(ACT, MOVE + 2, LEFT)
        yield Step(ACT, WRITE[2], 1)
        yield Step(ACT, MOVE + 2, RIGHT)
    elif program == LSHIFT:
        for row in range(len(ROWS)):
            yield Step(ACT, MOVE + row, LEFT)


Call = list[tuple[tuple[int, ...], Step | None]]
"""What was seen at each step of a call, the program's number last, and what was done; None where it ended."""


def calls(pad: Pad, program: int = ADD) -> list[Call]:
    """The call of a program and all calls that it makes, in the order of their beginnings; `pad` is changed."""
    own: Call = []
    found = [own]
    steps = rule(program, pad)
    while True:
        seen = (*pad.seen(), program)
        step = next(steps, None)
        own.append((seen, step))
        if step is None:
            return found
        if step.program == ACT:
            pad.act(step.action, step.value)
        else:
            found += calls(pad, step.program)


def read(card: Card, split: str, options: dict[str, Any]) -> Dataset:
    """One split: `x` `(calls, steps, 5)` and `y` `(calls, steps, 4)` of int64, additions of up to 5 digits.

    `x` has what was seen at each step, `y` whether the call ended (1) or not, the program called, the action and its
    value; all four are -1 past the end, and each of the last three where there is none.
    """
    import torch

    from fathom import seeding

    digits, count = options.get("digits", 5), options.get("examples", ADDITIONS[split])
    random = seeding.generator(options.get("seed", 0), list(card.splits).index(split), digits)
    found = [call for pair in pairs(random, count, digits) for call in calls(Pad.of(*pair))]
    steps = max(len(call) for call in found)
    x, y = torch.zeros(len(found), steps, SEEN, dtype=torch.int64), torch.full((len(found), steps, 4), -1)
    for row, call in enumerate(found):
        x[row, : len(call)] = torch.tensor([seen for seen, _ in call])
        y[row, : len(call)] = torch.tensor([[1, -1, -1, -1] if step is None else [0, *step] for _, step in call])
    used = DataUsed(name=card.name, origin="generated", sizes={split: len(found)})
    about = {"kind": "traces", "classes": [], "digits": digits, "additions": count}
    return Dataset(card, split, {"x": x, "y": y}, used, about)


def pairs(random: torch.Generator, count: int, digits: int, fewest: int = 1) -> list[tuple[int, int]]:
    """Pairs of numbers, each of `fewest` to `digits` digits, the first of which is not 0 unless it is alone."""
    import torch

    lengths = torch.randint(fewest, digits + 1, (count, 2), generator=random).tolist()
    return [tuple(_number(random, length) for length in both) for both in lengths]  # type: ignore[misc]


def _number(random: torch.Generator, length: int) -> int:
    import torch

    digits = torch.randint(10, (length,), generator=random).tolist()
    if length > 1 and digits[0] == 0:
        digits[0] = 1
    return int("".join(map(str, digits)))
