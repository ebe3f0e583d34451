"""`fathom report`: every recipe's newest result beside its published figure."""

import dataclasses
import time
from collections.abc import Sequence
from pathlib import Path

from fathom import recipes
from fathom.cli.parser import Parser
from fathom.cli.printing import print_json
from fathom.errors import FathomError, InputError, SaveError
from fathom.plot.page import Row, html, markdown
from fathom.records import Published, Result, RunFolder, write_text


def main(argv: Sequence[str]) -> int:
    """Write report.html and report.md."""
    parser = Parser("report", "One page with every recipe's newest result and pictures.", ["fathom report"])
    parser.add_argument("--runs", metavar="DIR", default="runs", help="the folder with the run folders (default: runs)")
    parser.add_argument(
        "--out", metavar="DIR", help="where to write report.html and report.md (default: the runs' folder)"
    )
    words = parser.parse_args(argv)
    runs = Path(words.runs)
    if not runs.is_dir():
        raise InputError(f"{runs}: expected a folder with runs, found none; train something: fathom train lenet")
    newest, problems = _newest(runs)
    rows = [_row(name, newest.get(name)) for name in recipes.names()]
    out = Path(words.out) if words.out else runs
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SaveError(f"could not make the folder {out}: {error.strerror}; give --out another") from error
    page, text = out / "report.html", out / "report.md"
    write_text(page, html(rows, problems, made=f"Made {time.strftime('%Y-%m-%d %H:%M')}."))
    write_text(text, markdown(rows, problems))
    results = [row.result for row in rows if row.result]
    if words.json:
        print_json(
            {
                "html": str(page),
                "markdown": str(text),
                "results": [dataclasses.asdict(result) for result in results],
                "never_run": [row.name for row in rows if row.result is None],
                "problems": problems,
            }
        )
        return 0
    print(f"{page}\n{text}")
    if not words.quiet:
        print(f"{len(results)} of {len(rows)} recipes have a result")
        for problem in problems:
            print(f"left out: {problem}")
    return 0


def _newest(runs: Path) -> tuple[dict[str, tuple[float, Path, Result]], list[str]]:
    """`recipe -> (time of its end, folder, result)` of the newest finished run, and what could not be used."""
    found: dict[str, tuple[float, Path, Result]] = {}
    problems = []
    for path in sorted(path for path in runs.iterdir() if path.is_dir() and not path.name.startswith(".")):
        try:
            folder = RunFolder.open(path)
            name, result = folder.recipe, folder.result
            if name not in recipes.names():
                problems.append(f"{path} is a run of {name!r}, a recipe that this version does not have")
            elif result is None:
                problems.append(f"{path} is unfinished; fathom train --resume {path} goes on")
            else:
                ended = (path / "result.json").stat().st_mtime
                if name not in found or ended > found[name][0]:
                    found[name] = (ended, path, result)
        except FathomError as error:
            problems.append(str(error))
    return found, problems


def _row(name: str, newest: tuple[float, Path, Result] | None) -> Row:
    summary = recipes.summary(name)
    row = Row(
        name=name,
        title=summary["title"],
        section=summary.get("SECTION", ""),
        data=summary.get("DATA", ""),
        published=tuple(Published(**figure) for figure in summary.get("PUBLISHED", ())),
    )
    if newest is None:
        return row
    ended, path, result = newest
    own = (file for file in path.glob("*.png") if file.is_file() and not file.is_symlink())  # a link may leave the run
    pictures = sorted(own, key=lambda picture: (picture.name != "curves.png", picture.name))
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(ended))
    return dataclasses.replace(row, result=result, finished=when, pictures=tuple(pictures))
