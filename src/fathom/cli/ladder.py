"""`fathom ladder`: every layer, loss, update rule and schedule of ours beside the framework's, in value and time."""

import dataclasses
from collections.abc import Callable, Sequence
from functools import partial
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
    from fathom.optim.twins import Pair

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
        "Every layer, update rule and schedule beside torch's: values, gradients, time.",
        ["fathom ladder", "fathom ladder --only conv --rung numpy", "fathom ladder --only adam"],
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


def table_of_rows() -> tuple["Twin | Pair", ...]:
    """Every room's rows."""
    from fathom import models
    from fathom.layers.twins import TWINS
    from fathom.optim import schedule_twins, twins

    return (*TWINS, *twins.table(lambda: models.create("lenet")), *schedule_twins.PAIRS)


def chosen(only: str = "") -> list["Twin | Pair"]:
    """The rows whose name has `only` in it."""
    rows = table_of_rows()
    found = [row for row in rows if only.lower() in row.name.lower()]
    if not found:
        raise unknown("row", only, {row.layer for row in rows}, "fathom ladder shows all rows")
    return found


def measure(twins: Sequence["Twin | Pair"], rungs: Sequence[str], dtype: "torch.dtype", repeats: int) -> Ladder:
    """Compare every row on every rung; `repeats` as in `compare`."""
    from fathom.layers.engine import NotCarried, compare_engine
    from fathom.layers.ladder import compare
    from fathom.optim.twins import Pair
    from fathom.optim.twins import compare as compare_pair

    ways: dict[str, Callable[..., Comparison]] = {"scratch": compare, "numpy": compare_engine}
    pair_ways = {rung: partial(compare_pair, rung=rung) for rung in RUNGS}
    rows, left_out = [], []
    for twin in twins:
        for rung in rungs:
            try:
                way = pair_ways[rung] if isinstance(twin, Pair) else ways[rung]
                rows.append(way(twin, dtype, repeats=repeats))
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
        "The row of an update rule takes 100 steps on its rung and in torch, down a quadratic whose curvatures go from",
        "0.01 to 10, or teaching LeNet random images. There *outputs* is the worst difference of the parameters at ten",
        "moments, *gradients* that of the optimiser's state at the end. torch has no Yogi, LARS or LAMB: their rows",
        "stand beside its Adam and SGD, bent by hooks into the same rule. A schedule's row compares its factors at 120",
        "updates with the rates of torch's, a row of clipping the gradients, a row of averaging the averaged weights.",
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
