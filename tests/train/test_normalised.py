import copy

import numpy as np
import pytest
import torch
from torch import nn

from fathom.errors import ShapeError
from fathom.train.normalised import normalised, scaled, statistics

MEAN, STD = [0.4, 0.5, 0.3], [0.2, 0.25, 0.5]


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 5, 3), nn.ReLU(), nn.Flatten(), nn.Linear(5 * 15, 2))


def by_hand(x):
    return torch.stack([(x[:, c] - MEAN[c]) / STD[c] for c in range(3)], dim=1)


def test_the_model_sees_pixels_less_the_mean_over_the_spread():
    plain, x = network(), torch.rand(2, 3, 5, 7)
    model = normalised(copy.deepcopy(plain), MEAN, STD)
    torch.testing.assert_close(model(x), plain(by_hand(x)))
    torch.testing.assert_close(copy.deepcopy(model)(x), model(x))
    torch.testing.assert_close(model.double()(x.double()).float(), plain(by_hand(x)))


def test_state_dicts_are_as_ever():
    plain = network()
    assert plain.state_dict().keys() == normalised(network(), MEAN, STD).state_dict().keys()


def test_an_exported_program_does_it_too():
    model, x = normalised(network(), MEAN, STD).eval(), torch.rand(2, 3, 5, 7)
    program = torch.export.export(model, (x,)).module()
    torch.testing.assert_close(program(x), model(x))
    assert not torch.allclose(program(x), network()(x))


def test_pictures_with_other_channels_are_refused():
    with pytest.raises(ShapeError, match=r"expected pictures with 3 channels, got \(2, 1, 5, 7\)"):
        normalised(network(), MEAN, STD)(torch.rand(2, 1, 5, 7))


@pytest.mark.parametrize("as_bytes", [False, True])
def test_statistics_are_numpys(as_bytes):
    x = (
        np.random.default_rng(0).integers(0, 256, (1301, 3, 5, 7)).astype(np.uint8)
        // np.array([1, 2, 5])[:, None, None]
    )
    values = x / 255
    mean, std = statistics(torch.from_numpy(x.astype(np.uint8) if as_bytes else values))
    np.testing.assert_allclose(mean, values.mean((0, 2, 3)), rtol=1e-10)
    np.testing.assert_allclose(std, values.std((0, 2, 3)), rtol=1e-8)


def test_a_channel_of_one_value_is_not_divided_by_zero():
    assert statistics(torch.full((3, 1, 2, 2), 0.7)) == ([pytest.approx(0.7)], [1.0])


def test_only_pictures_with_a_mean_of_each_channel_are_scaled():
    x = torch.rand(2, 3, 5, 7)
    for about in (
        {"kind": "images", "mean": 0.0, "std": 1.0},
        {"kind": "series", "mean": [0.4] * 3, "std": [0.2] * 3},
        {"kind": "images"},
    ):
        assert torch.equal(scaled(network(), about)(x), network()(x))
    about = {"kind": "images", "mean": MEAN, "std": STD}
    assert torch.equal(scaled(network(), about)(x), normalised(network(), MEAN, STD)(x))
