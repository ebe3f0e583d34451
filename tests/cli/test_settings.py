"""Run folders whose settings somebody edited, or another version wrote."""

import json
import shutil

import pytest

from fathom.cli import main

COMMANDS = (["train", "--resume", "run", "--quiet"], ["eval", "run"], ["predict", "run", "1,2"])

every_command = pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])


@pytest.fixture
def edited(line_run, tmp_path):
    """Changes settings of a copy of a run, `run`."""

    def edit(**changes):
        shutil.copytree(line_run, tmp_path / "run")
        file = tmp_path / "run" / "config.json"
        written = json.loads(file.read_text())
        written["config"] |= changes
        file.write_text(json.dumps(written))

    return edit


@every_command
@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"wheels": 4}, "run/config.json has the setting 'wheels', which this version's linear-regression does not"),
        ({"lr": "abc"}, "run/config.json: lr: expected a number, got 'abc'; correct it"),
        ({"lr": None}, "run/config.json: lr: expected a number, got None"),
        ({"lr": True}, "run/config.json: lr: expected a number, got True"),
        ({"epochs": 2.5}, "run/config.json: epochs: expected a whole number, got 2.5"),
        ({"epochs": [2]}, "run/config.json: epochs: expected a whole number, got [2]"),
        ({"epochs": 10**400}, "run/config.json: --epochs: expected a number at least 1"),
        ({"batch_size": 0}, "run/config.json: --batch-size: expected a number at least 1, got 0"),
        ({"compile": 1}, "run/config.json: compile: expected true or false, got 1"),
        ({"data": {}}, "run/config.json: data: expected a text, got {}"),
        ({"precision": "fp8"}, "run/config.json: precision: expected one of fp32, bf16, fp16, got 'fp8'"),
        ({"optimizer": "adm"}, "run/config.json: unknown optimizer 'adm'; did you mean 'adam"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_an_edited_setting_is_named_in_one_line(words, changes, line, edited, capsys):
    edited(**changes)

    assert main(words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert line in err
    assert err.count("\n") == 1


@every_command
@pytest.mark.parametrize("file", ["config.json", "data.json"])
@pytest.mark.parametrize("text", ["", "[1]", '{"$tuple": 5}', "[" * 100_000, '"a"', "\xff"], ids=lambda text: text[:9])
def test_a_damaged_file_of_a_run_is_one_line(words, file, text, edited, tmp_path, capsys):
    edited()
    (tmp_path / "run" / "result.json").unlink()
    (tmp_path / "run" / file).write_bytes(text.encode("latin-1", "surrogatepass"))
    code = main(words)
    err = capsys.readouterr().err
    assert (code, err.count("\n")) == (2, 1) or (code == 0 and words[0] == "eval" and file == "data.json")
    assert code == 0 or f"run/{file} is damaged" in err


def test_a_list_stands_for_a_tuple(tmp_path):
    from fathom.cli.settings import settings
    from fathom.recipes.mlp import Config
    from fathom.records import RunFolder

    RunFolder.create("mlp", {"hidden_sizes": [3, 2]}, tmp_path / "run")
    assert settings(RunFolder(tmp_path / "run"), Config) == Config(hidden_sizes=(3, 2))


@pytest.mark.parametrize(
    ("wanted", "value", "words"),
    [
        (tuple[int, ...], [3, "x"], "a list of some, each a whole number"),
        (tuple[float, float], (0.9,), "a list of 2, each a number"),
        (int | None, "x", "a whole number or null"),
    ],
    ids=str,
)
def test_what_was_expected_is_said_in_words(wanted, value, words):
    from fathom.cli import settings

    assert not settings._fits(wanted, value)
    assert settings._words(wanted) == words


@pytest.mark.parametrize("change", [{"metrics": {"test_loss": "<script>"}}, {"seconds": None}, {"config": 3}])
def test_a_result_that_is_none_is_left_out_of_the_report_and_made_again(change, edited, tmp_path, capsys):
    edited()
    file = tmp_path / "run" / "result.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    assert main(["report", "--runs", str(tmp_path)]) == 0
    assert "left out: " in (out := capsys.readouterr().out)
    assert "result.json is damaged" in out
    assert "<script>" not in (tmp_path / "report.html").read_text()
    assert main(["train", "--resume", "run", "--quiet"]) == 0
    assert isinstance(json.loads(file.read_text())["metrics"]["test_loss"], float)


def test_what_a_later_version_tells_besides_does_no_harm(edited, tmp_path, capsys):
    edited()
    file = tmp_path / "run" / "result.json"
    later = json.loads(file.read_text())
    later["mood"] = later["published"][0]["mood"] = later["data"][0]["mood"] = "good"
    file.write_text(json.dumps(later))
    for name in ("config.json", "data.json"):
        told = json.loads((tmp_path / "run" / name).read_text())
        (tmp_path / "run" / name).write_text(json.dumps(told | {"mood": "good"}))
    for words in (*COMMANDS, ["report", "--runs", str(tmp_path)]):
        assert main(words) == 0
    assert "left out" not in capsys.readouterr().out
