import os
import platform
import subprocess
import sys

import pytest

from fathom.cli.process import ALLOCATING

FAULTS = """
import resource, sys
from fathom.cli.process import keep_memory
if sys.argv[1] == "keep":
    keep_memory()
import torch
def work():
    for _ in range(3):
        torch.ones(10_000_000).mul(2)
for _ in range(20):  # what is kept lies in pieces at first, so it takes a few turns until every tensor finds one
    work()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
work()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(word, **variables):
    """Pages that the system had to give while tensors of 38 MiB were made again after many turns."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith(ALLOCATING)}
    done = subprocess.run(
        [sys.executable, "-c", FAULTS, word], env={**plain, **variables}, capture_output=True, text=True, check=True
    )
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is told to keep memory")
def test_memory_is_kept_unless_the_user_has_chosen_how_to_allocate():
    assert faults("keep") < 1000
    assert faults("leave") > 10_000
    assert faults("keep", MALLOC_ARENA_MAX="2") > 10_000
