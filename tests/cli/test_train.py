import json
from pathlib import Path

import pytest

from fathom.cli import main
from fathom.records import RunFolder

SMALL = ["train", "linear-regression", "--epochs", "2", "--limit", "3"]


def test_training_prints_ours_beside_the_published_and_where_the_pictures_are(capsys):
    assert main([*SMALL, "--out", "run"]) == 0
    out, err = capsys.readouterr()
    assert "published" in out
    assert "note: other settings: epochs 2 (source 3), limit 3 (source 0)" in out
    assert "run folder: run" in out
    assert "picture: run/curves.png" in out
    assert Path("run/curves.png").is_file()
    assert "epoch 2/2" in err  # the bar, as plain lines
    assert "\x1b" not in out + err


def test_quiet_prints_the_result_alone(capsys):
    assert main([*SMALL, "--out", "run", "--quiet"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("metric")
    assert err == ""


def test_json_is_one_document_and_the_result(capsys):
    assert main([*SMALL, "--out", "run", "--json", "--profile"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["recipe"] == "linear-regression"
    assert found["config"]["limit"] == 3
    assert RunFolder("run").result.metrics == found["metrics"]
    assert Path("run/trace.json").is_file()


def test_the_recipes_name_may_be_written_with_underscores_and_after_flags(capsys):
    assert main(["train", "--quiet", "linear_regression", "--epochs", "1", "--limit", "2"]) == 0
    (folder,) = Path("runs").iterdir()
    assert folder.name.startswith("linear-regression-")


def test_the_curve_is_drawn_in_the_terminal_when_asked_for(capsys):
    assert main([*SMALL, "--out", "run", "--plot"]) == 0
    assert "epoch 2\n" in capsys.readouterr().err


def test_a_finished_run_is_printed_again_and_left_alone(line_run, capsys):
    before = {path: path.stat().st_mtime_ns for path in line_run.rglob("*")}
    assert main(["train", "--resume", str(line_run), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["metrics"] == dict(RunFolder(line_run).result.metrics)
    assert {path: path.stat().st_mtime_ns for path in line_run.rglob("*")} == before


def test_a_resumed_run_may_have_more_epochs(capsys):
    assert main([*SMALL, "--out", "run", "--quiet"]) == 0
    assert main(["train", "linear-regression", "--resume", "run", "--epochs", "3", "--limit", "3"]) == 0
    assert [record["epoch"] for record in RunFolder("run").result.history] == [1, 2, 3]
    assert "going on with linear-regression" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--resume", "RUN", "--lr", "0.5"], "--lr: the run in RUN has 0.03, got 0.5; leave it out"),
        (["--resume", "RUN", "--epochs", "1"], "--epochs: the run in RUN has 2, got 1; it may grow, but not shrink"),
        (["lenet", "--resume", "RUN"], "RUN is a run of 'linear-regression', not of 'lenet'"),
        (["--resume", "RUN", "--out", "other"], "--out: expected none beside --resume RUN, got other"),
        (["linear-regression", "--out", "RUN"], "RUN is there already and not empty"),
        (["linear-regression", "--resume", "nowhere"], "nowhere is not a run folder"),
    ],
)
def test_a_run_stays_what_it_was(words, line, line_run, capsys):
    words = [word.replace("RUN", str(line_run)) for word in words]
    settings = (line_run / "config.json").read_bytes()
    if "--epochs" in words:
        words += ["--limit", "3"]
    assert main(["train", *words]) == 2
    err = capsys.readouterr().err
    assert line.replace("RUN", str(line_run)) in err
    assert err.count("\n") == 1
    assert (line_run / "config.json").read_bytes() == settings


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--epochs", "0"], "--epochs: expected a number at least 1, got 0"),
        (["--lr", "nan"], "--lr: expected a number above 0, got nan"),
        (["--optimizer", "adm"], "unknown optimizer 'adm'; did you mean 'adam"),
        (["--precision", "fp23"], "--precision: expected one of fp32, bf16, fp16, got 'fp23'; did you mean fp32?"),
        (["--epochz", "3"], "'--epochz'; did you mean '--epochs'?"),
        (["--data", "synthetic-liner"], "unknown dataset 'synthetic-liner'; did you mean 'synthetic-linear'?"),
        (["--data", "csv:nowhere.csv,target=y"], "nowhere.csv"),
        (["--device", "cuda:99"], "device"),
        (["--device", "gpu"], "unknown device 'gpu'"),
        (["--skip-bad"], "--skip-bad: expected pictures of your own"),
        (["--accumulate", "33", "--batch-size", "32"], "--accumulate: expected at most 32, the batch size, got 33"),
        (["--limit", "1", "more"], "expected flags after the recipe's name, got 'more'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_settings_are_one_line_and_leave_nothing_behind(words, line, capsys):
    assert main(["train", "linear-regression", *words, "--quiet"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert line in err
    assert [path for path in Path("runs").rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("words", [[], ["--out", "deep/run"]], ids=" ".join)
def test_bad_data_is_refused_before_anything_is_said_or_left_behind(words, capsys):
    Path("t.csv").write_text("a,y\n1,2\n")
    assert main(["train", "linear-regression", "--data", "csv:t.csv,target=z", *words]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "unknown target column 'z'" in err
    assert [path.name for path in Path().iterdir()] == ["t.csv"]


def test_a_folder_that_was_there_stays(capsys):
    Path("deep/run").mkdir(parents=True)
    assert main(["train", "linear-regression", "--data", "csv:t.csv,target=z", "--out", "deep/run"]) == 2
    assert list(Path("deep/run").iterdir()) == []


def test_what_is_being_trained_is_said_once(capsys):
    assert main([*SMALL, "--out", "run"]) == 0
    assert capsys.readouterr().out.count("training linear-regression, data synthetic-linear, in run\n") == 1


def table(folder):
    folder.mkdir()
    (folder / "t.csv").write_text("a,y\n" + "".join(f"{number},{2 * number}\n" for number in range(30)))


def test_a_run_finds_its_data_from_another_folder(tmp_path, monkeypatch, capsys):
    table(tmp_path / "mine")
    monkeypatch.chdir(tmp_path / "mine")
    words = ["train", "linear-regression", "--epochs", "1", "--quiet", "--threads", "1"]
    assert main([*words, "--data", "csv:t.csv,target=y", "--out", str(tmp_path / "run")]) == 0
    assert RunFolder(tmp_path / "run").config["data"] == f"csv:{tmp_path}/mine/t.csv,target=y"
    monkeypatch.chdir(tmp_path)
    assert main(["eval", "run", "--quiet"]) == 0
    resumed = ["train", "--resume", "run", "--epochs", "2", "--quiet", "--data"]
    assert main([*resumed, "csv:t.csv,target=y"]) == 2
    assert "--data: the run in run has csv:" in capsys.readouterr().err
    assert main([*resumed, "csv:mine/t.csv,target=y"]) == 0


def test_a_run_that_remembers_a_relative_path_is_resumed_with_it(tmp_path, capsys):
    table(tmp_path / "mine")
    RunFolder.create("linear-regression", {"epochs": 1, "data": "csv:mine/t.csv,target=y"}, "run")
    assert main(["train", "--resume", "run", "--data", "csv:mine/t.csv,target=y", "--quiet"]) == 0
    assert RunFolder("run").result.data[0].path == f"{tmp_path}/mine/t.csv"


@pytest.mark.parametrize("kept", [True, False])
def test_ctrl_c_while_data_are_loaded_leaves_nothing_and_later_keeps_the_run(kept, monkeypatch, capsys):
    from fathom import data
    from fathom.recipes import linear_regression

    def interrupt(*words):
        raise KeyboardInterrupt

    monkeypatch.setattr(*((linear_regression, "draw") if kept else (data, "load")), interrupt, raising=False)
    assert main([*SMALL, "--out", "run", "--quiet"]) == 130
    assert capsys.readouterr().err == "fathom: interrupted\n"
    assert Path("run").exists() is kept
    if kept:
        assert main(["train", "--resume", "run", "--quiet"]) == 0


def test_a_loss_that_explodes_ends_with_1_and_keeps_the_folder(capsys):
    assert main(["train", "linear-regression", "--lr", "1e30", "--out", "run", "--quiet"]) == 1
    err = capsys.readouterr().err
    assert "the loss became" in err
    assert err.count("\n") == 1
    assert Path("run/config.json").is_file()


def test_a_folder_that_was_killed_before_the_first_save_starts_anew(capsys):
    RunFolder.create("linear-regression", {"epochs": 1, "limit": 2}, "run")
    assert main(["train", "--resume", "run", "--quiet"]) == 0
    assert RunFolder("run").result.config["limit"] == 2


def test_settings_that_the_recipe_does_not_know_are_named(capsys):
    RunFolder.create("linear-regression", {"epochs": 1, "wheels": 4}, "run")
    assert main(["train", "--resume", "run"]) == 2
    assert "has the setting 'wheels'" in capsys.readouterr().err
    assert not Path("run/checkpoint").exists()


def test_a_run_of_an_unknown_recipe_is_named(capsys):
    RunFolder.create("flying-carpet", {}, "run")
    for words in (["train", "--resume", "run"], ["eval", "run"], ["predict", "run", "x.png"]):
        assert main(words) == 2
        assert "flying-carpet" in capsys.readouterr().err


def test_the_help_of_a_recipe_opens_with_an_example_and_explains_its_flags(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["train", "lenet", "--help"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("Example:\n  fathom train lenet")
    assert "learning rate" in out
    assert "--resume RUN" in out
    assert max(map(len, out.splitlines())) <= 80
