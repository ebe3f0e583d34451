"""`fathom eval`: a trained run, measured again on all of its test data."""

import dataclasses
from collections.abc import Sequence

from fathom import recipes
from fathom.cli.parser import Parser
from fathom.cli.printing import print_json, print_result, quiet_data, stdout_for_json
from fathom.cli.settings import settings
from fathom.errors import InputError
from fathom.records import RunFolder


def main(argv: Sequence[str]) -> int:
    """Measure and print."""
    parser = Parser("eval", "Measure a trained run again on all of its test data.", ["fathom eval runs/lenet-TIME"])
    parser.add_argument("run", metavar="RUN", help="a run folder, as fathom train writes it")
    words = parser.parse_args(argv)
    folder = RunFolder.open(words.run)
    module = recipes.load(folder.recipe)
    if not hasattr(module, "measure"):
        raise InputError(f"{folder.path}: the recipe {folder.recipe} has nothing to measure again; see its result.json")
    settings(folder, module.Config)
    with stdout_for_json(words.json), quiet_data(words.quiet):
        result = module.measure(folder)
    if words.json:
        print_json(dataclasses.asdict(result))
    else:
        print_result(result, quiet=words.quiet)
    return 0
