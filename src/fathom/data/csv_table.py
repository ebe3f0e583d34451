"""The user's own table: `csv:FILE,target=COLUMN`; columns become numbers that `encode_rows` gives again for new rows.

- A column of numbers is standardised by the training rows' mean and standard deviation; a missing one becomes the mean,
  and a column `NAME missing` marks it.
- A column of words becomes one 0/1 column a word (in alphabetical order); a missing one has a column of its own.
- A column of dates becomes year, month, day of the week (Monday 0) and days since 1970, each standardised.

`x` is `(rows, features)` float, `y` `(rows,)` of int64 for classification, `(rows, 1)` float, unscaled, for regression.
"""

import os
import re
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from fathom.data import cache, store
from fathom.data.dataset import Card, Dataset
from fathom.data.options import choice, integer, number, text
from fathom.data.split import held_out
from fathom.errors import DataError, MissingExtraError
from fathom.records import DataUsed
from fathom.registry import unknown

if TYPE_CHECKING:
    import pandas as pd

Words = list[str | None]  # the cells of a column, None where one is missing

OPTIONS = {
    "target": text,
    "test": number(0, below=1),  # fraction of the rows
    "sep": text,  # one character, or `tab`
    "task": choice("regression", "classification"),
    "date": text,  # names of columns, joined by +
    "drop": text,  # names of columns, joined by +
    "seed": integer(0),
}
DATE_PARTS = ("year", "month", "weekday", "day")
ISO_DATE = r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}.*)?"
MISSING = ("", "NA", "N/A", "NaN", "nan", "NULL", "null", "None", "NaT", "<NA>")  # as pandas reads them
LARGEST = float(np.finfo(np.float32).max)  # of a number; one that is larger in size counts as missing
MOST_WORDS = 256  # a column with more words than this, most of them used once, is a name or an identifier


def read(name: str, file: Path, split: str, options: dict[str, Any]) -> Dataset:
    """One split of the table in `file`.

    Args:
        name: what the user wrote.
        file: a CSV with a header line.
        split: `train` or `test`; rows are held out by chance from the seed, the same share of each class.
        options: of `OPTIONS`; `target` is needed. Without `task`, a target of numbers means regression.

    Raises:
        DataError: the file, its target or a column can't be used as asked.
        MissingExtraError: pandas is not installed.
    """
    frame = _frame(file, options.get("sep"))
    target = _target_name(name, frame, options)
    frame = _with_target(file, frame, target)
    dropped = _named(frame, options.get("drop", ""), "drop")
    dates = _named(frame, options.get("date", ""), "date")
    task, classes, y = _target(file, frame[target], options.get("task"))
    groups = y if task == "classification" else np.zeros(len(y))
    test = held_out(groups, options.get("test", 0.2), options.get("seed", 0))
    columns = [
        column
        for key in frame.columns
        if key not in (target, *dropped) and (column := _described(file, frame[key], key in dates, ~test))
    ]
    if not columns:
        raise DataError(f"{file}: expected at least one column beside the target {target!r}, got none that can be used")
    about: dict[str, Any] = {"kind": "table", "target": target, "task": task, "classes": classes, "columns": columns}
    about["sep"] = _separator(file, options.get("sep"))
    about["features"] = [feature for column in columns for feature in _features(column)]
    if task == "regression":
        about |= {"target_mean": float(y[~test].mean()), "target_std": float(y[~test].std()) or 1.0}
    rows = np.flatnonzero(test == (split == "test"))
    if not len(rows):
        raise DataError(f"{name}: expected rows in the {split} split, got none; give test=0.2 or more rows")
    x = encode_rows(about, frame.iloc[rows])
    values = torch.from_numpy(y[rows]) if task == "classification" else torch.from_numpy(y[rows]).float()[:, None]
    card = Card(
        name=name,
        title=f"the table {file}",
        example=f"a row as ({x.shape[1]},) and its {target}",
        splits={split: len(rows)},
        licence="the user's own",
        task=task,
        classes=tuple(classes),
    )
    used = DataUsed(
        name=name, origin="user", path=str(file), sha256={file.name: cache.digest(file)}, sizes={split: len(rows)}
    )
    return Dataset(card, split, {"x": x, "y": values}, used, about)


