import math

import numpy as np
import pytest
import torch

from fathom import data
from fathom.data import dynamics
from fathom.errors import InputError


def finer(tau, steps, seed, substeps):
    """The same start integrated by small Euler steps with a linear delay: slow, obvious, and another method."""
    lag = round(tau * dynamics.SUBSTEPS)
    start = 1.2 + 0.1 * (np.random.default_rng(seed).random(lag + 2) - 0.5)
    h = 1 / (dynamics.SUBSTEPS * substeps)
    coarse = np.arange(len(start)) * substeps
    x = list(np.interp(np.arange(coarse[-1] + 1), coarse, start))
    back = lag * substeps
    for _ in range(steps * dynamics.SUBSTEPS * substeps):
        delayed = x[-1 - back]
        x.append(x[-1] + h * (0.2 * delayed / (1 + delayed**10) - 0.1 * x[-1]))
    return np.array(x[-(steps * dynamics.SUBSTEPS - 1) * substeps - 1 :: substeps * dynamics.SUBSTEPS])


def test_the_delay_equation_is_integrated(monkeypatch):
    monkeypatch.setattr(dynamics, "SETTLING", 0)
    series = dynamics.mackey_glass(60, 17.0, seed=3)
    np.testing.assert_allclose(series, finer(17.0, 60, 3, 20), atol=3e-3)  # Euler's own error


def test_the_delay_equation_stays_within_its_known_range_and_does_not_repeat():
    series = dynamics.mackey_glass(1500, 17.0)
    assert 0.2 < series.min() < 0.5
    assert 1.2 < series.max() < 1.4
    distances = [np.abs(series[lag:] - series[:-lag]).max() for lag in range(40, 700)]
    assert min(distances) > 0.05


def test_below_the_onset_of_chaos_it_repeats():
    series = dynamics.mackey_glass(1500, 8.0)[500:]
    distances = [np.abs(series[lag:] - series[:-lag]).max() for lag in range(10, 300)]
    assert min(distances) < 0.01


def test_narma_is_its_equation_written_out():
    u, y = dynamics.narma(40, seed=5)
    assert u.shape == y.shape == (40,)
    assert 0 <= u.min() < u.max() <= 0.5
    for t in range(10, 39):
        past = sum(y[t - 1 - i] for i in range(10))
        expected = 0.3 * y[t - 1] + 0.05 * y[t - 1] * past + 1.5 * u[t - 9] * u[t] + 0.1
        assert y[t] == pytest.approx(expected)


def test_slow_waves_have_the_period_of_their_class():
    waves = data.load("slow-waves,noise=0,length=400,examples=40")
    x, y = waves.tensors["x"].double(), waves.tensors["y"]
    spectrum = torch.fft.rfft(x).abs()
    spectrum[:, 400 // 9 :] = 0  # without the fast waves, whose periods are from 3 to 8 steps
    periods = 400 / spectrum.argmax(dim=1)
    ratio = periods / torch.tensor(dynamics.PERIODS)[y]
    assert math.log(1.45) > ratio.log().abs().max()
    assert waves.card.classes == ("12", "24", "48", "96")


@pytest.mark.parametrize("name", ["mackey-glass", "narma-10", "slow-waves"])
def test_a_seed_gives_one_series(name):
    first, again, other = (data.load(f"{name},seed={seed}").tensors["x"] for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    train, test = data.load(name), data.load(name, "test")
    assert {"train": len(train), "test": len(test)} == dict(train.card.splits)


def test_a_length_that_can_not_be_is_told():
    with pytest.raises(InputError, match="steps: expected a whole number from 100, got '5'"):
        data.load("mackey-glass,steps=5")
