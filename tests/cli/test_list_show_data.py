import dataclasses
import json
import shutil
import sys

import pytest

from fathom import data, recipes
from fathom.cli import main
from fathom.cli.printing import table
from fathom.data import cards


def test_list_names_every_recipe_with_its_published_figure(capsys):
    assert main(["list"]) == 0
    out = capsys.readouterr().out
    assert all(f"\n{name} " in out for name in recipes.names())
    assert "test_accuracy 0.779" in out


def test_list_as_json_is_one_document(capsys):
    assert main(["list", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [entry["name"] for entry in found] == recipes.names()


def test_show_tells_a_models_layers_shapes_parameters_and_flops(capsys):
    assert main(["show", "lenet", "--json"]) == 0
    model = json.loads(capsys.readouterr().out)["model"]
    assert model["parameters"] == 61_706  # LeCun et al. 1998 with the book's full connections
    assert sum(layer["parameters"] for layer in model["layers"]) == 61_706
    assert model["flops"] == sum(layer["flops"] for layer in model["layers"])
    first = model["layers"][0]
    assert (first["output"], first["flops"]) == ([6, 28, 28], 2 * 6 * 28 * 28 * 25)


def test_show_takes_the_shape_of_an_example(capsys):
    assert main(["show", "lenet", "--input", "3x32x32"]) == 0
    out = capsys.readouterr().out
    assert "3 x 32 x 32" in out
    assert "flag " not in out  # the recipe is left out


def test_show_of_an_impossible_shape_is_one_line(capsys):
    assert main(["show", "lenet", "--input", "7"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("name", recipes.names())
def test_show_explains_every_field_of_a_recipe(name, capsys):
    assert main(["show", name, "--json"]) == 0
    fields = json.loads(capsys.readouterr().out)["recipe"]["fields"]
    assert {"epochs", "lr", "data", "seed"} <= {field["name"] for field in fields}
    assert [field["name"] for field in fields if not field["meaning"]] == []


def test_show_works_for_every_model(capsys):
    from fathom import models

    for name in models.names():
        assert main(["show", name]) == 0, name
    assert "parameters" in capsys.readouterr().out


def test_data_list_names_every_set_and_the_kinds_of_ones_own(capsys):
    assert main(["data", "list"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in cards.names())
    assert "images:DIR" in out


def test_data_list_as_json_keeps_the_card(capsys):
    assert main(["data", "list", "fashion-mnist", "--json"]) == 0
    (card,) = json.loads(capsys.readouterr().out)
    assert card["splits"] == {"train": 60_000, "test": 10_000}


def test_data_of_the_sample_is_verified_and_found(capsys):
    assert main(["data", "verify", "fashion-mnist-sample"]) == 0
    assert capsys.readouterr().out.count("good: ") == 4
    assert main(["data", "path", "fashion-mnist-sample", "--json"]) == 0
    assert "samples" in json.loads(capsys.readouterr().out)["fashion-mnist-sample"]["path"]


def test_data_that_is_not_here_is_said_in_one_line(capsys):
    assert main(["data", "verify", "fashion-mnist"]) == 2
    assert "run fathom data get fashion-mnist" in capsys.readouterr().err
    assert main(["data", "get", "fashion-mnist"]) == 1  # the tests have no network
    assert capsys.readouterr().err.count("\n") == 1


def test_a_table_folds_its_last_column_on_a_narrow_terminal(monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("NO_COLOR", "1")
    lines = table(("name", "meaning"), [("a", "word " * 20), ("b" * 30, "word " * 20)]).splitlines()
    assert max(map(len, lines)) <= 40


@pytest.mark.parametrize(
    "spoil", [lambda content: content[:-9], lambda content: content[:-9] + b"spoilt!!!"], ids=["truncated", "changed"]
)
def test_the_path_of_damaged_data_is_not_given(spoil, tmp_path, monkeypatch, capsys):
    """The sample's own files stand in for a set of the user's, under its card's name."""
    source = data.path("fashion-mnist-sample")
    card = cards.card("fashion-mnist-sample")
    files = tuple(dataclasses.replace(file, urls=("x://none",)) for file in card.files)
    monkeypatch.setitem(cards.CARDS._things, "clothes", dataclasses.replace(card, name="clothes", files=files))
    shutil.copytree(source, tmp_path / "clothes")
    monkeypatch.setenv("FATHOM_DATA", str(tmp_path))
    assert main(["data", "path", "clothes"]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'clothes'}\n"
    last = tmp_path / "clothes" / files[-1].name
    last.write_bytes(spoil(last.read_bytes()))
    for action in ("path", "verify"):
        assert main(["data", action, "clothes"]) == 1
        out, err = capsys.readouterr()
        assert (out, err.count("\n")) == ("", 1)
        assert f"{last}: expected sha256" in err
    last.unlink()
    assert main(["data", "path", "clothes"]) == 2
    assert "1 are not on this machine (first: t10k-labels" in capsys.readouterr().err
