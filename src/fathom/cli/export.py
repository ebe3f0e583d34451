"""`fathom export`: a trained model as one file that other programs run, checked before it is kept."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fathom import recipes
from fathom.cli.parser import Parser
from fathom.cli.printing import print_json, quiet_data, stdout_for_json
from fathom.cli.settings import settings
from fathom.errors import InputError
from fathom.records import RunFolder
from fathom.registry import unknown

SUFFIXES = {"onnx": ".onnx", "torch": ".pt2", "safetensors": ".safetensors"}


def main(argv: Sequence[str]) -> int:
    """Export, check, and print what to give the file and what it answers."""
    parser = Parser(
        "export",
        "A trained model as one file for other programs; it is loaded again and must\nanswer as the run's own model "
        "does, or nothing is written.",
        [
            "fathom export runs/lenet-TIME",
            "fathom export runs/lenet-TIME --format torch --out lenet.pt2",
        ],
    )
    parser.add_argument("run", metavar="RUN", help="a run folder, as fathom train writes it")
    parser.add_argument(
        "--format",
        default="onnx",
        metavar="onnx|torch|safetensors",
        help="for any ONNX runtime (the default); a program of torch.export; or the weights alone",
    )
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="where to write it, instead of model.onnx (.pt2, …) in the run folder"
    )
    words = parser.parse_args(argv)
    if words.format not in SUFFIXES:
        raise unknown("format", words.format, SUFFIXES)
    folder = RunFolder.open(words.run)
    module = recipes.load(folder.recipe)
    settings(folder, module.Config)
    file = _new_file(words.out or folder.path / f"model{SUFFIXES[words.format]}", words.format)
    from fathom.recipes.common import exports
    from fathom.train.export import EXAMPLES, export

    with stdout_for_json(words.json), quiet_data(words.quiet):
        what = exports.of_run(module, folder)
        done = export(what, file, words.format)
    checked = {
        "largest_difference": done.largest_difference,
        "largest_output": done.largest_output,
        "examples": EXAMPLES,
        "real": what.real,
        "by": done.checked_by,
    }
    if words.json:
        about = {"inputs": what.shapes, "outputs": what.outputs, "metadata": what.about}
        found = {"file": str(file), "format": words.format, "bytes": done.size, "checked": checked, **about}
        print_json({"recipe": folder.recipe, "folder": str(folder.path), **found})
    else:
        _print(file, done.size, checked, what.about, quiet=words.quiet)
    return 0


def _new_file(file: Path, form: str) -> Path:
    """`file`, if such a one may be written there."""
    if file.suffix != SUFFIXES[form]:
        raise InputError(f"--out: expected a name that ends in {SUFFIXES[form]} for --format {form}, got {file}")
    if not file.parent.is_dir():
        raise InputError(f"--out: expected a folder that exists, but {file.parent} does not; make it, or give another")
    if file.exists():
        raise InputError(f"{file} is there already; give --out another name, or remove it")
    return file


def _print(file: Path, size: int, checked: Mapping[str, Any], about: Mapping[str, Any], *, quiet: bool) -> None:
    origin = "test" if checked["real"] else "generated"
    print(f"{file}  {size / 1e6:,.1f} MB")
    print(
        f"checked by {checked['by']} on {checked['examples']} {origin} examples, in batches of several sizes: largest "
        f"difference {checked['largest_difference']:.1e}, in outputs up to {checked['largest_output']:.3g}"
    )
    if quiet:
        return
    given = ", ".join(f"{name}={value!r}" for name, value in about.get("arguments", {}).items())
    lines = {
        "model": f"{about['model']}({given})" if "model" in about else "",
        "input": about["input"],
        "output": about["output"],
        "classes": ", ".join(map(str, about.get("classes") or [])),
    }
    for name, line in lines.items():
        if line:
            print(f"{name}: {line if len(line) <= 200 else line[:200] + '…'}")
