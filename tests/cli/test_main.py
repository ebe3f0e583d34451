import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fathom import cli
from fathom.cli import COMMANDS, main
from fathom.errors import Stopped

FAST = [
    ["--help"],
    ["--version"],
    ["list"],
    ["list", "--json"],
    ["data", "list"],
    ["trian"],
    ["train", "lenett"],
    ["train", "--help"],
    ["show", "lenett"],
    ["data", "get", "fashion"],
    ["predict", "--help"],
]


@pytest.mark.slow
@pytest.mark.parametrize("words", FAST, ids=" ".join)
def test_words_that_need_no_tensor_leave_torch_and_rich_alone(words):
    code = (
        "import sys; from fathom.cli import main; code = main(sys.argv[1:]); "
        "heavy = {'torch', 'rich', 'matplotlib', 'tyro', 'requests'} & set(sys.modules); "
        "sys.exit(99 if heavy else code)"
    )
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=False)
    assert done.returncode in (0, 2), done.stderr


def test_without_words_the_help_is_printed(capsys):
    assert main([]) == 0
    assert capsys.readouterr().out.startswith("Example:\n  fathom train lenet\n")


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_each_command_opens_with_an_example_and_fits_80_columns(command, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert main([command, "--help"]) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"Example:\n  fathom {command}")
    assert max(map(len, out.splitlines())) <= 82
    assert "\x1b" not in out


@pytest.mark.parametrize("words", [["--version"], ["train", "--version"], ["--quiet", "--version"]])
def test_the_version_is_told_everywhere(words, capsys):
    assert main(words) == 0
    assert capsys.readouterr().out.startswith("fathom 0.")


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["trian"], "unknown command 'trian'; did you mean 'train'?"),
        (["xyzzy"], "unknown command 'xyzzy'; there are: "),
        (["--jsn"], "unknown flag '--jsn'; did you mean '--json'?"),
        (["lenet"], "expected a command, got the recipe 'lenet'; write fathom train lenet"),
        (["train"], "train: expected a recipe's name, got none"),
        (["train", "lenett"], "unknown recipe 'lenett'; did you mean 'lenet'?"),
        (["train", "--json", "lenett"], "unknown recipe 'lenett'; did you mean 'lenet'?"),
        (["train", "lenet", "--resume"], "train: argument --resume: expected one argument"),
        (["show", "lenett"], "unknown model or recipe 'lenett'; did you mean 'lenet'?"),
        (["show"], "show: expected NAME, got nothing; write for example: fathom show lenet"),
        (["show", "lenet", "--input", "1,2"], "--input: expected sizes with x between them, as in 1x28x28, got '1,2'"),
        (["show", "lenet", "--input", "1x0x2"], "--input: expected sizes with x between them"),
        (["list", "--jsn"], "unknown flag of fathom list '--jsn'; did you mean '--json'?"),
        (["list", "lenet"], "list: expected no further word, got 'lenet'"),
        (["data", "lst"], "unknown action of fathom data 'lst'; did you mean 'list'?"),
        (["data", "get"], "data get: expected a data set's name, got nothing"),
        (["data", "get", "fashon-mnist"], "unknown dataset 'fashon-mnist'; did you mean 'fashion-mnist'?"),
        (["predict", "nowhere", "x.png"], "nowhere is not a run folder (is no folder)"),
        (["eval", "."], "not a run folder (has no config.json)"),
        (["report"], "runs: expected a folder with runs, found none"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_word_is_one_clear_line_and_exit_2(words, line, capsys):
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert line in err


def interrupt(argv):
    raise KeyboardInterrupt


def stop(argv):
    raise Stopped("stopped by SIGTERM,\nsaved", 15)


def name_too_much(argv):
    Path("x" * 300).stat()


def ask_for_too_much(argv):
    import torch

    torch.empty(10**15)


def interrupt_an_import(argv):
    try:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(1)
    except KeyboardInterrupt:
        raise RecursionError from None


def fill_the_disk(argv):
    raise OSError(28, "No space left on device", "out.txt")


@pytest.mark.parametrize(
    ("command", "code", "line"),
    [
        (interrupt, 130, "interrupted"),
        (stop, 143, "stopped by SIGTERM, saved"),
        (fill_the_disk, 1, "out.txt: No space left on device; make room"),
        (name_too_much, 2, "xxxxx: File name too long; give another"),
        (ask_for_too_much, 1, "the machine's memory is not enough; give a smaller model"),
        (interrupt_an_import, 130, "interrupted"),
    ],
)
def test_each_way_to_end_has_its_exit_code(command, code, line, capsys, monkeypatch):
    from fathom.cli import listing

    monkeypatch.setattr(listing, "main", command)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # whatever the test runner has set
    try:
        assert main(["list"]) == code
    finally:
        signal.signal(signal.SIGINT, before)
    assert line in capsys.readouterr().err


def test_a_bug_is_not_hidden(monkeypatch):
    from fathom.cli import listing

    monkeypatch.setattr(listing, "main", lambda argv: {}["bug"])
    with pytest.raises(KeyError):
        main(["list"])


@pytest.mark.slow
def test_what_the_terminals_encoding_lacks_is_written_as_an_escape(tmp_path):
    (tmp_path / os.fsdecode(b"n\xe4chste")).write_text("a,y\n")
    words = [b"train", b"linear-regression", b"--data", b"csv:n\xe4chste,target=\xe4"]
    done = subprocess.run(
        [sys.executable, "-m", "fathom", *words], cwd=tmp_path, capture_output=True, check=False,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )  # fmt: skip
    assert (done.returncode, done.stderr.count(b"\n")) == (2, 1)
    assert rb"n\udce4chste: expected rows below the header" in done.stderr


@pytest.mark.slow
def test_a_reader_that_stops_reading_causes_no_complaint():
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "fathom", "list"], stdout=write, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (141, "")


def test_json_and_quiet_may_stand_before_the_command(capsys):
    assert main(["--json", "--quiet", "list"]) == 0
    assert isinstance(json.loads(capsys.readouterr().out), list)


def test_every_command_has_its_file():
    from importlib import import_module

    for file, _ in cli.COMMANDS.values():
        assert callable(import_module(f"fathom.cli.{file}").main)


@pytest.mark.parametrize("said", [{}, {"OMP_WAIT_POLICY": "active"}, {"GOMP_SPINCOUNT": "7"}])
def test_threads_that_wait_fall_asleep_unless_the_user_says_otherwise(monkeypatch, said):
    monkeypatch.setattr(os, "environ", dict(said))
    assert main(["--version"]) == 0
    assert os.environ.get("GOMP_SPINCOUNT") == (
        None if "OMP_WAIT_POLICY" in said else said.get("GOMP_SPINCOUNT", "10000")
    )
