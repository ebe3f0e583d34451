"""The words of a command: argparse with one clear line for a wrong one, and help that opens with an example."""

import argparse
import re
from collections.abc import Sequence
from typing import Any, NoReturn

from fathom.errors import InputError
from fathom.registry import unknown


class Parser(argparse.ArgumentParser):
    """`argparse.ArgumentParser` as all commands use it; `--json` and `--quiet` are there already.

    Args:
        command: its name, as it is typed.
        does: what it gives, in one sentence.
        examples: lines to paste; the help opens with them.
    """

    def __init__(self, command: str, does: str, examples: Sequence[str], **options: Any) -> None:
        super().__init__(
            prog=f"fathom {command}",
            description=does,
            allow_abbrev=False,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            **options,
        )
        self.command = command
        self.examples = list(examples)
        self.add_argument("--json", action="store_true", help="one JSON document on stdout, for a program to read")
        self.add_argument("--quiet", action="store_true", help="the result only: no bar, no remarks")

    def format_help(self) -> str:
        """The examples, then what argparse says."""
        return "Example:\n" + "".join(f"  {line}\n" for line in self.examples) + "\n" + super().format_help()

    def error(self, message: str) -> NoReturn:
        """InputError in place of argparse's two lines and exit."""
        if found := re.match(r"unrecognized arguments: (.*)", message):
            word = found[1].split()[0]
            if word.startswith("-"):
                raise self.unknown_flag(word)
            raise InputError(f"{self.command}: expected no further word, got {word!r}; {self._advice()}")
        if found := re.match(r"the following arguments are required: (.*)", message):
            raise InputError(f"{self.command}: expected {found[1]}, got nothing; {self._advice()}")
        raise InputError(f"{self.command}: {message}; {self._advice()}")

    def unknown_flag(self, word: str, more: Sequence[str] = ()) -> InputError:
        """The error for a flag that there is not; suggests one of ours or of `more`."""
        flag = word.partition("=")[0]
        known = [*self.flags(), *more]
        return unknown(f"flag of {self.prog}", flag, known, f"see {self.prog} --help")

    def flags(self) -> list[str]:
        """All long flags."""
        return [option for action in self._actions for option in action.option_strings if option.startswith("--")]

    def _advice(self) -> str:
        return f"write for example: {self.examples[0]}"
