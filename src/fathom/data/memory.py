"""Will it fit? Said before a machine swaps itself to death."""

import math
import os
from collections.abc import Sequence

from fathom.errors import DataError

SHARE = 0.8  # of the machine's memory that one split may take


def check(name: str, examples: int, shape: Sequence[int], bytes_each: int = 4, remedy: str = "a smaller size=") -> None:
    """Refuse examples of `shape` that would not fit in this machine's memory.

    Args:
        bytes_each: of a number: 4 for float32, 1 for pictures kept as uint8.
        remedy: what the user may give instead.

    Raises:
        DataError: they would take more than four fifths of it.
    """
    needed = examples * math.prod(shape) * bytes_each
    try:
        there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows does not say
        return
    if needed > SHARE * there:
        size = "x".join(map(str, shape))
        raise DataError(
            f"{name}: {examples:,} examples of {size} take {needed / 2**30:.1f} GiB, this machine has "
            f"{there / 2**30:.1f}; give {remedy}"
        )
