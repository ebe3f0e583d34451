"""A recipe's figure over many seeds, the last epoch's: `python -m benchmarks.seeds lenet --seeds 5 -- --epochs 10`.

The words behind `--` are settings, as fathom train takes them.
"""

import argparse
import statistics
import sys

from fathom import recipes
from fathom.cli import flags


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.seeds", description=__doc__)
    parser.add_argument("recipe")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--metric", default="test_accuracy")
    words = sys.argv[1:]
    cut = words.index("--") if "--" in words else len(words)
    arguments = parser.parse_args(words[:cut])
    module = recipes.load(arguments.recipe)
    settings = flags.parse(module.Config, words[cut + 1 :], {}, prog=arguments.recipe, others=[])
    figures = []
    for seed in range(arguments.seeds):
        result = module.run(module.Config(**{**settings, "seed": seed}))
        figures.append(result.metrics[arguments.metric])
        print(f"seed {seed}: {arguments.metric} {figures[-1]:.4f} in {result.seconds:.0f} s, {result.data[0].name}")
    spread = f"{min(figures):.3f}–{max(figures):.3f}"
    print(f"mean {statistics.mean(figures):.4f}, standard deviation {statistics.stdev(figures):.4f}, range {spread}")


if __name__ == "__main__":
    main()
