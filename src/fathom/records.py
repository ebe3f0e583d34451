"""What a run leaves behind: published figures, results, predictions, run folders, and JSON that loses nothing."""

import contextlib
import dataclasses
import itertools
import json
import math
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from fathom.errors import RunFolderError, SaveError
from fathom.locks import locked


@dataclass(frozen=True, kw_only=True)
class Published:
    """A figure that a book or paper prints.

    Args:
        metric: our name of it, with the split in front (`test_accuracy`).
        value: the number; None where the source only draws a curve.
        split: the examples it is of (`training images`).
        source: author, year, section or table.
        note: in what the source's setting differs from the recipe's default, if it does.
    """

    metric: str
    value: float | None
    split: str
    source: str
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class DataUsed:
    """Which examples a result saw.

    Args:
        name: the dataset's name or the user's `KIND:PATH`.
        origin: `folder` (FATHOM_DATA), `cache`, `download`, `sample` (embedded), `package` (embedded, and the whole
            set), `generated`, `user`, or `function` (no data: points walk over a given function).
        path: where the bytes were found; empty for generated sets.
        sha256: of each source file, or one digest over all of them under the key `all`.
        sizes: number of examples by split.
    """

    name: str
    origin: str
    path: str = ""
    sha256: Mapping[str, str] = field(default_factory=dict)
    sizes: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Result:
    """All that a finished run has to say: `--json` prints it, `result.json` holds it, the report reads it.

    Args:
        recipe: the recipe's name.
        config: every field of its `Config`.
        metrics: final numbers by name (`test_accuracy`, fractions in 0–1; `..._loss` in nats).
        history: one dict an epoch, `epoch` counted from 1.
        published: the figures that the source prints.
        data: which examples were seen.
        environment: versions, device, threads.
        seconds: time spent training and measuring, over all sittings.
        folder: the run folder; empty if nothing was written.
        notes: sentences that a reader of the figures must know (other settings, sample data).
    """

    recipe: str
    config: Mapping[str, Any]
    metrics: Mapping[str, float]
    history: tuple[Mapping[str, float], ...] = ()
    published: tuple[Published, ...] = ()
    data: tuple[DataUsed, ...] = ()
    environment: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    folder: str = ""
    notes: tuple[str, ...] = ()

    def to_json(self) -> str:
        """This result as JSON text; `from_json` gives an equal one back."""
        plain = dataclasses.asdict(self)
        return dump_json({name: list(value) if isinstance(value, tuple) else value for name, value in plain.items()})

    @classmethod
    def from_json(cls, text: str) -> "Result":
        """The result that `to_json` wrote; what a later version wrote besides is left out.

        Raises:
            ValueError, TypeError, KeyError, AttributeError: the text is no result.
        """
        values = dict(load_json(text))
        values["published"] = tuple(_known(Published, entry) for entry in values.get("published", ()))
        values["data"] = tuple(_known(DataUsed, entry) for entry in values.get("data", ()))
        values["history"] = tuple(values.get("history", ()))
        values["notes"] = tuple(values.get("notes", ()))
        return _known(cls, values)._checked()

    def _checked(self) -> "Result":
        """Itself, if what ought to be a number or a text is one; else ValueError."""
        records = [self.metrics, *self.history, *(used.sizes for used in self.data)]
        figures = [entry.value for entry in self.published if entry.value is not None]
        numbers = [self.seconds, *figures, *(number for record in records for number in record.values())]
        named = [*dict(self.config), *dict(self.environment)]
        texts = [self.recipe, self.folder, *self.notes, *named, *(used.name for used in self.data)]
        for kind, what, values in ((int | float, "number", numbers), (str, "text", texts)):
            if wrong := [value for value in values if not isinstance(value, kind)]:
                raise ValueError(f"expected a {what}, got {wrong[0]!r}")
        return self


T = TypeVar("T")


def _known(kind: type[T], plain: Mapping[str, Any]) -> T:
    """An object of the dataclass `kind` from those entries of `plain` that it has."""
    names = {entry.name for entry in dataclasses.fields(kind)}  # type: ignore[arg-type]
    return kind(**{name: value for name, value in plain.items() if name in names})


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """What a trained model says of one input.

    Args:
        input: the file name or text that was given.
        label: the class or value predicted.
        probabilities: of the classes, largest first; empty for regression.
        extra: whatever else the recipe has to say.
    """

    input: str
    label: str | float
    probabilities: Mapping[str, float] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)


