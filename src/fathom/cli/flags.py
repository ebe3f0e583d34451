"""A recipe's `Config` as flags: read by tyro, explained by the docstrings, and one clear line for what does not fit."""

import contextlib
import dataclasses
import difflib
import inspect
import io
import operator
import re
import shutil
import textwrap
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

from fathom.errors import InputError
from fathom.registry import unknown

ANSI = re.compile(r"\x1b\[[0-9;]*m")


def docs(config_class: type) -> dict[str, str]:
    """What each field means, from the `Args:` sections of the class's docstring and its bases'."""
    found: dict[str, str] = {}
    for base in reversed(config_class.__mro__):
        found.update(_args_section(base.__dict__.get("__doc__") or ""))
    return found


def _args_section(docstring: str) -> dict[str, str]:
    lines = docstring.expandtabs().splitlines()
    starts = [number for number, line in enumerate(lines) if line.strip() == "Args:"]
    if not starts:
        return {}
    section = lines[starts[0] + 1 :]
    depth = next((len(line) - len(line.lstrip()) for line in section if line.strip()), 0)
    found: dict[str, str] = {}
    names: list[str] = []
    for line in section:
        indent = len(line) - len(line.lstrip())
        if not line.strip() or indent < depth:
            break
        if indent == depth and (entry := re.match(r"([\w, ]+): *(.*)", line.strip())):
            names = [name.strip() for name in entry[1].split(",")]
            found.update(dict.fromkeys(names, entry[2]))
        else:
            found.update({name: f"{found[name]} {line.strip()}".strip() for name in names})
    return found


def flag(name: str) -> str:
    """`batch_size` as it is typed: `--batch-size`; `from_`, which Python can't call otherwise, is `--from`."""
    return "--" + name.rstrip("_").replace("_", "-")


def given(config_class: type, words: Sequence[str]) -> set[str]:
    """The fields that `words` set."""
    names = {entry.name for entry in dataclasses.fields(config_class)}
    found = set()
    for word in words:
        if name := _field(word, names):
            found.add(name)
    return found


def _field(word: str, names: set[str]) -> str:
    """The field that the flag `word` sets, with or without `no-` in front; "" for none."""
    if not word.startswith("--"):
        return ""
    plain = word[2:].partition("=")[0].replace("-", "_")
    for name in (plain, f"{plain}_"):
        if name in names:
            return name
    return plain[3:] if plain.startswith("no_") and plain[3:] in names else ""


def parse(
    config_class: type, words: Sequence[str], defaults: Mapping[str, Any], *, prog: str, others: Sequence[str] = ()
) -> dict[str, Any]:
    """Every field's value: from `words` where they set it, else from `defaults`.

    Args:
        prog: the command, for messages.
        others: flags that the command knows besides, for suggestions.

    Raises:
        InputError: an unknown flag, a value of another type, a word too many.
    """
    import tyro

    names = {entry.name for entry in dataclasses.fields(config_class)}
    for word in words:
        if word.startswith("--") and not _field(word, names):
            raise unknown(f"flag of {prog}", word.partition("=")[0], [*map(flag, names), *others], f"see {prog} --help")
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            groups: Any = tyro.cli(_flags(config_class, defaults), args=list(words), prog=prog)
    except SystemExit:
        raise _explain(config_class, words, prog, said.getvalue()) from None
    values: dict[str, Any] = {}
    for group in dataclasses.fields(groups):
        part = getattr(groups, group.name)
        values.update({entry.name: getattr(part, entry.name) for entry in dataclasses.fields(part)})
    return values


def help_text(config_class: type, *, prog: str, description: str, commands: Mapping[str, str]) -> str:
    """The help: tyro's account of the fields, and the command's own flags below.

    Args:
        commands: flags of the command and what they do.
    """
    import tyro

    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit):
        tyro.cli(_flags(config_class, {}), args=["--help"], prog=prog, description=description)
    width = max(map(len, commands))
    shape: Any = {"width": min(shutil.get_terminal_size().columns, 100), "subsequent_indent": " " * (width + 4)}
    rows = [textwrap.fill(f"  {name:{width}}  {does}", **shape) for name, does in commands.items()]
    lines = [line.rstrip() for line in printed.getvalue().rstrip().splitlines()]
    return "\n".join([*lines, "", "Flags of the command:", *rows, ""])


