"""`fathom eval`: a trained run, measured again on its test data, and looked into."""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from fathom import recipes
from fathom.cli.parser import Parser
from fathom.cli.printing import print_json, print_result, quiet_data, stdout_for_json, table
from fathom.cli.settings import settings
from fathom.errors import InputError
from fathom.records import Result, RunFolder

if TYPE_CHECKING:
    from fathom.recipes.common.inside import Inside


def main(argv: Sequence[str]) -> int:
    """Measure, look inside if that is asked for, and print."""
    words = _parser().parse_args(argv)
    for flag, given in (("--layer", words.layer), ("--image", words.image)):
        if given and not words.pictures:
            raise InputError(f"{flag}: expected together with --pictures, which draws it, got it alone; add --pictures")
    if words.attention is not None and (words.pictures or words.mirrored):
        given = "--pictures" if words.pictures else "--mirrored"
        raise InputError(f"--attention: expected without {given}, since it measures nothing; give one of the two")
    if words.pictures and words.mirrored:
        raise InputError("--mirrored: expected without --pictures, which shows each picture once; give one of the two")
    folder = RunFolder.open(words.run)
    module = recipes.load(folder.recipe)
    if words.attention is not None:
        return _attention(folder, module, words)
    looked = words.pictures or words.mirrored
    if not looked and not hasattr(module, "measure"):
        raise InputError(f"{folder.path}: the recipe {folder.recipe} has nothing to measure again; see its result.json")
    settings(folder, module.Config)
    with stdout_for_json(words.json), quiet_data(words.quiet):
        result, inside = _of_pictures(folder, module, words) if looked else (module.measure(folder), None)
    if words.json:
        print_json(dataclasses.asdict(result) | (inside.plain() if inside else {}))
        return 0
    print_result(result, [*map(str, inside.pictures)] if inside else (), quiet=words.quiet)
    if inside:
        _print_inside(inside, quiet=words.quiet)
    return 0


def _parser() -> Parser:
    parser = Parser(
        "eval",
        "Measure a trained run again on its test data: all, or as many as its --limit says.",
        [
            "fathom eval runs/lenet-TIME",
            "fathom eval runs/lenet-TIME --pictures",
            "fathom eval runs/lenet-TIME --pictures --layer 1 --image shoe.png",
            'fathom eval runs/gpt-char-TIME --attention "To be, or not to be"',
        ],
    )
    parser.add_argument("run", metavar="RUN", help="a run folder, as fathom train writes it")
    parser.add_argument(
        "--pictures",
        action="store_true",
        help="look inside: into RUN/pictures go confusion matrix, precision and recall by class, calibration, worst "
        "errors, filters, feature maps and Grad-CAM, as far as the model has them",
    )
    parser.add_argument("--layer", metavar="NAME", default="", help="of feature maps and Grad-CAM (default: the last)")
    parser.add_argument(
        "--image",
        metavar="FILE",
        action="append",
        default=[],
        help="your own picture for feature maps and Grad-CAM; may be given several times",
    )
    parser.add_argument(
        "--mirrored",
        action="store_true",
        help="answer each test picture together with its mirror image: the mean of both probabilities counts",
    )
    parser.add_argument(
        "--attention",
        metavar="TEXT",
        help="measure nothing, but draw where every head of every layer looks as it reads a text, or translates it; of "
        "a model of pictures, a file",
    )
    return parser


def _attention(folder: RunFolder, module: Any, words: Any) -> int:
    from fathom.recipes.common import attended

    settings(folder, module.Config)
    with stdout_for_json(words.json), quiet_data(words.quiet):
        looks = attended.of_run(module, folder, words.attention)
        drawn = [str(path) for path in attended.draw(folder, looks)]
    if words.json:
        layers = [layer.plain() for layer in looks]
        print_json({"recipe": folder.recipe, "folder": str(folder.path), "attention": layers, "pictures": drawn})
    else:
        print("\n".join(drawn))
    return 0


def _of_pictures(folder: RunFolder, module: Any, words: Any) -> tuple[Result, "Inside | None"]:
    from fathom.recipes.common import inside

    recipe = inside.classifier(folder, module, "--pictures" if words.pictures else "--mirrored")
    if words.mirrored and folder.data["kind"] != "images":
        raise InputError(f"--mirrored: expected a run on pictures, got {folder.path}, on rows of numbers; leave it out")
    opened = recipe.opened(folder)
    found = inside.look(folder, opened, words.layer, words.image) if words.pictures else None
    return recipe.measured(folder, opened, mirrored=words.mirrored), found


def _print_inside(inside: "Inside", *, quiet: bool) -> None:
    from fathom.plot.page import number

    rows = [
        (entry["class"], *(number(entry[name]) for name in ("precision", "recall", "f1", "support")))
        for entry in inside.by_class()
    ]
    print()
    print(table(("class", "precision", "recall", "F1", "examples"), rows, right=(1, 2, 3, 4)))
    calibration = inside.answers.calibration
    print()
    if len(inside.classes) > 5:
        print(f"top-5 accuracy: {number(inside.answers.top(5))}")
    widest = max(calibration.bins, key=lambda entry: abs(entry.gap))
    print(
        f"calibration error: expected {number(calibration.expected_error)}, "
        f"largest {number(abs(widest.gap))} (examples in that bin: {widest.count})"
    )
    for sentence in () if quiet else inside.left_out:
        print(f"no picture of {sentence}")
