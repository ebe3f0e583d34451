"""`fathom train`: a recipe's run, live, in a run folder, with its figure beside the published one."""

import contextlib
import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from fathom import recipes
from fathom.cli.parser import Parser
from fathom.cli.printing import print_json, print_result, quiet_data, stdout_for_json
from fathom.cli.settings import settings
from fathom.errors import DivergedError, InputError, RunFolderError
from fathom.records import LOCK, Published, Result, RunFolder

EXAMPLES = [
    "fathom train lenet",
    "fathom train lenet --epochs 3 --lr 0.5 --out runs/try",
    "fathom train lenet --data images:PHOTOS",
    "fathom train --resume runs/try --epochs 10",
]
SETTINGS = ("config.json", "data.json", LOCK)  # what is in a run folder before anything is trained
COMMAND_FLAGS = {
    "--out DIR": "the run folder (default: runs/NAME-TIME)",
    "--resume RUN": "go on with the run in that folder; of its settings only --epochs may grow",
    "--plot": "draw the curves in the terminal",
    "--profile": "write a torch.profiler trace and print the operations that take most time",
    "--skip-bad": "leave out pictures that can't be decoded, and count them",
    "--json": "one JSON document on stdout, for a program to read",
    "--quiet": "the result only: no bar, no remarks",
}


def main(argv: Sequence[str]) -> int:
    """Train, draw, print the result."""
    words, name, rest = _words(argv)
    module = recipes.load(name)
    prog = f"fathom train {name}"
    if "--help" in rest or "-h" in rest:
        print(_help(module, name), end="")
        return 0
    folder = RunFolder.open(words.resume, recipe=name) if words.resume else None
    if folder is not None and words.out is not None and Path(words.out).resolve() != folder.path.resolve():
        raise InputError(
            f"--out: expected none beside --resume {folder.path}, got {words.out}; a run stays in its folder"
        )
    config = _config(module, rest, folder, prog, skip_bad=words.skip_bad)
    with stdout_for_json(words.json), quiet_data(words.quiet):
        if folder is not None and (result := _finished(folder, config)) is not None:
            pictures = sorted(map(str, folder.path.glob("*.png")))
        else:
            result, pictures = _run(module, name, config, folder, words)
    if words.json:
        print_json(dataclasses.asdict(result))
    else:
        print_result(result, pictures, quiet=words.quiet)
    return 0


def _words(argv: Sequence[str]) -> tuple[Any, str, list[str]]:
    """The command's own flags, the recipe's name, and all other words."""
    parser = Parser(
        "train", "Train a recipe.", EXAMPLES, add_help=False, usage="fathom train NAME [flags]",
        epilog="fathom train NAME --help lists the flags of one recipe; fathom list has the names.",
    )  # fmt: skip
    for name, does in COMMAND_FLAGS.items():
        flag, _, value = name.partition(" ")
        if value:
            parser.add_argument(flag, metavar=value, help=does)
        elif flag not in parser.flags():
            parser.add_argument(flag, action="store_true", help=does)
    words, rest = parser.parse_known_args(argv)
    known = set(recipes.names())
    place = 0 if rest and not rest[0].startswith("-") else None
    if place is None:
        place = next((number for number, word in enumerate(rest) if word.replace("_", "-") in known), None)
    if place is not None:
        name = str(recipes.summary(rest.pop(place))["name"])
    elif "--help" in rest or "-h" in rest:
        parser.print_help()
        raise SystemExit(0)
    elif words.resume:
        name = RunFolder.open(words.resume).recipe
        if name not in known:
            raise RunFolderError(f"{words.resume} is a run of {name!r}, a recipe that this version does not have")
    else:
        raise InputError("train: expected a recipe's name, got none; see fathom list, then: fathom train lenet")
    return words, name, rest


def _help(module: ModuleType, name: str) -> str:
    from fathom.cli.flags import ANSI, help_text
    from fathom.cli.printing import colour

    text = help_text(
        module.Config,
        prog=f"fathom train {name}",
        description=(module.__doc__ or "").strip(),
        commands=COMMAND_FLAGS,
    )
    return f"Example:\n  fathom train {name} --epochs 3\n\n{text if colour() else ANSI.sub('', text)}"


