import json
import sys

import pytest

from fathom import recipes
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
