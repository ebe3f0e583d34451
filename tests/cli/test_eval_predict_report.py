import base64
import json
import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image

from fathom.cli import main
from fathom.recipes.common import classifier
from fathom.records import RunFolder


@pytest.fixture(scope="module")
def picture_run(tmp_path_factory):
    """LeNet on 40 pictures of two colours, in classes `dark` and `light`, one of them no picture at all."""
    root = tmp_path_factory.mktemp("pictures")
    for number, (name, shade) in enumerate([("dark", 30), ("light", 220)]):
        (root / "all" / name).mkdir(parents=True)
        for index in range(20):
            noise = torch.randint(-25, 25, (19, 17), generator=torch.Generator().manual_seed(100 * number + index))
            Image.fromarray((noise + shade).byte().numpy()).save(root / "all" / name / f"{index}.png")
    (root / "all" / "light" / "broken.png").write_bytes(b"no picture")
    words = ["train", "lenet", "--data", f"images:{root / 'all'}", "--skip-bad", "--quiet", "--out", str(root / "run")]
    assert main([*words, "--optimizer", "adam", "--lr", "0.01", "--batch-size", "8", "--epochs", "15"]) == 0
    return root / "run", root / "all"


def test_predict_is_right_on_pictures_of_ones_own(picture_run, capsys):
    run, pictures = picture_run
    assert main(["predict", str(run), str(pictures / "dark" / "3.png"), str(pictures / "light" / "4.png")]) == 0
    out = capsys.readouterr().out
    assert "3.png: dark" in out
    assert "4.png: light" in out


def test_predict_names_a_bad_file(picture_run, capsys):
    run, pictures = picture_run
    assert main(["predict", str(run), str(pictures / "light")]) == 2
    err = capsys.readouterr().err
    assert "broken.png" in err
    assert "--skip-bad goes on after it" in err
    assert err.count("\n") == 1


def test_predict_goes_on_and_counts_when_it_shall_skip(picture_run, capsys):
    run, pictures = picture_run
    assert main(["predict", str(run), "--skip-bad", str(pictures / "light"), "nowhere.png"]) == 0
    assert "skipped 2 of 22" in capsys.readouterr().out