def _flags(config_class: type, defaults: Mapping[str, Any]) -> type:
    """A dataclass with the same fields in two groups, for tyro; it lacks `Config`'s checks, whose messages are ours."""
    import tyro

    said, hints = docs(config_class), get_type_hints(config_class)
    own = inspect.get_annotations(config_class)
    groups: dict[str, list[Any]] = {"recipe": [], "training": []}
    for entry in dataclasses.fields(config_class):
        documented = hints[entry.name], tyro.conf.arg(name=entry.name.rstrip("_"), help=said.get(entry.name, ""))
        explained: Any = operator.getitem(Annotated, documented)  # the form for a type that is known only now
        default = defaults.get(entry.name, _default(entry))
        field: Any = dataclasses.field(default_factory=partial(_same, default))
        groups["recipe" if entry.name in own else "training"].append((entry.name, explained, field))
    parts: list[Any] = []
    for name, fields in groups.items():
        if fields:
            group: Any = dataclasses.make_dataclass(name.title(), fields, kw_only=True)
            group.__doc__ = ""
            parts.append(
                (name, operator.getitem(tyro.conf.OmitArgPrefixes, group), dataclasses.field(default_factory=group))
            )
    return dataclasses.make_dataclass("Flags", parts)


def _same(value: Any) -> Any:
    return value


def _default(entry: "dataclasses.Field[Any]") -> Any:
    if entry.default_factory is not dataclasses.MISSING:
        return entry.default_factory()
    return entry.default


def _explain(config_class: type, words: Sequence[str], prog: str, boxes: str) -> InputError:
    """Which word did not fit, in one line; what tyro said, without its box, where we can't tell."""
    hints = get_type_hints(config_class)
    names = set(hints)
    stray: list[str] = []
    current = ""
    values: dict[str, list[str]] = {}
    for word in words:
        if name := _field(word, names):
            current = name
            values[current] = [word.partition("=")[2]] if "=" in word else []
        elif current and (not values[current] or get_origin(hints[current]) in (tuple, list)):
            values[current].append(word)
        else:
            stray.append(word)
    for name, found in values.items():
        if problem := _misfit(hints[name], found):
            return InputError(f"{flag(name)}: {problem}")
    stray += [word for name, found in values.items() if hints[name] is bool for word in found]
    if stray:
        near = difflib.get_close_matches(stray[0].replace("_", "-"), [flag(name)[2:] for name in names], n=1)
        advice = f"did you mean --{near[0]}?" if near else f"see {prog} --help"
        return InputError(
            f"{prog.removeprefix('fathom ')}: expected flags after the recipe's name, got {stray[0]!r}; {advice}"
        )
    plain = " ".join(re.sub(r"[─│╭╮╰╯┌┐└┘|+]", " ", ANSI.sub("", boxes)).split())
    return InputError(f"{prog.removeprefix('fathom ')}: {plain}")


def _misfit(wanted: Any, found: Sequence[str]) -> str:
    """What is wrong with the words given for a field of that type; "" for nothing that we know of."""
    if wanted is bool:
        return ""
    if get_origin(wanted) is Literal:
        choices = [str(choice) for choice in get_args(wanted)]
        if not found:
            return f"expected one of {', '.join(choices)}, got nothing"
        if found[0] not in choices:
            near = difflib.get_close_matches(found[0], choices, n=1)
            advice = f"; did you mean {near[0]}?" if near else ""
            return f"expected one of {', '.join(choices)}, got {found[0]!r}{advice}"
        return ""
    kinds = [wanted] if wanted in (int, float, str) else [kind for kind in get_args(wanted) if kind in (int, float)]
    if not kinds:
        return ""
    said = {int: "a whole number", float: "a number", str: "a word"}[kinds[0]]
    if not found:
        return "" if get_origin(wanted) in (tuple, list) else f"expected {said}, got nothing"
    for word in found:
        try:
            kinds[0](word)
        except ValueError:
            if word != "None" or type(None) not in get_args(wanted):
                return f"expected {said}, got {word!r}"
    return ""