def read_rows(path: str | os.PathLike[str], about: Mapping[str, Any]) -> "pd.DataFrame":
    """The rows of a new CSV, as text, ready for `encode_rows`.

    Raises:
        DataError: there is no such file, or it can't be read as a table.
    """
    separator = about.get("sep", ",")
    return _frame(Path(path), "tab" if separator == "\t" else separator)


def encode_rows(about: Mapping[str, Any], rows: "pd.DataFrame | Sequence[Mapping[str, Any]]") -> Tensor:
    """`(rows, features)` float: what `load` makes of such rows, by the statistics in `about`.

    Args:
        about: of a dataset of kind `csv:`.
        rows: a DataFrame or dicts by column name; further columns (the target) are ignored;
            None, NaN, "" and "NA" are missing.

    Raises:
        DataError: a column is lacking, a word is none of those known, a number or date is none.
    """
    columns = _columns(rows)
    encoded = []
    for column in about["columns"]:
        if column["name"] not in columns:
            raise DataError(f"expected a column {column['name']!r}, got {', '.join(columns) or 'none'}; add it")
        encoded.append(_ENCODERS[column["kind"]](column, columns[column["name"]]))
    return torch.from_numpy(np.concatenate(encoded, axis=1)).float()


def columns(file: Path, sep: str | None = None) -> dict[str, Words]:
    """The cells of each column of a CSV, as text, in the order of the rows; errors as of `read`."""
    return _columns(_frame(file, sep))


# --- reading --------------------------------------------------------------------------------------------------------


def _pandas() -> Any:
    try:
        import pandas
    except ImportError:
        raise MissingExtraError("pandas", "tables", "csv:FILE") from None
    return pandas


def _separator(file: Path, sep: str | None) -> str:
    if sep is None:
        return "\t" if file.suffix.lower() in (".tsv", ".tab") else ","
    return "\t" if sep in ("tab", "\\t") else sep


def _frame(file: Path, sep: str | None) -> "pd.DataFrame":
    """The file as text, missing cells as NaN."""
    pd = _pandas()
    separator = _separator(file, sep)
    if len(separator) != 1:
        raise DataError(f"{file}: sep: expected one character or tab, got {sep!r}")
    if not file.is_file():
        what = "it is a folder" if file.is_dir() else "there is no such file"
        raise DataError(f"{file}: expected a CSV file, but {what}; check the path")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # a row that is longer than the header
            frame = pd.read_csv(
                file,
                sep=separator,
                dtype=str,
                encoding="utf-8-sig",
                skipinitialspace=True,
                index_col=False,
                compression=None,  # no archive is opened: it may be a bomb
            )
    except pd.errors.EmptyDataError:
        raise DataError(f"{file}: expected a header and rows below it, got an empty file; give another") from None
    except UnicodeDecodeError as error:
        raise DataError(
            f"{file}: expected UTF-8 text, got byte 0x{error.object[error.start]:02x}; save it as UTF-8, unpacked"
        ) from error
    except (ValueError, OSError, pd.errors.ParserWarning) as error:  # pandas' parser errors are ValueErrors
        raise DataError(f"{file}: could not be read as CSV ({' '.join(str(error).split())}); check sep=") from error
    frame.columns = [str(column).strip() for column in frame.columns]
    if len(frame) == 0:
        raise DataError(f"{file}: expected rows below the header, got none; add some")
    return frame


def _columns(rows: Any) -> dict[str, Words]:
    """The cells of each column, as text."""
    pandas = _pandas()
    is_frame = isinstance(rows, pandas.DataFrame)
    frame = rows if is_frame else pandas.DataFrame([dict(row) for row in rows], dtype=object)
    return {str(name): _words(frame[name]) for name in frame.columns}


def _words(column: "pd.Series") -> Words:
    return [_cell_text(cell) for cell in column.tolist()]


def _cell_text(cell: Any) -> str | None:
    """A cell as text; None if it is missing."""
    if cell is None or cell != cell or str(cell).strip() in MISSING:
        return None
    return str(cell).strip()