def _config(module: ModuleType, rest: Sequence[str], folder: RunFolder | None, prog: str, *, skip_bad: bool) -> Any:
    """The settings: the recipe's, or the resumed run's, with those that the flags set."""
    from fathom.cli import flags
    from fathom.data.loading import absolute

    config_class = module.Config
    before = dataclasses.asdict(settings(folder, config_class)) if folder else {}
    others = [name.partition(" ")[0] for name in COMMAND_FLAGS]
    values = flags.parse(config_class, rest, before, prog=prog, others=others)
    values["data"] = absolute(_skipping(values["data"]) if skip_bad else values["data"])
    if (start := values.get("from_")) and Path(start).expanduser().exists():
        values["from_"] = str(Path(start).expanduser().resolve())
    if folder:
        before["data"] = absolute(before["data"])
        for name in sorted(flags.given(config_class, rest)):
            _check_resumed(folder, name, before[name], values[name])
        if skip_bad:
            _check_resumed(folder, "skip_bad", before["data"], values["data"])
    return config_class(**values)


def _check_resumed(folder: RunFolder, name: str, before: Any, now: Any) -> None:
    from fathom.cli.flags import flag

    if now == before or (name == "epochs" and now > before):
        return
    if name == "epochs":
        raise RunFolderError(f"--epochs: the run in {folder.path} has {before}, got {now}; it may grow, but not shrink")
    raise RunFolderError(
        f"{flag(name)}: the run in {folder.path} has {before}, got {now}; leave it out, or train anew without --resume"
    )


def _skipping(data: str) -> str:
    if not data.startswith(("images:", "contest:", "imagenet")):
        raise InputError(f"--skip-bad: expected pictures of your own (--data images:DIR), got the data {data!r}")
    return data if "skip_bad=" in data else f"{data},skip_bad=true"


def _finished(folder: RunFolder, config: Any) -> Result | None:
    """The result of a run that has nothing left to do."""
    try:
        result = folder.result
    except RunFolderError:  # a damaged result is made again
        return None
    return result if result is not None and result.config.get("epochs") == config.epochs else None


def _run(module: ModuleType, name: str, config: Any, folder: RunFolder | None, words: Any) -> tuple[Result, list[str]]:
    from fathom import devices, plot, train

    devices.choose(config.device)  # complains before anything is written
    with _new_folder(name, config, words.out, folder) as (run, new), run.locked():
        published = [Published(**entry) for entry in module.PUBLISHED]
        listeners: list[Any] = [plot.Curves(run, published)]
        if words.plot:
            listeners.append(plot.LiveCurve())
        if not words.quiet and not (words.plot and listeners[-1].live):
            listeners.insert(0, train.Bar())
        profile = train.Profile(run.path) if words.profile else None
        if profile is not None:
            listeners.append(profile)
        if train.TensorBoard.available():
            listeners.append(train.TensorBoard(run.path))
        if not words.quiet:
            doing = "training" if new else "going on with"
            listeners.insert(0, Announcement(f"{doing} {name}, data {config.data}, in {run.path}"))
        result = module.run(config, run, listeners=listeners)
        pictures = [run.path / "curves.png", *(module.draw(run) if hasattr(module, "draw") else [])]
        if profile is not None:
            print(f"{profile.table}\ntrace: {profile.trace}")
    return result, [str(path) for path in pictures if Path(path).is_file()]


class Announcement:
    """Listener that prints a line once the first step is done: by then the data have proved to be good."""

    def __init__(self, line: str) -> None:
        self.line = line

    def step(self, progress: Any) -> None:
        """Print it, the first time."""
        if self.line:
            print(self.line, flush=True)
        self.line = ""

    def epoch(self, progress: Any) -> None:
        """Epochs don't matter."""

    def end(self, progress: Any) -> None:
        """Nothing to do."""


@contextlib.contextmanager
def _new_folder(name: str, config: Any, out: str | None, resumed: RunFolder | None) -> Iterator[tuple[RunFolder, bool]]:
    """The run folder, and whether it is new; one in which nothing was trained is taken away again."""
    if resumed is not None:
        yield resumed, False
        return
    wanted = Path("runs" if out is None else out)
    new = [path for path in (wanted, *wanted.parents) if not path.exists()]
    run = RunFolder.create(name, dataclasses.asdict(config), out)
    try:
        yield run, True
    except BaseException as error:
        if not isinstance(error, DivergedError):
            _clear(run.path, new if out is not None else [run.path, *new])
        raise


def _clear(folder: Path, new: Sequence[Path]) -> None:
    """Empty a run folder in which nothing was trained, and take away those of the `new` folders that are empty then."""
    trained = [path for path in folder.rglob("*") if path.is_file() and path.name not in SETTINGS]
    if any(path.parent.name != "tensorboard" for path in trained):
        return
    import shutil

    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        for path in new:
            path.rmdir()
