"""The user's own series: `series:FILE,column=NAME`, a column of numbers of a CSV file, its rows in order of time."""

from pathlib import Path
from typing import Any

import numpy as np

from fathom.data import cache, csv_table
from fathom.data.dataset import Card, Dataset
from fathom.data.options import number, text
from fathom.data.series import HELD_OUT, series
from fathom.errors import DataError
from fathom.records import DataUsed
from fathom.registry import unknown

OPTIONS = {
    "column": text,
    "sep": text,  # one character, or `tab`
    "test": number(0, below=1),  # share of the rows, at the end
}


def read(name: str, file: Path, split: str, options: dict[str, Any]) -> Dataset:
    """One split of a column, standardised by its beginning; see `series.series`.

    Args:
        name: what the user wrote.
        file: a CSV with a header line.
        split: `train`, or `test`, which is the column's end.
        options: of `OPTIONS`; `column` may be left out where there is one only.

    Raises:
        DataError: the file can't be read as a table, or a cell is no finite number; names the row.
        UnknownNameError: there is no such column.
        MissingExtraError: pandas is not installed.
    """
    columns = csv_table.columns(file, options.get("sep"))
    chosen = options.get("column") or (next(iter(columns)) if len(columns) == 1 else None)
    if chosen is None:
        raise DataError(f"{name}: expected column=NAME, got none; it is one of: {', '.join(columns)}")
    if chosen not in columns:
        raise unknown("column", chosen, columns)
    card = Card(
        name=name,
        title=f"the column {chosen} of {file}",
        example="a number, and the number after it",
        splits={},
        licence="the user's own",
        task="forecasting",
    )
    used = DataUsed(name=name, origin="user", path=str(file), sha256={file.name: cache.digest(file)})
    values = np.array([_finite(file, chosen, row, word) for row, word in enumerate(columns[chosen], 1)])
    return series(card, split, values, used, options.get("test", HELD_OUT), standardise=True)


def _finite(file: Path, column: str, row: int, word: str | None) -> float:
    """A cell as a number that float32 holds; rows are counted from 1 below the header."""
    try:
        value = float(word) if word is not None else float("nan")
    except ValueError:
        value = float("nan")
    if not abs(value) <= csv_table.LARGEST:
        got = "nothing" if word is None else repr(word)
        raise DataError(
            f"{file}: column {column!r}, row {row}: expected a finite number, got {got}; "
            "a series may have no gaps: fill it in, or take the rows after it"
        )
    return value
