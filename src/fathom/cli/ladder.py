"""`fathom ladder`: every layer of ours beside the framework's, in value, gradient and time."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fathom.cli.parser import Parser
from fathom.cli.printing import bold, faint, print_json, table
from fathom.errors import InputError
from fathom.records import write_text
from fathom.registry import unknown

if TYPE_CHECKING:
    import torch

    from fathom.layers.ladder import Comparison, Twin

RUNGS = ("scratch", "numpy")
HEAD = ("row", "rung", "outputs", "gradients", "tolerance", "time / torch", "")
REPEATS = 5  # of each timing; the fastest counts


@dataclasses.dataclass(frozen=True)
class Ladder:
    """What was measured.

    Args:
        rows: every comparison.
        left_out: row, rung and reason of those that a rung does not carry.
    """

    rows: tuple["Comparison", ...]
    left_out: tuple[tuple[str, str, str], ...]

    @property
    def out(self) -> list["Comparison"]:
        """The rows that are out of tolerance."""
        return [row for row in self.rows if not row.within]

    def verdict(self) -> str:
        """How many rows, and which are out."""
        counted = f"{len(self.rows)} row{'s' if len(self.rows) != 1 else ''}"
        if not self.out:
            return f"{counted}, none out of tolerance"
        return f"{counted}, {len(self.out)} out of tolerance: {'; '.join(f'{r.name} ({r.rung})' for r in self.out)}"


def main(argv: Sequence[str]) -> int:
    """Measure and print all rows, or some; 1 if one is out of tolerance."""
    parser = Parser(
        "ladder",
        "Every layer from scratch beside the framework's: values, gradients, time.",
        ["fathom ladder", "fathom ladder --only conv --rung numpy"],
    )
    parser.add_argument(
        "--rung", choices=RUNGS, help="one rung only: bare tensors or the NumPy engine; both by default"
    )
    parser.add_argument("--only", metavar="TEXT", default="", help="rows whose name has this in it, as in lstm")
    parser.add_argument("--dtype", choices=("float64", "float32"), default="float64", help="numbers to compare in")
    parser.add_argument("--out", metavar="FILE", type=Path, help="write the table there too, as Markdown")
    words = parser.parse_args(argv)
    import torch

    twins = chosen(words.only)
    measured = measure(twins, [words.rung] if words.rung else RUNGS, getattr(torch, words.dtype), REPEATS)
    if not measured.rows:
        raise InputError(f"--only {words.only}: expected a row that rung {words.rung} carries, got none; try another")
    if words.out is not None:
        write_text(words.out, markdown(measured, words.dtype))
    if words.json:
        print_json(_document(measured))
    else:
        _print(measured, quiet=words.quiet)
        if words.out is not None and not words.quiet:
            print(f"table: {words.out}")
        print(bold(measured.verdict()))
    return 1 if measured.out else 0


def chosen(only: str = "") -> list["Twin"]:
    """The rows of every room's table whose name has `only` in it."""
    from fathom.layers.twins import TWINS

    found = [twin for twin in TWINS if only.lower() in twin.name.lower()]
    if not found:
        raise unknown("row", only, {twin.layer for twin in TWINS}, "fathom ladder shows all rows")
    return found


def measure(twins: Sequence["Twin"], rungs: Sequence[str], dtype: "torch.dtype", repeats: int) -> Ladder:
    """Compare every row on every rung; `repeats` as in `compare`."""
    from fathom.layers.engine import NotCarried, compare_engine
    from fathom.layers.ladder import compare

    ways: dict[str, Callable[..., Comparison]] = {"scratch": compare, "numpy": compare_engine}
    rows, left_out = [], []
    for twin in twins:
        for rung in rungs:
            try:
                rows.append(ways[rung](twin, dtype, repeats=repeats))
            except NotCarried as reason:
                left_out.append((twin.name, rung, str(reason)))
    return Ladder(tuple(rows), tuple(left_out))


def markdown(measured: Ladder, dtype: str) -> str:
    """The page `docs/ladder.md`."""
    import torch

    threads = torch.get_num_threads()
    lines = [
        "# The ladder",
        "",
        f"Written by `fathom ladder --dtype {dtype} --out FILE` with torch {torch.__version__}, "
        f"{threads} thread{'s' if threads != 1 else ''}.",
        "Each row builds one layer on its rung and in torch, with equal weights, and feeds both the same numbers.",
        "*outputs* is the worst difference of outputs and buffers, *gradients* that of the gradients of inputs and",
        "parameters, both as a fraction of the largest entry. *time* is forward and backward as a multiple of torch's;",
        "at these tiny sizes it is mostly the cost of calling, and it varies from run to run.",
        "",
        "| row | rung | outputs | gradients | tolerance | time / torch |",
        "| --- | --- | ---: | ---: | ---: | ---: |",
        *("| " + " | ".join(_cells(row)[:-1]) + " |" for row in measured.rows),
        "",
        f"{measured.verdict()}.",
    ]
    if measured.left_out:
        lines += ["", f"Not carried by rung numpy, {len(measured.left_out)} rows:", ""]
        lines += [f"- {name}: {reason}" for name, _, reason in measured.left_out]
    return "\n".join(lines) + "\n"


def _document(measured: Ladder) -> dict[str, Any]:
    return {
        "rows": [
            {**dataclasses.asdict(row), "time_ratio": row.time_ratio, "within": row.within} for row in measured.rows
        ],
        "left_out": [dict(zip(("name", "rung", "reason"), entry, strict=True)) for entry in measured.left_out],
        "out": len(measured.out),
    }


def _print(measured: Ladder, *, quiet: bool) -> None:
    rows = measured.out if quiet else measured.rows
    if rows:
        print(table(HEAD, map(_cells, rows), right=(2, 3, 4, 5)))
    if measured.left_out and not quiet:
        print(faint(f"{len(measured.left_out)} more are not carried by rung numpy; --json says why"))


def _cells(row: "Comparison") -> tuple[str, ...]:
    numbers = (f"{value:.1e}" if value else "0" for value in (row.output_difference, row.gradient_difference))
    tolerance, time = f"{row.tolerance:.0e}", f"{row.time_ratio:.2f}" if row.time_ratio else "-"
    return (row.name, row.rung, *numbers, tolerance, time, "" if row.within else "OUT")
