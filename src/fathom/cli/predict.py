"""`fathom predict`: what a trained run says of files that it has not seen."""

import dataclasses
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType

from fathom import recipes
from fathom.cli.parser import Parser
from fathom.cli.printing import print_json, print_prediction, stdout_for_json
from fathom.errors import DataError, InputError
from fathom.records import Prediction, RunFolder


def main(argv: Sequence[str]) -> int:
    """Predict for each input in turn."""
    parser = Parser(
        "predict",
        "What a trained run says of your files: classes with probabilities.",
        ["fathom predict runs/lenet-TIME shoe.png", "fathom predict runs/lenet-TIME PHOTOS --json"],
    )
    parser.add_argument("run", metavar="RUN", help="a run folder, as fathom train writes it")
    parser.add_argument("inputs", metavar="INPUT", nargs="+", help="files, or folders of pictures")
    parser.add_argument("--skip-bad", action="store_true", help="go on after a file that can't be read, and count them")
    words = parser.parse_args(_flags_first(argv))
    folder = RunFolder.open(words.run)
    module = recipes.load(folder.recipe)
    if not hasattr(module, "predict"):
        raise InputError(f"{folder.path}: the recipe {folder.recipe} has nothing to predict")
    kind = str(folder.data.get("kind", ""))
    done: list[Prediction] = []
    skipped: list[dict[str, str]] = []
    for source in _sources(words.inputs, kind):
        try:
            with stdout_for_json(words.json):
                found = _predict(module, folder, source, kind)
        except DataError as error:
            if not words.skip_bad:
                raise
            skipped.append({"input": source, "reason": str(error)})
            print(f"fathom: skipped: {error}", file=sys.stderr)
            continue
        done += found
        if not words.json:
            for prediction in found:
                print_prediction(prediction)
    if skipped and not done:
        raise DataError(f"expected at least one file that can be read, got {len(skipped)} that can't")
    if words.json:
        plain = [dataclasses.asdict(prediction) for prediction in done]
        print_json({"recipe": folder.recipe, "folder": str(folder.path), "predictions": plain, "skipped": skipped})
    elif skipped:
        print(f"skipped {len(skipped)} of {len(skipped) + len(done)}")
    return 0


def _flags_first(argv: Sequence[str]) -> list[str]:
    """The words in an order in which argparse takes `-1,2` for an input: no flag of ours has a value."""
    place = list(argv).index("--") if "--" in argv else len(argv)
    flags = [word for word in argv[:place] if word.startswith("--") or word == "-h"]
    return [*flags, "--", *(word for word in argv[:place] if word not in flags), *argv[place + 1 :]]


def _sources(inputs: Sequence[str], kind: str) -> Iterator[str]:
    """The inputs, folders of pictures opened."""
    for given in inputs:
        if kind != "images" or not Path(given).is_dir():
            yield given
            continue
        from fathom.data import list_images

        found = list_images(given)
        if not found:
            raise DataError(f"{given}: expected a folder with pictures, found none in it")
        yield from map(str, found)


def _predict(module: ModuleType, folder: RunFolder, source: str, kind: str) -> list[Prediction]:
    if kind in ("images", "table") and not Path(source).is_file():
        what = "a folder" if Path(source).is_dir() else "no such file"
        raise DataError(f"{source}: expected a {'picture' if kind == 'images' else 'CSV file'}, got {what}")
    found = module.predict(folder, source)
    return [found] if isinstance(found, Prediction) else list(found)
