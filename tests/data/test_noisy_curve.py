import torch

from fathom import data


def test_the_test_examples_are_the_curve_itself_at_even_places():
    tensors = data.load("noisy-curve", "test").tensors
    torch.testing.assert_close(tensors["x"][:, 0], torch.arange(0, 5, 0.1))
    x = tensors["x"].double()
    torch.testing.assert_close(tensors["y"].double(), 2 * torch.sin(x) + x.pow(0.8), rtol=1e-5, atol=1e-5)


def test_the_training_examples_are_sorted_within_0_and_5_and_noisy_as_asked():
    x, y = (data.load("noisy-curve,examples=4001,noise=0.3").tensors[name][:, 0] for name in ("x", "y"))
    assert x.diff().ge(0).all()
    assert 0 <= x.min() < 0.05
    assert 4.95 < x.max() <= 5
    noise = y - (2 * x.sin() + x**0.8)
    assert abs(noise.std() - 0.3) < 0.02
    assert abs(noise.mean()) < 0.02


def test_another_seed_gives_other_examples_and_the_same_curve():
    first, second = (data.load(f"noisy-curve,seed={seed}") for seed in (0, 1))
    assert not torch.equal(first.tensors["x"], second.tensors["x"])
    assert torch.equal(
        data.load("noisy-curve,seed=1", "test").tensors["y"], data.load("noisy-curve", "test").tensors["y"]
    )