def test_predict_as_json_is_one_document(picture_run, capsys):
    run, pictures = picture_run
    assert main(["predict", str(run), str(pictures / "light"), "--json", "--skip-bad"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert len(found["predictions"]) == 20
    assert {entry["label"] for entry in found["predictions"]} == {"light"}
    assert [Path(entry["input"]).name for entry in found["skipped"]] == ["broken.png"]


def test_predict_with_nothing_but_bad_files_fails(picture_run, capsys):
    assert main(["predict", str(picture_run[0]), "--skip-bad", "nowhere.png"]) == 2
    Path("empty").mkdir()
    assert main(["predict", str(picture_run[0]), "empty"]) == 2


def test_predict_takes_numbers_where_the_run_was_trained_on_numbers(line_run, capsys):
    assert main(["predict", str(line_run), "-1,2", "0.5,3"]) == 0
    assert capsys.readouterr().out.startswith("-1,2: ")


def test_a_run_without_a_checkpoint_is_named(line_run, capsys):
    shutil.copytree(line_run, "run")
    shutil.rmtree("run/checkpoint")
    assert main(["predict", "run", "1,2"]) == 2
    assert "run" in capsys.readouterr().err


def test_eval_measures_again_what_training_measured_last(line_run, capsys):
    assert main(["eval", str(line_run), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["recipe"] == "linear-regression"
    assert "test_loss" in found["metrics"]
    assert main(["eval", str(line_run)]) == 0
    assert capsys.readouterr().out.startswith("metric")


def test_eval_takes_an_empty_text_for_what_it_is(line_run, capsys):
    assert main(["eval", str(line_run), "--attention", ""]) == 2
    assert "attention" in capsys.readouterr().err


def test_the_report_holds_the_newest_result_and_names_what_it_left_out(line_run, capsys):
    runs = Path("runs")
    shutil.copytree(line_run, runs / "line")
    (runs / "stray").mkdir()
    RunFolder.create("lenet", {}, runs / "unfinished")
    RunFolder.create("flying-carpet", {}, runs / "carpet")
    shutil.copytree(line_run, runs / "damaged")
    (runs / "damaged" / "result.json").write_text('{"recipe": ')
    assert main(["report", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [entry["recipe"] for entry in found["results"]] == ["linear-regression"]
    assert "lenet" in found["never_run"]
    problems = "\n".join(found["problems"])
    assert all(name in problems for name in ("stray", "unfinished", "flying-carpet", "damaged"))
    page = (runs / "report.html").read_text(encoding="utf-8")
    assert "data:image/png;base64," in page
    assert "linear-regression" in (runs / "report.md").read_text(encoding="utf-8")


def test_the_newest_of_two_runs_is_taken(line_run, capsys):
    import os

    for name, when in (("a", 2000), ("b", 1000)):
        shutil.copytree(line_run, f"runs/{name}")
        text = (line_run / "result.json").read_text().replace(str(line_run), name)
        Path(f"runs/{name}/result.json").write_text(text)
        os.utime(f"runs/{name}/result.json", (when, when))
    assert main(["report", "--out", "deep/page", "--json"]) == 0
    assert [entry["folder"] for entry in json.loads(capsys.readouterr().out)["results"]] == ["a"]
    assert Path("deep/page/report.html").is_file()


def test_the_report_asks_for_a_folder_that_can_be_written(line_run, capsys):
    Path("file").write_text("")
    assert main(["report", "--runs", str(line_run.parent), "--out", "file/page"]) == 1
    assert "could not make the folder" in capsys.readouterr().err


def test_quiet_keeps_remarks_about_data_to_itself(picture_run, capsys):
    from fathom.data import store

    assert main(["eval", str(picture_run[0])]) == 0
    assert "could not be decoded" in capsys.readouterr().err
    store.forget()
    assert main(["eval", str(picture_run[0]), "--quiet"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("metric")
    assert err == ""


def test_predict_names_file_column_and_row_of_an_unknown_category(capsys):
    pytest.importorskip("pandas")
    for name, cities in (("train", ["Rome", "Bonn"] * 10), ("new", ["Bonn", "Paris"])):
        Path(f"{name}.csv").write_text("city,y\n" + "".join(f"{city},{row}\n" for row, city in enumerate(cities)))
    words = ["--data", "csv:train.csv,target=y", "--epochs", "1", "--quiet", "--out", "run"]
    assert main(["train", "linear-regression", *words]) == 0
    assert main(["predict", "run", "new.csv"]) == 2
    err = capsys.readouterr().err
    assert "new.csv: column 'city', row 2: unknown category 'Paris', known are: Bonn, Rome; write one of them" in err
    assert err.count("\n") == 1


def test_the_report_takes_no_picture_from_outside_the_run(line_run, capsys):
    shutil.copytree(line_run, "runs/line")
    Path("secret").write_bytes(b"a key of mine")
    Path("runs/line/curves.png").unlink()
    Path("runs/line/curves.png").symlink_to(Path("secret").resolve())
    Path("runs/line/folder.png").mkdir()
    assert main(["report"]) == 0
    assert base64.b64encode(b"a key of mine").decode() not in Path("runs/report.html").read_text()


def test_a_folder_of_pictures_is_answered_by_a_model_built_once(picture_run, monkeypatch):
    run, pictures = picture_run
    built, trained = [], classifier.Classifier.trained
    monkeypatch.setattr(classifier.Classifier, "trained", lambda *words: built.append(1) or trained(*words))
    classifier._at_hand.cache_clear()
    assert main(["predict", str(run), "--skip-bad", str(pictures / "light")]) == 0
    assert len(built) == 1
