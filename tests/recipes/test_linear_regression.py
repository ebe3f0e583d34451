import dataclasses

import pytest
import torch

from fathom import data
from fathom.errors import DataError, InputError
from fathom.recipes.linear_regression import Config, draw, measure, predict, run
from fathom.records import RunFolder
from fathom.train import load_checkpoint


def settings(**changes):
    return Config(device="cpu", threads=1, **changes)


@pytest.fixture
def table(tmp_path):
    pytest.importorskip("pandas")
    random = torch.Generator().manual_seed(0)
    sizes, colours = torch.rand(60, generator=random).tolist(), ["red", "blue"]
    rows = [f"{100 * size:.3f},{colours[i % 2]},{1000 + 50 * size + 7 * (i % 2):.4f}" for i, size in enumerate(sizes)]
    path = tmp_path / "houses.csv"
    path.write_text("size,colour,price\n" + "\n".join(rows) + "\n")
    return path


def finished(tmp_path, **changes):
    config = settings(**changes)
    folder = RunFolder.create("linear-regression", dataclasses.asdict(config), tmp_path / "run")
    return folder, run(config, folder)


def test_it_recovers_the_true_line():
    metrics = run(settings()).metrics
    assert metrics["w_error"] < 0.005
    assert metrics["b_error"] < 0.005
    assert metrics["test_loss"] == pytest.approx(0.01**2 / 2, rel=0.1)  # half the variance of the noise


def test_trained_to_the_end_it_equals_least_squares(tmp_path):
    folder, _ = finished(tmp_path, epochs=80, batch_size=1000, lr=0.5)
    train = data.load("synthetic-linear")
    x, y = train.tensors["x"], train.tensors["y"]
    closed = torch.linalg.lstsq(torch.cat([x, torch.ones(len(x), 1)], dim=1), y).solution[:, 0]
    weight, bias = load_checkpoint(folder.last)["model"].values()
    torch.testing.assert_close(torch.cat([weight[0], bias]), closed, atol=1e-5, rtol=1e-5)


def test_a_column_of_ones_own_table_is_learned_and_predicted(tmp_path, table):
    folder, result = finished(tmp_path, data=f"csv:{table},target=price", epochs=100, lr=0.1)
    assert "w_error" not in result.metrics
    assert result.metrics["test_loss"] < 0.01
    new = tmp_path / "new.csv"
    new.write_text("colour,size\nred,50\nblue,20\n")
    prediction = predict(folder, new)
    assert prediction.label == pytest.approx(1025, abs=0.5)
    assert prediction.extra["rows"] == pytest.approx([1025, 1017], abs=0.5)
    assert measure(folder).metrics["test_loss"] == result.metrics["best_test_loss"]
    assert [picture.name for picture in draw(folder)] == ["predicted.png"]


def test_a_new_row_without_a_column_is_one_clear_line(tmp_path, table):
    folder, _ = finished(tmp_path, data=f"csv:{table},target=price", epochs=1)
    (tmp_path / "new.csv").write_text("size\n50\n")
    with pytest.raises(DataError, match=r"expected a column 'colour', got size"):
        predict(folder, tmp_path / "new.csv")


def test_generated_inputs_are_given_as_numbers(tmp_path):
    folder, _ = finished(tmp_path)
    assert predict(folder, "1, -1").label == pytest.approx(2 + 3.4 + 4.2, abs=0.02)


@pytest.mark.parametrize("words", ["1", "1,2,3", "one,two", "1,nan", ""])
def test_other_words_are_one_clear_line(tmp_path, words):
    folder, _ = finished(tmp_path, epochs=1, limit=1)
    with pytest.raises(InputError, match=r"expected 2 numbers with commas between them, as in 0\.5,0\.5, got"):
        predict(folder, words)


@pytest.mark.parametrize(
    ("name", "message"), [("separable", "has classes, not numbers to predict"), ("fashion-mnist-sample", "has classes")]
)
def test_classes_are_refused(name, message):
    with pytest.raises(InputError, match=message):
        run(settings(data=name))