# --- JSON that keeps tuples, NaN, infinities and integer keys -------------------------------------------------------


def to_plain(value: Any) -> Any:
    """`value` in what strict JSON can say; `from_plain` is its inverse."""
    if isinstance(value, float) and not math.isfinite(value):
        return {"$float": repr(value)}
    if isinstance(value, tuple):
        return {"$tuple": [to_plain(item) for item in value]}
    if isinstance(value, list):
        return [to_plain(item) for item in value]
    if isinstance(value, Mapping):
        if all(isinstance(key, str) and not key.startswith("$") for key in value):
            return {key: to_plain(item) for key, item in value.items()}
        return {"$items": [[to_plain(key), to_plain(item)] for key, item in value.items()]}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    raise TypeError(f"expected numbers, text, lists, tuples or dicts, got {type(value).__name__}")


def from_plain(value: Any) -> Any:
    """Inverse of `to_plain`."""
    if isinstance(value, list):
        return [from_plain(item) for item in value]
    if not isinstance(value, dict):
        return value
    if "$float" in value:
        return float(value["$float"])
    if "$tuple" in value:
        return tuple(from_plain(item) for item in value["$tuple"])
    if "$items" in value:
        return {from_plain(key): from_plain(item) for key, item in value["$items"]}
    return {key: from_plain(item) for key, item in value.items()}


def dump_json(value: Any, indent: int | None = 2) -> str:
    """Strict JSON of `value`, non-finite numbers and tuples included; numbers come back exactly."""
    return json.dumps(to_plain(value), indent=indent, ensure_ascii=False, allow_nan=False)


def load_json(text: str) -> Any:
    """What `dump_json` wrote."""
    return from_plain(json.loads(text))


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary name beside `path` to write to; it takes the place of `path` only if all went well.

    The bytes are on the disk (fsync) before the name changes. After an error the temporary file is gone and
    the old file is untouched.

    Raises:
        SaveError: the disk is full, the folder is missing or may not be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise SaveError(f"could not write {path}: {reason}; make room or give another folder") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def write_text(path: Path, text: str) -> None:
    """Write the whole file or nothing; SaveError if it can't be done.

    A name of a file that is no UTF-8 is written as an escape, which JSON reads back.
    """
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


# --- run folders ----------------------------------------------------------------------------------------------------


def _make_new(path: Path) -> Path:
    """A folder of this process alone: `path`, or if another has that, `path-2` and so on."""
    for number in itertools.count(1):
        folder = path if number == 1 else path.with_name(f"{path.name}-{number}")
        with contextlib.suppress(FileExistsError):
            folder.mkdir(parents=True)
            return folder
    raise AssertionError


def _make_empty(path: Path) -> Path:
    """`path`, which may be there if it is empty."""
    if not str(path).isprintable():  # TensorBoard, for one, can't write to a name that is no UTF-8
        raise RunFolderError(f"{str(path)!r}: expected a folder's name in letters that can be printed; give another")
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise RunFolderError(f"{path} is there already and not empty; give --out another folder, or --resume {path}")
    path.mkdir(parents=True, exist_ok=True)
    return path


LOCK = ".lock"  # the file that whoever trains in a run folder holds


