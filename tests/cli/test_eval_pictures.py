import json
import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image

from fathom import data, plot, recipes
from fathom.cli import main
from fathom.records import RunFolder

SHORT = ["--epochs", "1", "--batch-size", "8", "--quiet"]
OF_CLASSES = ["calibration.png", "confusion.png", "per-class.png"]
OF_PICTURES = [*OF_CLASSES, "feature-maps.png", "filters.png", "grad-cam.png", "worst-errors.png"]


def draw_folder(folder, mode):
    for number, shade in enumerate((40, 210)):
        (folder / f"shade {number}").mkdir(parents=True)
        for index in range(10):
            random = torch.Generator().manual_seed(100 * number + index)
            noise = torch.randint(-30, 30, (19, 17, 3), generator=random)
            Image.fromarray((noise + shade).byte().numpy()).convert(mode).save(
                folder / f"shade {number}" / f"{index}.png"
            )
    return f"images:{folder}"


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Run folders by what is special about them."""
    root = tmp_path_factory.mktemp("inside")
    grey, colour = draw_folder(root / "in" / "grey", "L"), draw_folder(root / "in" / "colour", "RGB")
    (root / "rows.csv").write_text("a,b,kind\n" + "".join(f"{i % 7},{i % 5},{'xyz'[i % 3]}\n" for i in range(60)))
    commands = {
        "lenet": ["lenet", "--data", grey],
        "scratch": ["lenet", "--rung", "scratch", "--data", grey],
        "numpy": ["lenet", "--rung", "numpy", "--data", grey],
        "colour": ["mlp", "--data", colour],
        "table": ["mlp", "--data", f"csv:{root / 'rows.csv'},target=kind"],
    }
    found = {"picture": root / "in" / "grey" / "shade 1" / "3.png"}
    for name, words in commands.items():
        assert main(["train", *words, *SHORT, "--out", str(root / name)]) == 0
        found[name] = root / name
    return found


def written(run):
    return sorted(path.name for path in (run / "pictures").iterdir())


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("lenet", OF_PICTURES),
        ("scratch", OF_PICTURES),
        ("numpy", OF_PICTURES),
        ("colour", [*OF_CLASSES, "filters.png", "worst-errors.png"]),
        ("table", OF_CLASSES),
    ],
)
def test_every_picture_that_makes_sense_is_drawn_and_named(name, expected, runs, capsys):
    assert main(["eval", str(runs[name]), "--pictures"]) == 0
    out = capsys.readouterr().out
    assert written(runs[name]) == sorted(expected)
    assert sorted(Path(line[9:]).name for line in out.splitlines() if line.startswith("picture: ")) == sorted(expected)
    assert "calibration error: expected" in out
    assert ("no picture of" in out) == (name in ("colour", "table"))


def test_the_numbers_are_told_as_json_and_agree_with_one_another(runs, capsys):
    assert main(["eval", str(runs["table"]), "--pictures", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    counts = torch.tensor(found["confusion"])
    assert [entry["class"] for entry in found["classes"]] == ["x", "y", "z"]
    assert [entry["support"] for entry in found["classes"]] == counts.sum(1).tolist()
    assert counts.trace() / counts.sum() == pytest.approx(found["metrics"]["test_accuracy"])
    assert sum(entry["count"] for entry in found["calibration"]["bins"]) == counts.sum()
    assert len(found["worst_errors"]) == min(12, int(counts.sum() - counts.trace()))
    assert all(entry["probability"] >= entry["probability_of_true"] for entry in found["worst_errors"])
    assert [Path(path).name for path in found["pictures"]] == ["confusion.png", "per-class.png", "calibration.png"]


def test_with_a_limit_the_errors_told_and_drawn_are_of_the_pictures_that_were_asked(capsys, monkeypatch):
    train = ["train", "mlp", "--data", "drawn-digits", "--limit", "2", "--epochs", "1", "--batch-size", "32"]
    assert main([*train, "--out", "run", "--quiet"]) == 0
    capsys.readouterr()
    drawn = []
    monkeypatch.setattr(plot, "images", lambda path, x, **words: drawn.append(x) or path)
    assert main(["eval", "run", "--pictures", "--json"]) == 0
    found, test = json.loads(capsys.readouterr().out), data.load("drawn-digits", "test")
    assert sum(entry["support"] for entry in found["classes"]) == 64 < len(test)
    classes = [entry["class"] for entry in found["classes"]]
    places = [entry["example"] for entry in found["worst_errors"]]
    assert max(places) > 64
    assert [classes[number] for number in test.tensors["y"][places]] == [e["true"] for e in found["worst_errors"]]
    assert torch.equal(drawn[0], data.pixels(test.tensors["x"][places]))


def test_without_pictures_eval_says_what_it_said_and_draws_nothing(runs, capsys):
    shutil.copytree(runs["lenet"], "run", ignore=shutil.ignore_patterns("pictures"))
    assert main(["eval", "run", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert "confusion" not in found
    assert not Path("run/pictures").exists()


def test_the_layer_and_the_picture_may_be_chosen(runs, capsys):
    run = str(runs["lenet"])
    assert main(["eval", run, "--pictures", "--json"]) == 0
    usual = (runs["lenet"] / "pictures" / "grad-cam.png").read_bytes()
    assert json.loads(capsys.readouterr().out)["layer"] == "4"
    assert main(["eval", run, "--pictures", "--json", "--layer", "1", "--image", str(runs["picture"])]) == 0
    assert json.loads(capsys.readouterr().out)["layer"] == "1"
    assert (runs["lenet"] / "pictures" / "grad-cam.png").read_bytes() != usual


@pytest.mark.parametrize("name", ["lenet", "numpy"])
def test_mirrored_pictures_are_answered_with_their_mirror_images(name, runs, capsys):
    module = recipes.load("lenet")
    model, _, test = module.RECIPE.opened(RunFolder.open(runs[name]))
    x, y = data.pixels(test.tensors["x"]), test.tensors["y"]
    with torch.inference_mode():
        both = (model(x).softmax(dim=1) + model(x.flip(-1)).softmax(dim=1)) / 2
    assert main(["eval", str(runs[name]), "--mirrored", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["metrics"]["test_loss"] == pytest.approx(-both[range(len(y)), y].log().mean().item(), rel=1e-5)
    assert found["metrics"]["test_accuracy"] == pytest.approx((both.argmax(dim=1) == y).float().mean().item())
    assert "together with its mirror image" in found["notes"][0]


@pytest.mark.parametrize(
    ("name", "words", "message"),
    [
        ("lenet", ["--mirrored", "--pictures"], "--mirrored: expected without --pictures"),
        ("table", ["--mirrored"], "--mirrored: expected a run on pictures, got"),
        ("lenet", ["--layer", "1"], "--layer: expected together with --pictures"),
        ("lenet", ["--image", "a.png"], "--image: expected together with --pictures"),
        ("scratch", ["--pictures", "--layer", "6"], "layer '6': expected one that gives maps"),
        ("lenet", ["--pictures", "--layer", "conv9"], "unknown layer 'conv9'; there are: 0, 1, 2, 3, 4, 5"),
        ("colour", ["--pictures", "--layer", "1"], "expected a network with maps"),
        ("lenet", ["--pictures", "--image", "nowhere.png"], "nowhere.png: expected a picture, but there is no such"),
        ("table", ["--pictures", "--image", "a.png"], "expected a run on pictures for --layer and --image"),
    ],
)
def test_what_can_not_be_drawn_is_one_clear_line(name, words, message, runs, capsys):
    assert main(["eval", str(runs[name]), *words]) == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1


def test_a_run_without_classes_is_one_clear_line(line_run, capsys):
    assert main(["eval", str(line_run), "--pictures"]) == 2
    assert "but linear-regression has no classes; leave --pictures out" in capsys.readouterr().err


def test_a_folder_that_can_not_be_written_is_named(runs, capsys):
    shutil.copytree(runs["table"], "run", ignore=shutil.ignore_patterns("pictures"))
    Path("run/pictures").write_text("in the way")
    assert main(["eval", "run", "--pictures"]) == 1
    assert "could not make the folder run/pictures" in capsys.readouterr().err


def test_a_run_of_several_models_is_one_clear_line(runs, capsys, monkeypatch):
    from fathom.recipes import mlp

    monkeypatch.setattr(mlp, "RECIPE", object())
    assert main(["eval", str(runs["table"]), "--pictures"]) == 2
    assert "but mlp trains several models; leave --pictures out" in capsys.readouterr().err
    monkeypatch.delattr(mlp, "RECIPE")
    assert main(["eval", str(runs["table"]), "--pictures"]) == 2
    assert "but mlp decodes its pictures anew each time; leave --pictures out" in capsys.readouterr().err
