"""The report as a page: every recipe's newest result beside the published figures, as HTML and as Markdown."""

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from fathom.records import Published, Result


@dataclass(frozen=True, kw_only=True)
class Row:
    """What the report says of one recipe.

    Args:
        name: the recipe.
        title: what it does, in one line.
        section: of the book, or the paper.
        data: the dataset's name.
        published: the source's figures.
        result: of the newest finished run; None if there is none.
        finished: when that run ended, as text.
        pictures: PNG files of that run.
    """

    name: str
    title: str = ""
    section: str = ""
    data: str = ""
    published: tuple[Published, ...] = ()
    result: Result | None = None
    finished: str = ""
    pictures: tuple[Path, ...] = ()


def figures(result: Result | None, published: Sequence[Published]) -> list[dict[str, Any]]:
    """Metric, ours, published, split and source, one dict a line: the published metrics first, then our other ones."""
    ours = dict(result.metrics) if result else {}
    told = [
        {"metric": entry.metric, "ours": ours.get(entry.metric), "published": entry.value, "split": entry.split,
         "source": entry.source, "note": entry.note}
        for entry in published
    ]  # fmt: skip
    named = {entry.metric for entry in published}
    rest = [
        {"metric": name, "ours": value, "published": None, "split": "", "source": "", "note": ""}
        for name, value in ours.items()
        if name not in named
    ]
    return told + rest


def number(value: Any) -> str:
    """A figure as people read it, with four digits that tell; nothing for none."""
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, float):
        return str(value)
    return f"{value:.4f}" if 0.001 <= abs(value) < 1 else f"{value:.4g}"


def printed(value: float | None) -> str:
    """A published figure with the digits that its source prints."""
    return "" if value is None else format(value, "g")


def duration(seconds: float) -> str:
    """`8.1 s`, `3 min 20 s`, `2 h 05 min`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"


def markdown(rows: Iterable[Row], problems: Sequence[str] = ()) -> str:
    """The table of all recipes as Markdown.

    Args:
        problems: sentences on run folders that could not be read.
    """
    lines = [
        "# Results", "",
        "| recipe | section | metric | ours | published | of | data used | notes |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]  # fmt: skip
    for row in rows:
        data = ", ".join(f"{used.name} ({used.origin})" for used in row.result.data) if row.result else row.data
        notes = "; ".join(row.result.notes) if row.result else "not run yet"
        listed = [entry for entry in figures(row.result, row.published) if entry["source"] or not row.published]
        for entry in listed or [{"metric": "", "ours": None, "published": None, "split": "", "source": ""}]:
            cells = [
                row.name, row.section, entry["metric"], number(entry["ours"]), printed(entry["published"]),
                ", ".join(filter(None, (entry["split"], entry["source"]))), data, notes,
            ]  # fmt: skip
            lines.append("| " + " | ".join(_cell(cell) for cell in cells) + " |")
    if problems:
        lines += ["", "Left out:", "", *(f"- {problem}" for problem in problems)]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return " ".join(str(text).replace("|", "\\|").split())


STYLE = """
:root { color-scheme: light dark; --ink: #222; --faint: #666; --line: #ddd; --page: #fff; --panel: #f6f7f8; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8e8e8; --faint: #a0a0a0; --line: #3a3a3a; --page: #16181a; --panel: #1f2225; } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--page);
  max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.15rem; margin: 2.5rem 0 .25rem; }
