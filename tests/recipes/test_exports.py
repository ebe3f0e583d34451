import pytest
import torch
from torch import nn

from fathom import models, recipes
from fathom.recipes import _exports
from fathom.recipes._exports import creation, generated, of_run
from fathom.records import RunFolder
from fathom.train import load_checkpoint
from fathom.train.export import export


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
    assert pictures.shape == (_exports.EXAMPLES, 2, 3, 5)
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
