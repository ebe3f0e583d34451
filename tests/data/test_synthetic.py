import math

import pytest
import torch

from fathom import data


def test_least_squares_finds_the_truth_of_the_linear_sets():
    for name, options in (("synthetic-linear", ""), ("high-dimensional-linear", ",examples=3000")):
        dataset = data.load(name + options)
        x, y = dataset.tensors["x"], dataset.tensors["y"]
        solution = torch.linalg.lstsq(torch.cat([x, torch.ones(len(x), 1)], 1), y).solution[:, 0]
        truth = dataset.about["truth"]
        torch.testing.assert_close(solution, torch.tensor([*truth["w"], truth["b"]]), atol=0.003, rtol=0)


def test_the_polynomials_columns_are_powers_over_factorials():
    dataset = data.load("polynomial")
    t = dataset.tensors["t"]
    for i in (0, 1, 2, 3, 19):
        torch.testing.assert_close(dataset.tensors["x"][:, i : i + 1], t**i / math.factorial(i))
    expected = 5 + 1.2 * t - 3.4 * t**2 / 2 + 5.6 * t**3 / 6
    residual = dataset.tensors["y"] - expected
    assert 0.07 < residual.std() < 0.13
    assert dataset.about["truth"]["w"] == [5.0, 1.2, -3.4, 5.6] + [0.0] * 16


def test_xor_is_the_four_corners():
    dataset = data.load("xor")
    assert dataset.tensors["x"].tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]
    assert dataset.tensors["y"].tolist() == [0, 1, 1, 0]


def test_the_separable_set_keeps_its_margin():
    dataset = data.load("separable,margin=0.2,examples=500")
    truth = dataset.about["truth"]
    distance = dataset.tensors["x"] @ torch.tensor(truth["w"]) + truth["b"]
    assert distance.abs().min() >= 0.2 - 1e-6
    assert torch.equal(distance > 0, dataset.tensors["y"] == 1)
    assert 100 < dataset.tensors["y"].sum() < 400


@pytest.mark.parametrize("name", ["synthetic-linear", "polynomial", "high-dimensional-linear", "separable"])
def test_seed_and_split_choose_the_numbers(name):
    def x(spec, split="train"):
        return data.load(spec, split).tensors["x"][:20]

    assert torch.equal(x(name), x(f"{name},seed=0"))
    assert not torch.equal(x(name), x(f"{name},seed=1"))
    assert not torch.equal(x(name), x(name, "test"))


def test_options_change_size_and_noise():
    dataset = data.load("synthetic-linear,examples=7,noise=0")
    x, y = dataset.tensors["x"], dataset.tensors["y"]
    torch.testing.assert_close(y, x @ torch.tensor([[2.0], [-3.4]]) + 4.2)
    assert len(dataset) == 7
    assert data.load("polynomial,columns=5").tensors["x"].shape == (100, 5)
    assert data.load("high-dimensional-linear,inputs=11").tensors["x"].shape == (20, 11)


def test_generated_sets_say_that_they_are():
    used = data.load("xor").used
    assert (used.name, used.origin, used.path, dict(used.sizes)) == ("xor", "generated", "", {"train": 4})