p { margin: .25rem 0; } .faint { color: var(--faint); } .note { color: var(--faint); font-size: .9rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; margin: .75rem 0; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .3rem 1.2rem .3rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
th { font-weight: 600; color: var(--faint); font-size: .85rem; } td.number, th.number { text-align: right; }
figure { margin: 1rem 0; } figcaption { color: var(--faint); font-size: .85rem; }
img { max-width: 100%; height: auto; background: #fff; border: 1px solid var(--line); border-radius: 4px; }
code { background: var(--panel); padding: .1rem .3rem; border-radius: 3px; }
a { color: inherit; }
"""


def html(rows: Iterable[Row], problems: Sequence[str] = (), *, made: str = "") -> str:
    """The report as one page that needs nothing else: pictures are in it, and it asks no server for anything.

    Args:
        problems: sentences on run folders that could not be read.
        made: when and by what the page was made.
    """
    rows = list(rows)
    done = [row for row in rows if row.result]
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>fathom: results</title><style>{STYLE}</style></head><body>",
        "<h1>Results beside the published figures</h1>",
        f'<p class="faint">{len(done)} of {len(rows)} recipes have a result. {escape(made)}</p>',
        _overview(rows),
        *(_section(row) for row in done),
    ]
    if problems:
        parts.append("<h2>Left out</h2><ul>" + "".join(f"<li>{escape(problem)}</li>" for problem in problems) + "</ul>")
    return "\n".join([*parts, "</body></html>\n"])


def _overview(rows: Sequence[Row]) -> str:
    lines = []
    for row in rows:
        told = [entry for entry in figures(row.result, row.published) if entry["source"]]
        first = told[0] if told else {"metric": "", "ours": None, "published": None}
        for entry in told or [first]:
            name = f'<a href="#{escape(row.name)}">{escape(row.name)}</a>' if row.result else escape(row.name)
            state = "; ".join(row.result.notes) if row.result else "not run yet"
            shown = (name, escape(row.section)) if entry is first else ("", "")
            lines.append(
                f"<tr><td>{shown[0]}</td><td>{shown[1]}</td><td>{escape(entry['metric'])}</td>"
                f'<td class="number">{number(entry["ours"])}</td><td class="number">{printed(entry["published"])}</td>'
                f'<td class="note">{escape(state) if entry is first else ""}</td></tr>'
            )
    head = (
        '<tr><th>recipe</th><th>section</th><th>metric</th><th class="number">ours</th>'
        '<th class="number">published</th><th>notes</th></tr>'
    )
    return f'<div class="wide"><table>{head}{"".join(lines)}</table></div>'


def _section(row: Row) -> str:
    result = row.result
    assert result is not None
    lines = "".join(
        f'<tr><td>{escape(entry["metric"])}</td><td class="number">{number(entry["ours"])}</td>'
        f'<td class="number">{printed(entry["published"])}</td>'
        f'<td class="note">{escape(_joined(entry["split"], entry["source"], entry["note"]))}</td></tr>'
        for entry in figures(result, row.published)
    )
    used = ", ".join(f"{data.name} ({data.origin}{_sizes(data.sizes)})" for data in result.data)
    machine = result.environment.get("device", "")
    facts = [f"data: {used}", f"time: {duration(result.seconds)}", f"on: {machine}", f"ended: {row.finished}"]
    told = " · ".join(escape(fact) for fact in facts if not fact.endswith(": "))
    notes = "".join(f'<p class="note">{escape(note)}</p>' for note in result.notes)
    return (
        f'<h2 id="{escape(row.name)}">{escape(row.name)}</h2>'
        f'<p>{escape(row.title)} <span class="faint">{escape(row.section)}</span></p>'
        f'<div class="wide"><table><tr><th>metric</th><th class="number">ours</th><th class="number">published</th>'
        f"<th>of</th></tr>{lines}</table></div>{notes}"
        f'<p class="note">{told}</p><p class="note">run folder: <code>{escape(result.folder)}</code></p>'
        + "".join(_picture(path) for path in row.pictures)
    )


def _joined(*words: str) -> str:
    return ", ".join(filter(None, words))


def _sizes(sizes: Mapping[str, int]) -> str:
    return "".join(f", {count:,} {split}" for split, count in sizes.items())


def _picture(path: Path) -> str:
    data = base64.b64encode(path.read_bytes()).decode("ascii")
    name = escape(path.stem.replace("_", " "))
    return f'<figure><img alt="{name}" src="data:image/png;base64,{data}"><figcaption>{name}</figcaption></figure>'
