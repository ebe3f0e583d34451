"""How fast the words that need no torch answer, beside a Python that does nothing and one that imports torch."""

import subprocess
import sys
from collections.abc import Callable

from benchmarks.harness import Comparison, compare

WORDS = (["--help"], ["list"], ["data", "list"], ["train", "lenett"])


def process(*arguments: str) -> Callable[[], object]:
    return lambda: subprocess.run([sys.executable, *arguments], capture_output=True, check=False)


def run(rounds: int) -> list[Comparison]:
    """Compare whole processes."""
    peers = {"python -c pass": process("-c", "pass"), "python -c 'import torch'": process("-c", "import torch")}
    return [
        compare(f"fathom {' '.join(words)}", ("fathom", process("-m", "fathom", *words)), peers, rounds)
        for words in WORDS
    ]