class RunFolder:
    """A folder `runs/NAME-TIME/` that holds one run: its settings, data, log, checkpoints, pictures and result."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)

    @classmethod
    def create(cls, recipe: str, config: Mapping[str, Any], path: str | os.PathLike[str] | None = None) -> "RunFolder":
        """A new folder with `config.json` in it; without `path` it is `runs/RECIPE-TIME`.

        Raises:
            RunFolderError: `path` exists and is not empty, or is no text.
        """
        chosen = Path("runs") / f"{recipe}-{time.strftime('%Y%m%d-%H%M%S')}" if path is None else Path(path)
        try:
            folder = cls(_make_new(chosen) if path is None else _make_empty(chosen))
        except OSError as error:
            raise SaveError(f"could not make the folder {chosen}: {error.strerror}; give --out another") from error
        try:
            folder.write_config(recipe, config)
        except SaveError:
            with contextlib.suppress(OSError):
                folder.path.rmdir()
            raise
        return folder

    @classmethod
    def open(cls, path: str | os.PathLike[str], recipe: str | None = None) -> "RunFolder":
        """The run in `path`.

        Raises:
            RunFolderError: it is not a run folder, or it is one of another recipe than `recipe`.
        """
        folder = cls(path)
        if not (folder.path / "config.json").is_file():
            what = "has no config.json" if folder.path.is_dir() else "is no folder"
            raise RunFolderError(f"{folder.path} is not a run folder ({what}); expected one that fathom train wrote")
        found = folder.recipe
        if recipe is not None and found != recipe:
            raise RunFolderError(f"{folder.path} is a run of {found!r}, not of {recipe!r}; run fathom train {found}")
        return folder

    def write_config(self, recipe: str, config: Mapping[str, Any]) -> None:
        """Write `config.json`: the recipe's name and every field of its Config."""
        write_text(self.path / "config.json", dump_json({"recipe": recipe, "config": dict(config)}))

    def _read(self, name: str) -> Any:
        try:
            return load_json((self.path / name).read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise RunFolderError(
                f"{self.path} has no {name}: its run never got that far; fathom train --resume {self.path} goes on"
            ) from None
        except OSError as error:
            raise RunFolderError(f"{self.path / name} could not be read ({error.strerror}); check it") from error
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise RunFolderError(f"{self.path / name} is damaged ({error}); start the run anew") from error

    @property
    def recipe(self) -> str:
        """The name of the recipe that ran here."""
        return str(self._setting("recipe", str))

    @property
    def config(self) -> dict[str, Any]:
        """The settings, as plain values."""
        return dict(self._setting("config", dict))

    def _setting(self, name: str, kind: type) -> Any:
        written = self._read("config.json")
        if not isinstance(written, dict) or not isinstance(written.get(name), kind):
            raise RunFolderError(f"{self.path / 'config.json'} is damaged (it has no {name!r}); start the run anew")
        return written[name]

    @property
    def data(self) -> dict[str, Any]:
        """What `predict` must know of the data: classes, sizes, normalisation."""
        found = self._read("data.json")
        if not isinstance(found, dict):
            raise RunFolderError(f"{self.path / 'data.json'} is damaged (it holds no table); start the run anew")
        return found

    def write_data(self, about: Mapping[str, Any]) -> None:
        """Write `data.json`."""
        write_text(self.path / "data.json", dump_json(dict(about)))

    @property
    def result(self) -> Result | None:
        """The finished run's result; None while it is unfinished.

        Raises:
            RunFolderError: it can't be read; `fathom train --resume` makes it again.
        """
        file = self.path / "result.json"
        if not file.is_file():
            return None
        try:
            return Result.from_json(file.read_text(encoding="utf-8"))
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            again = f"fathom train --resume {self.path} makes it again"
            raise RunFolderError(f"{file} is damaged ({' '.join(str(error).split())}); {again}") from error

    def write_result(self, result: Result) -> None:
        """Write `result.json`."""
        write_text(self.path / "result.json", result.to_json())

    @property
    def log(self) -> Path:
        """`metrics.jsonl`: one line a logged step."""
        return self.path / "metrics.jsonl"

    @property
    def last(self) -> Path:
        """The newest checkpoint, from which a run resumes."""
        return self.path / "checkpoint" / "last.safetensors"

    @property
    def best(self) -> Path:
        """The checkpoint of the best epoch, with which `predict` answers."""
        return self.path / "checkpoint" / "best.safetensors"

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep every other process from training in this folder; a process that dies lets go.

        On a disk without locks nothing is kept.

        Raises:
            RunFolderError: another process trains in it.
        """
        with contextlib.ExitStack() as held:
            try:
                held.enter_context(locked(self.path / LOCK, wait=False))
            except BlockingIOError:
                raise RunFolderError(
                    f"{self.path}: another process is training in it; wait until it ends, or give --out another folder"
                ) from None
            except OSError:
                pass
            yield

    def __repr__(self) -> str:
        return f"RunFolder({self.path})"
