"""Run the benchmarks named on the command line, or all, at one thread and at two, and print Markdown.

With `--out docs/benchmarks` each also becomes the page NAME.md there. The number of threads holds for torch and, where
threadpoolctl is installed, for the BLAS under NumPy.
"""

import argparse
import importlib
import os
import platform
from pathlib import Path

import numpy as np
import torch

from benchmarks.harness import table

NAMES = sorted(path.stem.removeprefix("bench_") for path in Path(__file__).parent.glob("bench_*.py"))


def processor() -> str:
    """The processor's name as the system tells it."""
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def limit(threads: int) -> None:
    """Let torch and the BLAS under NumPy use so many threads from now on."""
    torch.set_num_threads(threads)
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:
        print("threadpoolctl is not installed: NumPy's BLAS takes the threads that OPENBLAS_NUM_THREADS says\n")
    else:
        threadpool_limits(threads, user_api="blas")


def machine() -> str:
    """Processor, cores and versions, on which every figure depends."""
    versions = f"torch {torch.__version__}, NumPy {np.__version__}, Python {platform.python_version()}"
    return f"{processor()}, {os.cpu_count()} cores; {versions}"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"any of: {', '.join(NAMES)}; all if none is given")
    parser.add_argument("--threads", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="where each benchmark's page NAME.md is written")
    arguments = parser.parse_args()
    for name in set(arguments.names) - set(NAMES):
        parser.error(f"unknown benchmark {name!r}; there are: {', '.join(NAMES)}")
    for name in arguments.names or NAMES:
        module = importlib.import_module(f"benchmarks.bench_{name}")
        command = f"python -m benchmarks {name} --rounds {arguments.rounds}"
        page = [f"# {name}", module.__doc__.strip(), f"`{command}` on {machine()}."]
        print("\n\n".join(page), flush=True)
        for threads in arguments.threads:
            limit(threads)
            heading = f"## {threads} thread{'s' if threads > 1 else ''}"
            print(f"\n{heading}\n", flush=True)
            measured = table(module.run(arguments.rounds))
            print(measured, flush=True)
            page += [heading, measured]
        if arguments.out is not None:
            arguments.out.mkdir(parents=True, exist_ok=True)
            (arguments.out / f"{name}.md").write_text("\n\n".join(page) + "\n", encoding="utf-8")
        print(flush=True)


if __name__ == "__main__":
    main()
