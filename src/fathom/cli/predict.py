"""`fathom predict`: what a trained run says of files that it has not seen."""

import dataclasses
import inspect
import itertools
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from fathom import recipes
from fathom.cli.parser import Parser
from fathom.cli.printing import print_json, print_prediction, print_translation, quiet_data, stdout_for_json, table
from fathom.cli.settings import settings
from fathom.errors import DataError, InputError
from fathom.records import Prediction, RunFolder

WRITING: dict[str, tuple[type, str]] = {  # options of a language model's `predict`
    "--length": (int, "tokens to add"),
    "--temperature": (float, "0 takes the likeliest token, more draws more freely"),
    "--top-k": (int, "draw from so many of the likeliest tokens; 0 is all"),
    "--top-p": (float, "draw from the fewest likeliest tokens with this probability together"),
    "--seed": (int, "of the drawing"),
    "--state": (str, "best (on held-out text) or last, of the run's checkpoints"),
}
TRANSLATING: dict[str, tuple[type, str]] = {  # of a translator's
    "--width": (int, "of the beam; 1 takes the likeliest word each time"),
    "--best": (int, "translations to show, at most the beam's width"),
    "--alpha": (float, "how far scores make up for length; 0 does not"),
}
OPTIONS = {**WRITING, **TRANSLATING}


def main(argv: Sequence[str]) -> int:
    """Predict for each input in turn."""
    parser = Parser(
        "predict",
        "What a trained run says of your files: classes with probabilities.",
        [
            "fathom predict runs/lenet-TIME shoe.png",
            "fathom predict runs/lenet-TIME PHOTOS --json",
            'fathom predict runs/char-lstm-TIME "time traveller" --temperature 0.7',
            'fathom predict runs/bahdanau-TIME "They are watching ." --best 4 --plot',
        ],
    )
    parser.add_argument("run", metavar="RUN", help="a run folder, as fathom train writes it")
    parser.add_argument("inputs", metavar="INPUT", nargs="+", help="files, folders of pictures, or text to go on with")
    for flag, (number, meaning) in OPTIONS.items():
        what = "text" if flag in WRITING else "a translation"
        parser.add_argument(flag, type=number, metavar=number.__name__.upper(), help=f"of {what}: {meaning}")
    parser.add_argument("--plot", action="store_true", help="of a translation: draw where each word looked")
    parser.add_argument("--score", action="store_true", help="of text: how probable each is, the likeliest first")
    parser.add_argument("--skip-bad", action="store_true", help="go on after a file that can't be read, and count them")
    words = parser.parse_args(_flags_first(argv))
    folder = RunFolder.open(words.run)
    module = recipes.load(folder.recipe)
    if not hasattr(module, "predict"):
        raise InputError(f"{folder.path}: the recipe {folder.recipe} has nothing to predict")
    settings(folder, module.Config)
    ask = _asked(module, folder, words)
    kind = str(folder.data.get("kind", ""))
    show = partial(print_translation, plot=words.plot) if kind == "pairs" else print_prediction
    done: list[Prediction] = []
    skipped: list[dict[str, str]] = []
    sources = list(_sources(words.inputs, kind))
    for source in sources:
        try:
            with stdout_for_json(words.json), quiet_data(words.quiet):
                found = _predict(ask, folder, source, kind)
        except DataError as error:
            if not words.skip_bad:
                hint = "; --skip-bad goes on after it" if len(sources) > 1 else ""
                raise DataError(f"{error}{hint}") from error
            skipped.append({"input": source, "reason": str(error)})
            print(f"fathom: skipped: {error}", file=sys.stderr)
            continue
        done += found
        if not words.json and not words.score:
            for prediction in found:
                show(prediction)
    if words.score:
        done.sort(key=lambda prediction: -float(prediction.label))
        if not words.json:
            print(table(("ln P", "tokens", "perplexity", "text"), [_scored(entry) for entry in done], right=(0, 1, 2)))
    if skipped and not done:
        raise DataError(f"expected at least one file that can be read, got {len(skipped)} that can't")
    if words.json:
        plain = [dataclasses.asdict(prediction) for prediction in done]
        print_json({"recipe": folder.recipe, "folder": str(folder.path), "predictions": plain, "skipped": skipped})
    elif skipped:
        print(f"skipped {len(skipped)} of {len(skipped) + len(done)}")
    return 0


def _asked(module: ModuleType, folder: RunFolder, words: Any) -> Callable[[RunFolder, str], Any]:
    """The recipe's `predict` with the options given, or its `score`.

    Raises:
        InputError: an option that this recipe has no use for.
    """
    given = {flag: getattr(words, _field(flag)) for flag in OPTIONS if getattr(words, _field(flag)) is not None}
    ask: Callable[..., Any] | None = getattr(module, "score", None) if words.score else module.predict
    known = inspect.signature(ask).parameters if ask else {}
    unfit = [flag for flag in given if _field(flag) not in known] + ["--score"] * (ask is None)
    if ask is None or unfit:
        owner = "translator" if unfit and unfit[0] in TRANSLATING else "language model"
        raise InputError(f"{unfit[0]}: expected with a {owner}, but {folder.path} is of {folder.recipe}; leave it out")
    return partial(ask, **{_field(flag): value for flag, value in given.items()})


def _field(flag: str) -> str:
    return flag[2:].replace("-", "_")


def _scored(prediction: Prediction) -> tuple[str, str, str, str]:
    extra = prediction.extra
    return f"{prediction.label:.2f}", str(extra["tokens"]), f"{extra['perplexity']:.2f}", prediction.input


def _flags_first(argv: Sequence[str]) -> list[str]:
    """The words in an order in which argparse takes `-1,2` for an input."""
    flags: list[str] = []
    inputs: list[str] = []
    words = iter(argv)
    for word in words:
        if word == "--":
            inputs += words
        elif word in OPTIONS:
            flags += [word, *itertools.islice(words, 1)]
        else:
            (flags if word.startswith("--") or word == "-h" else inputs).append(word)
    return [*flags, "--", *inputs]


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


def _predict(ask: Callable[..., Any], folder: RunFolder, source: str, kind: str) -> list[Prediction]:
    if kind in ("images", "table") and not Path(source).is_file():
        what = "a folder" if Path(source).is_dir() else "no such file"
        raise DataError(f"{source}: expected a {'picture' if kind == 'images' else 'CSV file'}, got {what}")
    found = ask(folder, source)
    return [found] if isinstance(found, Prediction) else list(found)
