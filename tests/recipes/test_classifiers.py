import dataclasses

import pytest
import torch
from torch import nn

from fathom import recipes
from fathom.errors import DataError, InputError
from fathom.recipes import densenet as zoo_densenet
from fathom.recipes import lenet, mlp, mlp_dropout, softmax_regression
from fathom.recipes.mlp_dropout import Disturbed
from fathom.records import RunFolder

QUICK = {"device": "cpu", "threads": 1, "data": "fashion-mnist-sample"}


def finished(recipe, name, tmp_path, **changes):
    config = recipe.Config(**{**QUICK, **changes})
    folder = RunFolder.create(name, dataclasses.asdict(config), tmp_path / "run")
    return folder, recipe.run(config, folder)


def test_softmax_regression_learns_the_sample():
    result = softmax_regression.run(softmax_regression.Config(**QUICK, epochs=3))
    assert result.metrics["test_accuracy"] > 0.7
    assert any("sample data" in note for note in result.notes)


def test_an_mlp_can_learn_its_training_examples_by_heart():
    result = mlp.run(mlp.Config(device="cpu", threads=1, data="xor,noise=0.4,examples=64", hidden_sizes=(64, 64),
                                optimizer="adam", lr=0.01, batch_size=64, epochs=300))  # fmt: skip
    assert result.metrics["train_accuracy"] == 1.0
    assert result.metrics["test_accuracy"] < 1.0


def test_an_mlp_sorts_the_rows_of_ones_own_table(tmp_path):
    pytest.importorskip("pandas")
    rows = [f"{i % 7},{i % 5},{'big' if i % 7 > 3 else 'small'}" for i in range(70)]
    (tmp_path / "sizes.csv").write_text("a,b,size\n" + "\n".join(rows) + "\n")
    folder, result = finished(mlp, "mlp", tmp_path, data=f"csv:{tmp_path / 'sizes.csv'},target=size",
                              optimizer="adam", lr=0.05, batch_size=16, epochs=20)  # fmt: skip
    assert result.metrics["test_accuracy"] == 1.0
    (tmp_path / "new.csv").write_text("a,b\n6,1\n0,2\n")
    prediction = mlp.predict(folder, tmp_path / "new.csv")
    assert prediction.label == "big"
    assert prediction.extra["rows"] == ["big", "small"]
    assert mlp.draw(folder) == []


def test_lenet_refuses_rows_of_numbers():
    with pytest.raises(DataError, match=r"xor: expected pictures"):
        lenet.run(lenet.Config(device="cpu", data="xor"))


def test_numbers_to_predict_are_refused():
    with pytest.raises(InputError, match=r"synthetic-linear has no classes"):
        mlp.run(mlp.Config(device="cpu", data="synthetic-linear"))


def test_a_picture_that_is_none_is_one_clear_line(tmp_path):
    folder, _ = finished(softmax_regression, "softmax-regression", tmp_path, epochs=1, limit=1)
    (tmp_path / "words.png").write_text("no picture")
    with pytest.raises(DataError, match=r"words\.png: could not be decoded"):
        softmax_regression.predict(folder, tmp_path / "words.png")


def test_the_weights_of_softmax_regression_are_drawn(tmp_path):
    folder, _ = finished(softmax_regression, "softmax-regression", tmp_path, epochs=1, limit=1)
    assert [picture.name for picture in softmax_regression.draw(folder)] == ["predictions.png", "weights.png"]


# --- disturbances ---------------------------------------------------------------------------------------------------


class Record(nn.Module):
    """Keeps the weight and the input that it was called with."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(200, 300))
        self.bias = nn.Parameter(torch.ones(300))

    def forward(self, x):
        self.seen = x, self.weight, self.bias
        return x.sum() + self.weight.sum() + self.bias.sum()


def test_in_evaluation_nothing_is_disturbed():
    model = Disturbed(Record(), input_noise=1.0, weight_replacement=0.5).eval()
    x = torch.ones(2, 3)
    model(x)
    seen, weight, _ = model.model.seen
    assert torch.equal(seen, x)
    assert torch.equal(weight, torch.ones(200, 300))


def test_input_noise_has_the_deviation_that_was_asked_for():
    torch.manual_seed(0)
    model = Disturbed(Record(), input_noise=0.3, weight_replacement=0.0)
    model(torch.zeros(100, 100))
    assert model.model.seen[0].std().item() == pytest.approx(0.3, rel=0.03)


def test_weights_are_replaced_with_the_probability_that_was_asked_for_and_learn_only_where_they_stay():
    torch.manual_seed(0)
    model = Disturbed(Record(), input_noise=0.0, weight_replacement=0.25)
    model(torch.zeros(1)).backward()
    _, weight, bias = model.model.seen
    replaced = weight != 1
    assert replaced.float().mean().item() == pytest.approx(0.25, rel=0.03)
    assert weight[replaced].std().item() == pytest.approx(0.01, rel=0.03)
    assert torch.equal(bias, torch.ones(300))
    assert torch.equal(model.model.weight.grad, (~replaced).float())
    assert torch.equal(model.model.weight, torch.ones(200, 300))  # back again after the step


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dropout": (0.5,)}, "--dropout: expected 2 probabilities from 0 to below 1"),
        ({"dropout": (0.5, 1.0)}, "--dropout: expected 2 probabilities"),
        ({"input_noise": -1.0}, "--input-noise: expected a number of at least 0"),
        ({"weight_replacement": 1.0}, "--weight-replacement: expected 0 to below 1"),
        ({"hidden_sizes": (256, 0)}, "--hidden-sizes: expected numbers of at least 1"),
    ],
)
def test_disturbances_out_of_range_are_refused(changes, message):
    with pytest.raises(InputError, match=message):
        mlp_dropout.Config(**changes)


# --- the registry of recipes ----------------------------------------------------------------------------------------


def test_recipes_are_found_by_either_spelling():
    assert recipes.load("mlp-dropout") is recipes.load("mlp_dropout") is mlp_dropout


def test_an_unknown_recipe_is_answered_with_the_nearest():
    with pytest.raises(InputError, match=r"unknown recipe 'lenett'; did you mean 'lenet'\?"):
        recipes.summary("lenett")


def test_a_network_laid_out_by_channels_is_measured_as_it_was_tested(tmp_path):
    folder, result = finished(zoo_densenet, "densenet", tmp_path, data="drawn-shapes,size=32", epochs=1, limit=2,
                              batch_size=7, channels_last=True)  # fmt: skip
    assert zoo_densenet.measure(folder).metrics["test_loss"] == result.metrics["test_loss"]
