"""How the command's own process waits and keeps memory: what must be said before torch is imported or works."""

import contextlib
import os

WAITING = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
SPINS = "10000"  # turns of a thread that waits before it sleeps
ALLOCATING = ("MALLOC_", "GLIBC_TUNABLES", "LD_PRELOAD")  # how variables begin by which a user chooses an allocator
TRIM_THRESHOLD, MMAP_MAX = -1, -4  # numbers of mallopt's parameters in glibc's malloc.h


def wait_asleep() -> None:
    """Let a thread of torch's that waits for another fall asleep soon, unless the user has said how it shall wait.

    Else each keeps a processor busy for milliseconds, and beside another program an epoch takes several times as long.
    """
    if not any(name in os.environ for name in WAITING):
        os.environ["GOMP_SPINCOUNT"] = SPINS  # read when torch is imported


def keep_memory() -> None:
    """Let glibc keep for the next tensors what the last ones gave back, unless the user has chosen how to allocate.

    Else it hands each piece above 32 MiB back to the system, which must wipe the pages before it lends them again: two
    fifths of the time of training a network with maps of that size. It takes up to two fifths more memory.

    Source: mallopt(3). Another C library is left as it is.
    """
    if any(name.startswith(ALLOCATING) for name in os.environ):
        return
    import ctypes

    with contextlib.suppress(OSError, AttributeError, TypeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(MMAP_MAX, 0)
        mallopt(TRIM_THRESHOLD, -1)