def _named(frame: "pd.DataFrame", listed: str, option: str) -> list[str]:
    chosen = [name for name in listed.split("+") if name]
    if listed in frame:  # a name that holds a plus sign itself
        chosen = [listed]
    for name in chosen:
        if name not in frame:
            raise unknown(f"column in {option}=", name, frame.columns)
    return chosen


# --- the target -----------------------------------------------------------------------------------------------------


def _target_name(name: str, frame: "pd.DataFrame", options: dict[str, Any]) -> str:
    columns = list(frame.columns)
    target = options.get("target")
    if target is None:
        raise DataError(f"{name}: expected target=COLUMN, got none; it is one of: {', '.join(columns)}")
    if target not in columns:
        if len(columns) == 1:
            raise DataError(
                f"{name}: found one column only, {columns[0]!r}; if it is separated otherwise, give sep=; or sep=tab"
            )
        raise unknown("target column", target, columns)
    return str(target)


def _with_target(file: Path, frame: "pd.DataFrame", target: str) -> "pd.DataFrame":
    """The rows whose target is there; the others are counted aloud."""
    there = np.array([word is not None for word in _words(frame[target])])
    if not there.any():
        raise DataError(f"{file}: expected values in the target column {target!r}, got none; choose another target=")
    if not there.all():
        store.say(f"{file}: {int((~there).sum())} of {len(frame)} rows have no {target} and are left out")
    return frame[there].reset_index(drop=True)


def _target(file: Path, column: "pd.Series", task: str | None) -> tuple[str, list[str], np.ndarray]:
    """Task, classes and the values: class numbers of int64, or float64."""
    words = [word for word in _words(column) if word is not None]  # rows without a target are gone by now
    numbers = _numbers(words)
    if task == "regression" and numbers is None:
        example = next(word for word in words if _number(word) is None)
        raise DataError(
            f"{file}: regression needs numbers in {column.name!r}, got {example!r}; give task=classification"
        )
    if task == "regression" or (task is None and numbers is not None):
        assert numbers is not None
        if not (np.abs(numbers) <= LARGEST).all():
            raise DataError(
                f"{file}: expected numbers of at most {LARGEST:.2g} in the target {column.name!r}, "
                f"got {np.abs(numbers).max():g}; remove it"
            )
        return "regression", [], numbers
    order = {word: number for word in set(words) if (number := _number(word)) is not None}
    classes = sorted(set(words), key=lambda word: (order.get(word, np.inf), word))
    if len(classes) < 2:
        raise DataError(f"{file}: expected at least two classes in {column.name!r}, got only {classes[0]!r}; add rows")
    return "classification", classes, np.array([classes.index(word) for word in words], dtype=np.int64)


# --- the columns ----------------------------------------------------------------------------------------------------


def _number(word: str | None) -> float | None:
    try:
        return float(word) if word is not None else None
    except ValueError:
        return None


def _numbers(words: Sequence[str | None]) -> np.ndarray | None:
    """float64 with NaN for missing cells; None if a cell is no number."""
    values = [_number(word) for word in words]
    if any(value is None and word is not None for value, word in zip(values, words, strict=True)):
        return None
    return np.array([np.nan if value is None else value for value in values])


def _described(file: Path, column: "pd.Series", is_date: bool, train: np.ndarray) -> dict[str, Any] | None:
    """What encoding a column needs: kind and statistics of the training rows; None if it is left out (said aloud)."""
    name, words = str(column.name), _words(column)
    there = [word for word in words if word is not None]
    if not there:
        store.say(f"{file}: column {name!r} has no value in any row and is left out")
        return None
    if is_date or all(re.fullmatch(ISO_DATE, word) for word in there):
        parts = _date_parts({"name": name}, words)
        return {"name": name, "kind": "date", **_statistics(parts, train)}
    numbers = _numbers(words)
    if numbers is not None:
        numbers[np.abs(numbers) > LARGEST] = np.nan
        return {"name": name, "kind": "number", **_statistics(numbers[:, None], train)}
    known = sorted(set(there))
    if len(known) > MOST_WORDS and len(known) > len(there) / 2:
        store.say(f"{file}: column {name!r} has {len(known)} different words in {len(there)} rows and is left out")
        return None
    return {"name": name, "kind": "category", "words": known, "missing": len(there) < len(words)}


