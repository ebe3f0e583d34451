"""How results look on a terminal: tables, a little emphasis, JSON."""

import contextlib
import json
import math
import os
import shutil
import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from fathom.errors import InputError
from fathom.records import Prediction, Published, Result


def print_json(value: Any) -> None:
    """`value` as the one JSON document of this command: tuples are lists, and what is not finite is null."""
    print(json.dumps(_simple(value), indent=2, ensure_ascii=False, allow_nan=False))


def _simple(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _simple(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_simple(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return os.fspath(value) if isinstance(value, os.PathLike) else value


@contextlib.contextmanager
def stdout_for_json(active: bool) -> Iterator[None]:
    """While `active`, whatever is printed goes to stderr, so that stdout holds the document alone."""
    if not active:
        yield
        return
    with contextlib.redirect_stdout(sys.stderr):
        yield


@contextlib.contextmanager
def quiet_data(active: bool) -> Iterator[None]:
    """While `active`, the room `data` makes no remarks."""
    from fathom.data import store

    before, store.quiet = store.quiet, active or store.quiet
    try:
        yield
    finally:
        store.quiet = before


def colour() -> bool:
    """Whether stdout wants colours."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def bold(text: str) -> str:
    """`text`, bold where that is wanted."""
    return f"\x1b[1m{text}\x1b[0m" if colour() else text


def faint(text: str) -> str:
    """`text`, dim where that is wanted."""
    return f"\x1b[2m{text}\x1b[0m" if colour() else text


def table(head: Sequence[str], rows: Iterable[Sequence[Any]], *, right: Sequence[int] = ()) -> str:
    """Columns under a heading; on a terminal the last column is folded so that no line is broken.

    Args:
        right: numbers of the columns that are flush right.
    """
    cells = [[" ".join(str(cell).split()) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(head, *cells, strict=True)]
    left = sum(widths[:-1]) + 2 * (len(widths) - 1)
    columns = shutil.get_terminal_size((80, 24)).columns if sys.stdout.isatty() else None
    lines = [bold(_line(head, widths, right))]
    for row in cells:
        line = _line(row, widths, right)
        if columns is None or len(line) <= columns:
            lines.append(line)
            continue
        beside = columns - left >= 24
        parts = textwrap.wrap(row[-1], columns - left if beside else columns - 4)
        lines.append(_line([*row[:-1], parts.pop(0) if beside else ""], widths, right))
        lines += [" " * (left if beside else 4) + part for part in parts]
    return "\n".join(lines)


def _line(cells: Sequence[str], widths: Sequence[int], right: Sequence[int]) -> str:
    padded = [
        cell.rjust(width) if number in right else cell.ljust(width)
        for number, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return "  ".join(padded).rstrip()


def published_text(figures: Iterable[Published]) -> str:
    """Published figures in one line: `test_accuracy 0.779`."""
    return ", ".join(f"{entry.metric} {published_number(entry)}" for entry in figures)


def published_number(figure: Published) -> str:
    """The digits that the source prints, or `(no number)` where it prints none."""
    return "(no number)" if figure.value is None else format(figure.value, "g")


def print_result(result: Result, pictures: Sequence[str] = (), *, quiet: bool = False) -> None:
    """A result for a person: metrics beside the published ones, notes, data, time, paths."""
    from fathom.plot.page import duration, number

    named = {entry.metric: entry for entry in result.published}
    rows = []
    for metric in dict.fromkeys([*named, *result.metrics]):
        entry = named.get(metric)
        source = ", ".join(filter(None, (entry.split, entry.source, entry.note))) if entry else ""
        rows.append((metric, number(result.metrics.get(metric)), published_number(entry) if entry else "", source))
    print(table(("metric", "ours", "published", "of"), rows, right=(1, 2)))
    for note in result.notes:
        print(f"note: {note}")
    for used in result.data:
        sizes = ", ".join(f"{count:,} {split}" for split, count in used.sizes.items())
        print(f"data: {used.name} ({used.origin}{': ' + sizes if sizes else ''})")
    if quiet:
        return
    if result.seconds:
        print(f"time: {duration(result.seconds)} on {result.environment.get('device', 'this machine')}")
    if result.folder:
        print(f"run folder: {result.folder}")
    for path in pictures:
        print(f"picture: {path}")


def print_prediction(prediction: Prediction, top: int = 5) -> None:
    """A prediction for a person: the label, and the classes that are most probable."""
    from fathom.plot.page import number

    print(f"{prediction.input}: {bold(number(prediction.label))}")
    ranked = list(prediction.probabilities.items())[:top]
    width = max((len(name) for name, _ in ranked), default=0)
    for name, probability in ranked:
        print(f"  {name:{width}}  {probability:.3f}")
    for name, value in prediction.extra.items():
        print(f"  {name}: {number(value)}")


def print_translation(prediction: Prediction, plot: bool = False) -> None:
    """A translation for a person, the next best ones below it with their scores.

    Args:
        plot: draw the alignment too.

    Raises:
        InputError: it is to be drawn, and the model has none.
    """
    listed = prediction.extra.get("translations")
    if listed is None:
        print_prediction(prediction)
        return
    print(f"{prediction.input}: {bold(str(prediction.label))}")
    for entry in listed:
        print(f"  {entry['score']:7.3f}  {entry['text']}")
    if not plot:
        return
    from fathom.plot.attention import attention_text

    seen = prediction.extra.get("alignment")
    if seen is None:
        raise InputError("--plot: expected a run of a model with attention, got one without; leave it out")
    print(attention_text(seen["weights"], seen["target"], seen["source"]))
