"""Locks between processes, held on a file; one that dies lets go of its own."""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def locked(path: Path, *, wait: bool = True) -> Iterator[None]:
    """Hold the lock of the file `path`, which is made if it is not there and stays.

    Args:
        wait: until whoever has it lets go.

    Raises:
        BlockingIOError: another has it, and `wait` is False.
        OSError: the file can't be written, or its disk knows no locks.
    """
    with path.open("a+b") as file:
        if sys.platform == "win32":
            import msvcrt

            try:
                msvcrt.locking(file.fileno(), msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
            except PermissionError as error:
                raise BlockingIOError(error.errno, "another process holds the lock", str(path)) from error
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield  # the file stays: taking it away would let two processes hold two locks of one name
