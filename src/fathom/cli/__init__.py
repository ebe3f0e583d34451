"""The command line: turns words into settings, calls one function, prints what it gives.

Each command is a file with `main(argv) -> int` that is imported only when it is asked for.
"""

import contextlib
import errno
import io
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from importlib import import_module
from types import FrameType

from fathom.cli.process import keep_memory, wait_asleep
from fathom.errors import FathomError, InputError

COMMANDS = {
    "list": ("listing", "recipes: book section or paper, data, published figure"),
    "show": ("show", "a model: layers, shapes, parameters, FLOPs; a recipe: its settings"),
    "train": ("train", "train a recipe and set its figure beside the published one"),
    "eval": ("evaluate", "measure a trained run again on its test data"),
    "predict": ("predict", "what a trained run says of your files"),
    "export": ("export", "a trained model as ONNX, torch.export or safetensors, checked"),
    "ladder": ("ladder", "every layer from scratch beside the framework's: values, gradients, time"),
    "report": ("report", "every recipe's newest result beside its published figure, as a page"),
    "data": ("data", "data sets: list, get, verify, path"),
}

HELP = """Example:
  fathom train lenet

Usage: fathom COMMAND [words and flags]

Commands:
{commands}

Everywhere:
  --help      what a command takes, with an example to paste
  --json      one JSON document on stdout, for a program to read
  --quiet     the result only: no bar, no remarks
  --version   the version of fathom

Environment:
  FATHOM_DATA      folders where data sets lie, separated as in PATH
  FATHOM_CACHE     where downloads are kept
  FATHOM_OFFLINE   1 forbids the network; samples in the package stand in
  NO_COLOR         no colours

Exit codes: 0 good; 1 the run or a check failed; 2 a wrong word or bad input;
130 and 143 stopped by SIGINT and SIGTERM, after saving.
"""

NAMES = (errno.ENAMETOOLONG, errno.ELOOP)
DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that `argv` says (default: the process's own words) and return its exit code.

    Expected failures are one line on stderr; an exception that leaves this function is a bug.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    _say_anything()
    wait_asleep()
    if argv is None and "train" in words:
        keep_memory()
    with _noting_interrupts() as interrupts:
        try:
            code = _run(words)
            sys.stdout.flush()
        except KeyboardInterrupt:
            return _complain("interrupted", 130)
        except BrokenPipeError:
            return _reader_has_gone()
        except Exception as error:
            message, code = _expected(error)
            if not message and interrupts:  # one in the midst of an import, say, can make that fail otherwise
                message, code = "interrupted", 130
            if not message:
                raise
            return _complain(message, code)
    return code


def _expected(error: Exception) -> tuple[str, int]:
    """What to say of a failure that is no bug, and the exit code; "" for all others."""
    if isinstance(error, FathomError):
        return str(error), error.exit_code
    if isinstance(error, OSError) and error.errno in DISK:
        return f"{error.filename or 'output'}: {error.strerror}; make room or give another place", 1
    if isinstance(error, OSError) and error.errno in NAMES:
        return f"{str(error.filename)[:80]}: {error.strerror}; give another", 2
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError" or "allocate memory" in str(error):
        return "the machine's memory is not enough; give a smaller model, --batch-size or size of pictures", 1
    return "", 0


def _run(words: list[str]) -> int:
    if "--version" in words:
        from fathom import __version__

        print(f"fathom {__version__}")
        return 0
    first = next((place for place, word in enumerate(words) if word not in ("--json", "--quiet")), len(words))
    everywhere, rest = words[:first], words[first:]
    if not rest or rest[0] in ("--help", "-h", "help"):
        print(HELP.format(commands="\n".join(f"  {name:9} {does}" for name, (_, does) in COMMANDS.items())), end="")
        return 0
    name = rest[0]
    if name not in COMMANDS:
        raise _unknown_command(name)
    command = import_module(f"fathom.cli.{COMMANDS[name][0]}")
    try:
        return int(command.main([*everywhere, *rest[1:]]))
    except SystemExit as end:  # a parser that has printed its help
        return int(end.code or 0)


def _unknown_command(name: str) -> InputError:
    from fathom import recipes
    from fathom.registry import unknown

    if name.startswith("-"):
        return unknown("flag", name, ("--help", "--version", "--json", "--quiet"), "see fathom --help")
    if name.replace("_", "-") in recipes.names():
        return InputError(f"expected a command, got the recipe {name!r}; write fathom train {name}")
    return unknown("command", name, COMMANDS)


def _say_anything() -> None:
    """What the terminal's encoding lacks, as names of files may have it, is written as an escape."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


@contextlib.contextmanager
def _noting_interrupts() -> Iterator[list[int]]:
    """Collects the SIGINTs that come, which interrupt as ever."""
    received: list[int] = []
    before = signal.getsignal(signal.SIGINT)

    def note(number: int, frame: FrameType | None) -> None:
        received.append(number)
        signal.default_int_handler(number, frame)

    if before is not signal.default_int_handler or threading.current_thread() is not threading.main_thread():
        yield received
        return
    signal.signal(signal.SIGINT, note)
    try:
        yield received
    finally:
        signal.signal(signal.SIGINT, before)


def _complain(message: str, code: int) -> int:
    with contextlib.suppress(OSError):
        sys.stdout.flush()
        print(f"fathom: {' '.join(message.split())}", file=sys.stderr, flush=True)
    return code


def _reader_has_gone() -> int:
    """What `fathom list | head -1` needs: nobody reads on, so nothing more is said, at shutdown neither."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
    return 141  # 128 + SIGPIPE, as other tools give