def _statistics(values: np.ndarray, train: np.ndarray) -> dict[str, Any]:
    """Means and standard deviations of `(rows, parts)` over the training rows, NaN left out."""
    means, stds = [], []
    for part in values[train].T:
        part = part[~np.isnan(part)]
        means.append(float(part.mean()) if len(part) else 0.0)
        stds.append((float(part.std()) if len(part) else 0.0) or 1.0)  # a constant column is only moved to 0
    return {"means": means, "stds": stds, "missing": bool(np.isnan(values).any())}


def _features(column: Mapping[str, Any]) -> list[str]:
    name = column["name"]
    names = {
        "number": [name],
        "date": [f"{name} {part}" for part in DATE_PARTS],
        "category": [f"{name}={word}" for word in column.get("words", ())],
    }[column["kind"]]
    return names + [f"{name} missing"] * column["missing"]


def _standardised(column: Mapping[str, Any], values: np.ndarray) -> np.ndarray:
    missing = np.isnan(values).any(axis=1, keepdims=True)
    scaled = (values - np.array(column["means"])) / np.array(column["stds"])
    scaled = np.where(missing, 0.0, scaled)
    return np.concatenate([scaled, missing], axis=1) if column["missing"] else scaled


def _encode_number(column: Mapping[str, Any], words: Words) -> np.ndarray:
    numbers = _numbers(words)
    if numbers is None:
        row = next(row for row, word in enumerate(words) if word is not None and _number(word) is None)
        raise DataError(
            f"{_cell(column, row)}: expected a number, got {words[row]!r}; correct it, or leave the cell empty"
        )
    numbers[np.abs(numbers) > LARGEST] = np.nan
    return _standardised(column, numbers[:, None])


def _encode_category(column: Mapping[str, Any], words: Words) -> np.ndarray:
    places = {word: place for place, word in enumerate(column["words"])}
    encoded = np.zeros((len(words), len(places) + column["missing"]))
    for row, word in enumerate(words):
        if word is None:
            encoded[row, len(places) :] = 1
        elif word in places:
            encoded[row, places[word]] = 1
        else:
            listed = ", ".join(column["words"][:10]) + (", …" if len(column["words"]) > 10 else "")
            raise DataError(
                f"{_cell(column, row)}: unknown category {word!r}, known are: {listed}; "
                "write one of them, or leave the cell empty"
            )
    return encoded


def _cell(column: Mapping[str, Any], row: int) -> str:
    """Where it is, in words; rows are counted from 1 below the header."""
    return f"column {column['name']!r}, row {row + 1}"


def _date_parts(column: Mapping[str, Any], words: Words) -> np.ndarray:
    """`(rows, 4)`: year, month, weekday, days since 1970; NaN where the date is missing."""
    pd = _pandas()
    try:
        dates = pd.to_datetime(pd.Series(words, dtype=object), format="mixed", utc=True)
    except (ValueError, TypeError) as error:
        wrong = next((word for word in words if word is not None and not _is_date(pd, word)), "?")
        raise DataError(
            f"column {column['name']!r}: expected a date as 2024-01-31, got {wrong!r}; correct it"
        ) from error
    days = (dates - pd.Timestamp("1970-01-01", tz="UTC")) / pd.Timedelta(days=1)
    parts = [dates.dt.year, dates.dt.month, dates.dt.day_of_week, days]
    return np.stack([part.to_numpy(dtype=np.float64, na_value=np.nan) for part in parts], axis=1)


def _is_date(pd: Any, word: str) -> bool:
    try:
        pd.to_datetime(word, format="mixed", utc=True)
    except (ValueError, TypeError):
        return False
    return True


def _encode_date(column: Mapping[str, Any], words: Words) -> np.ndarray:
    return _standardised(column, _date_parts(column, words))


_ENCODERS = {"number": _encode_number, "category": _encode_category, "date": _encode_date}
