import pytest
import torch
from safetensors import safe_open
from torch import nn

from fathom import models, recipes
from fathom.errors import InputError
from fathom.recipes.common import exports
from fathom.recipes.common.exports import creation, generated, of_run
from fathom.records import RunFolder
from fathom.train import load_checkpoint
from fathom.train.export import export

PAIRS = {"embedding_size": 5, "hidden_size": 6, "data": "number-words,pairs=200", "translations": 3}


def test_a_model_tells_how_to_create_its_like():
    model = models.create("mlp", in_features=7, hidden_sizes=(5, 3), num_classes=2)
    told = creation(model)
    assert told == {"model": "mlp", "arguments": {"in_features": 7, "hidden_sizes": [5, 3], "num_classes": 2}}
    again = models.create(told["model"], **told["arguments"])
    again.load_state_dict(model.state_dict())
    x = torch.rand(3, 7)
    torch.testing.assert_close(again(x), model(x))


def test_on_every_rung_a_model_tells_the_same():
    for rung in ("torch", "scratch"):
        built = models.on_rung("softmax_regression", rung, in_features=7, num_classes=3)
        assert creation(built) == {"model": "softmax_regression", "arguments": {"in_features": 7, "num_classes": 3}}


def test_a_model_whose_head_was_replaced_tells_nothing():
    model = models.create("mlp", in_features=7, hidden_sizes=(5,), num_classes=2)
    model[-1] = nn.Linear(5, 3)
    assert creation(model) == {}
    assert creation(nn.Linear(2, 3)) == {}


def test_pictures_are_drawn_from_0_to_1_and_numbers_around_0():
    pictures = generated({"kind": "images", "example_shape": [2, 3, 5]})
    assert pictures.shape == (exports.EXAMPLES, 2, 3, 5)
    assert 0 <= pictures.min() < 0.1 < 0.9 < pictures.max() <= 1
    assert generated({"kind": "generated", "example_shape": [7]}).min() < -1


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("linear-regression", {}),
        ("weight-decay", {}),
        ("polynomial", {"terms": (2, 3)}),
        ("perceptron", {}),
        ("softmax-regression", {"data": "fashion-mnist-sample"}),
        ("char-gru", {"hidden_size": 7}),
        ("seq2seq", PAIRS),
        ("bahdanau", {**PAIRS, "rung": "scratch", "bidirectional_encoder": True, "cell": "lstm"}),
        ("transformer-numbers", {"d_model": 6, "num_heads": 2, "d_ff": 7, "data": PAIRS["data"], "translations": 3}),
        ("gpt-char", {"hidden_size": 6, "num_heads": 2, "steps": 7, "data": "time-machine,tokens=900"}),
    ],
)
def test_a_recipe_hands_over_the_model_that_its_checkpoint_holds(name, changes, tmp_path):
    module, folder = recipes.load(name), RunFolder(tmp_path / name)
    folder.path.mkdir()
    module.run(module.Config(epochs=1, limit=2, seed=3, **changes), folder)
    what = of_run(module, folder)
    found = what.model.get_submodule(what.inner).state_dict()
    saved = load_checkpoint(folder.best if folder.best.is_file() else folder.last)["model"]
    assert found.keys() == saved.keys()
    assert all(torch.equal(found[key], saved[key]) for key in saved)
    assert not what.model.training
    assert what.about["recipe"] == name
    assert "source" not in what.about
    export(what, folder.path / "model.safetensors", "safetensors")


@pytest.mark.parametrize("name", ["vit", "transformer-ablation", "translation-by-data", "positional-encoding"])
def test_a_run_of_several_models_is_told_where_each_is(name, tmp_path):
    folder = RunFolder.create(name, {}, tmp_path / "run")
    with pytest.raises(InputError, match=rf"one model, but {name} trains several beside each other; the weights of"):
        of_run(recipes.load(name), folder)


def test_the_weights_of_several_models_are_where_the_message_says(tmp_path):
    module, folder = recipes.load("bidirectional-leak"), RunFolder.create("bidirectional-leak", {}, tmp_path / "run")
    config = module.Config(epochs=1, limit=1, hidden_size=4, steps=5, data="time-machine,tokens=900")
    module.run(config, folder)
    with safe_open(folder.last, "pt") as file:
        names = {name.split(".")[1] for name in file.keys() if name.startswith("model.")}  # noqa: SIM118
    assert names == set(module.RECIPE.trained(folder).keys())
    assert len(names) > 1
