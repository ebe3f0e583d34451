"""Forecasts of series: fed back by hand, filled from both sides, and refused where there is nothing to learn from."""

import pytest
import torch

from fathom import data
from fathom.errors import DataError, InputError
from fathom.recipes import sequence_sine

CONFIG = sequence_sine.Config(context=8, horizon=5, hidden_size=3)


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return sequence_sine.build(CONFIG).double().eval()


def test_each_prediction_is_fed_back(model):
    seen = torch.randn(3, 8, dtype=torch.float64)
    values = seen
    with torch.no_grad():
        for _ in range(5):
            values = torch.cat([values, model.mlp(values[:, -4:])], dim=1)
        torch.testing.assert_close(model.ahead("mlp", seen, 5), values[:, 8:])
        values = seen
        for _ in range(5):
            values = torch.cat([values, model.gru(values[:, :, None])[0][:, -1]], dim=1)
        torch.testing.assert_close(model.ahead("gru", seen, 5), values[:, 8:])


def test_the_three_models_see_what_they_may(model):
    x = torch.randn(2, 9, dtype=torch.float64)
    last, first = x.clone(), x.clone()
    last[:, -1], first[:, 0] = 7.0, 7.0
    with torch.no_grad():
        base, without_last, without_first = model(x), model(last), model(first)
    torch.testing.assert_close(without_last[:, :2], base[:, :2])  # the value to tell is not looked at
    torch.testing.assert_close(without_first[:, 2], base[:, 2])
    assert (without_first[:, 1] - base[:, 1]).abs().min() > 1e-9  # the GRU looks back to the first


def test_stretches_of_the_beginning_do_not_reach_into_the_end():
    train, test = sequence_sine.load_splits(CONFIG)
    series = sequence_sine.whole_series(*sequence_sine.load_series(CONFIG))
    assert len(train) == 600 - 8
    assert len(test) == 400 - 8
    torch.testing.assert_close(train.tensors["x"][-1], series[591:600])
    torch.testing.assert_close(train.tensors["y"][0], series[[8, 8, 0]])


def test_both_sides_of_a_gap_beat_one(tmp_path):
    config = sequence_sine.Config(context=8, horizon=32, epochs=3, threads=1)
    torch.manual_seed(0)
    train, test = sequence_sine.load_series(config)
    models = sequence_sine.build(config)
    optimizer = torch.optim.Adam(models.parameters(), lr=0.01)
    stretch = sequence_sine.stretches(torch.cat([train.tensors["x"], train.tensors["y"][-1:]]), config)
    for _ in range(100):
        optimizer.zero_grad()
        (models(stretch["x"]) - stretch["y"]).square().mean().backward()
        optimizer.step()
    told, truth, _ = sequence_sine.across_gaps(models, train, test, config)
    errors = {name: (values - truth).square().mean().sqrt().item() for name, values in told.items()}
    assert errors["from both sides"] < 0.8 * errors["from the left"]


def test_what_is_no_series_or_too_short_a_one_is_told(tmp_path):
    with pytest.raises(InputError, match=r"expected a series, got text; give noisy-sine or series:FILE\.csv"):
        sequence_sine.load_series(sequence_sine.Config(data="time-machine"))
    with pytest.raises(DataError, match="expected at least 97 steps in the test split, got 39"):
        sequence_sine.load_series(sequence_sine.Config(data="noisy-sine,steps=400,test=0.1"))
    with pytest.raises(InputError, match="--context: expected at least 8, twice --tau, got 7"):
        sequence_sine.Config(context=7)


def test_a_users_series_is_continued_in_its_own_units(tmp_path):
    rows = "\n".join(str(1000 + 3 * step) for step in range(200))
    (tmp_path / "rising.csv").write_text(f"load\n{rows}\n")
    config = sequence_sine.Config(context=8, horizon=5, data=f"series:{tmp_path / 'rising.csv'},column=load", epochs=1)
    train, _ = sequence_sine.load_splits(config)
    assert train.about["mean"] == pytest.approx(1178.5)
    assert isinstance(data.load(config.data).about["std"], float)
