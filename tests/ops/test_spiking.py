"""Spiking neurons against their equations, one neuron at a time."""

import math

import pytest
import torch

from fathom.errors import ShapeError
from fathom.ops.spiking import integrate_and_fire, liquid_column, traces


def test_neurons_follow_their_equations():
    torch.manual_seed(0)
    drive, weights = 0.3 * torch.rand(40, 3, 2, dtype=torch.float64), 0.4 * torch.randn(3, 3, dtype=torch.float64)
    found = integrate_and_fire(drive, weights, membrane=20.0, synapse=4.0, threshold=1.1, rest=2)
    assert 0.05 < found.mean() < 0.5
    for example in range(2):
        current, potential, resting, before = [0.0] * 3, [0.0] * 3, [0] * 3, [0.0] * 3
        for step in range(40):
            now = []
            for unit in range(3):
                incoming = drive[step, unit, example].item()
                incoming += sum(weights[unit, other].item() * before[other] for other in range(3))
                current[unit] = current[unit] * math.exp(-1 / 4) + incoming
                potential[unit] = potential[unit] * math.exp(-1 / 20) + current[unit] if not resting[unit] else 0.0
                spikes = potential[unit] >= 1.1
                if spikes:
                    potential[unit], resting[unit] = 0.0, 2
                elif resting[unit]:
                    resting[unit] -= 1
                now.append(float(spikes))
            before = now
            assert found[step, :, example].tolist() == now


def test_a_constant_current_gives_the_known_rate():
    spikes = integrate_and_fire(torch.full((3000, 1, 1), 0.05), torch.zeros(1, 1), membrane=30.0, synapse=0.01, rest=3)
    decay = math.exp(-1 / 30)  # v after n steps is 0.05 (1 - decayⁿ) / (1 - decay)
    steps = math.ceil(math.log(1 - (1 - decay) / 0.05) / math.log(decay)) + 3
    assert 3000 / spikes.sum().item() == pytest.approx(steps, rel=0.02)


def test_traces_are_sums_of_decaying_spikes():
    spikes = torch.tensor([1.0, 0.0, 1.0, 1.0])[:, None, None]
    a = math.exp(-1 / 5)
    torch.testing.assert_close(traces(spikes, 5.0)[:, 0, 0], torch.tensor([1, a, 1 + a**2, 1 + a + a**3]))


def test_a_column_is_sparse_local_and_partly_inhibitory():
    weights = liquid_column((5, 5, 5), 0.2, 2.0, 0.3, 6.0, torch.Generator().manual_seed(0))
    assert weights.diagonal().abs().sum() == 0
    signs = weights.sign().sum(dim=0)
    counts = (weights != 0).sum(dim=0)
    assert torch.equal(signs.abs(), counts.double())  # all that leaves one neuron has one sign
    assert (signs < 0).double().mean().item() == pytest.approx(0.2, abs=0.1)
    places = torch.cartesian_prod(*(torch.arange(5),) * 3).double()
    distance = torch.cdist(places, places)
    near, far = (weights != 0)[(distance > 0) & (distance < 1.5)], (weights != 0)[distance > 4]
    assert near.double().mean() > 0.1 > 0.01 > far.double().mean()
    assert weights.min() < -6 * 0.3 < 0 < weights.max() <= 0.6


def test_sizes_that_do_not_fit_are_told():
    with pytest.raises(ShapeError, match=r"expected \(steps, units, batch\) and \(units, units\), got \(3, 2, 1\) and"):
        integrate_and_fire(torch.zeros(3, 2, 1), torch.zeros(3, 3))
