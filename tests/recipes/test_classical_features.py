import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from fathom import data
from fathom.errors import InputError, MissingExtraError
from fathom.recipes import classical_features
from fathom.recipes.common import designed

SMALL = {
    "sizes": (20, 60), "cell": 7, "words": 5, "components": 10, "epochs": 2, "limit": 3, "batch_size": 16,
    "threads": 1, "device": "cpu",
}  # fmt: skip


@pytest.fixture(scope="module")
def pictures():
    return data.pixels(data.load("fashion-mnist-sample", "test").tensors["x"][:30])


def gradients(picture):
    """Central differences down and across, 0 at the border."""
    down, across = np.zeros_like(picture), np.zeros_like(picture)
    down[1:-1] = picture[2:] - picture[:-2]
    across[:, 1:-1] = picture[:, 2:] - picture[:, :-2]
    return down, across


def slow_hog(picture, cell):
    """Dalal and Triggs' descriptor, pixel by pixel, with L2-Hys norms."""
    down, across = gradients(picture)
    length, turn = np.hypot(down, across), np.rad2deg(np.arctan2(down, across)) % 180
    rows, columns = (side // cell for side in picture.shape)
    cells = np.zeros((rows, columns, 9))
    for y in range(rows * cell):
        for x in range(columns * cell):
            cells[y // cell, x // cell, int(turn[y, x] // 20) % 9] += length[y, x] / cell**2
    blocks = []
    for y in range(rows - 1):
        for x in range(columns - 1):
            block = cells[y : y + 2, x : x + 2].ravel()
            block = np.minimum(block / np.sqrt((block**2).sum() + 1e-10), 0.2)
            blocks.append(block / np.sqrt((block**2).sum() + 1e-10))
    return np.concatenate(blocks)


def test_hog_is_the_descriptor_of_its_paper(pictures):
    found = designed.hog(pictures[:3], cell=7)
    assert found.shape == (3, 3 * 3 * 4 * 9)
    expected = np.stack([slow_hog(picture.double().numpy(), 7) for picture in pictures[:3, 0]])
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-4)


def test_descriptors_of_a_batch_are_those_of_its_pictures(pictures):
    found = designed.sift(pictures[:5])
    assert found.shape == (5, 7, 7, 128)
    for one, picture in zip(found, pictures[:5], strict=True):
        torch.testing.assert_close(one, designed.sift(picture[None])[0])


def test_a_bag_counts_the_nearest_words_in_the_picture_and_in_its_quarters(pictures):
    words = designed.vocabulary(pictures, 6, seed=0)
    assert words.shape == (6, 128)
    found = designed.bags(pictures[:4], words).square() * 49  # shares of the 7 × 7 descriptors
    for picture, bag in zip(pictures[:4], found.view(4, 5, 6), strict=True):
        grid = designed.sift(picture[None])[0]
        counts = torch.zeros(5, 6)
        for row in range(7):
            for column in range(7):
                word = (grid[row, column] - words).norm(dim=1).argmin()
                counts[0, word] += 1
                counts[1 + 2 * (row >= 4) + (column >= 4), word] += 1
        torch.testing.assert_close(bag, counts)


def test_a_machine_separates_what_can_be_separated_and_needs_a_kernel_for_what_a_line_can_not():
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(200, 2, generator=draw)
    apart, ring = (x[:, 0] > 0).long(), (x.norm(dim=1) > 1.2).long()
    for kernel, y, least, most in (("linear", apart, 0.97, 1.0), ("linear", ring, 0.0, 0.75), ("rbf", ring, 0.95, 1.0)):
        answer = designed.support_vectors(kernel, x, y, penalty=10.0)(x)
        assert least <= (answer == y).float().mean().item() <= most


def test_features_from_the_cache_change_nothing(monkeypatch):
    config = classical_features.Config(**SMALL)
    first = classical_features.run(config)
    monkeypatch.setattr(designed, "sift", None)  # no need to describe a picture again
    monkeypatch.setattr(designed, "hog", None)
    second = classical_features.run(config)
    assert second.metrics == first.metrics
    assert second.history == first.history


def test_each_network_learns_from_its_own_examples_alone():
    config = classical_features.Config(**SMALL)
    about = {"example_shape": [1, 28, 28], "classes": list("abc")}
    x, y = torch.rand(60, 1, 28, 28), torch.randint(3, (60,))
    ends = []
    for rest in (0.0, 1.0):  # what lies behind the first 20
        torch.manual_seed(0)
        networks = classical_features.build(config, about)
        changed = torch.cat([x[:20], torch.full_like(x[20:], rest)])
        step = classical_features.BySize(networks, nn.CrossEntropyLoss(), config, changed, y)
        for part in torch.arange(60).split(16):
            step((part,))
        ends.append({name: network.state_dict()["0.weight"] for name, network in networks.items()})
    assert torch.equal(ends[0]["lenet_20"], ends[1]["lenet_20"])
    assert not torch.equal(ends[0]["lenet_60"], ends[1]["lenet_60"])


def of_one(train):
    """The set with all labels 7."""
    return dataclasses.replace(train, tensors={**train.tensors, "y": torch.full_like(train.tensors["y"], 7)})


def test_more_examples_than_there_are_and_too_large_cells_are_refused():
    train = data.load("fashion-mnist-sample")
    with pytest.raises(InputError, match="--sizes: expected at most 10000, the training examples, got 10001"):
        classical_features.examples(classical_features.Config(sizes=(20, 10001)), train)
    with pytest.raises(InputError, match="--cell: expected at most 14"):
        classical_features.examples(classical_features.Config(cell=15), train)
    with pytest.raises(InputError, match="--sizes: expected two classes in each, got one in the first 3"):
        classical_features.examples(classical_features.Config(sizes=(3, 20)), of_one(train))
    with pytest.raises(InputError, match="--sizes: expected at least two rising numbers"):
        classical_features.Config(sizes=(60, 20))


def test_a_missing_package_is_named_with_its_extra():
    with pytest.raises(
        MissingExtraError, match=r"needs the package scikit-image: run pip install 'fathom-dl\[classical\]'"
    ):
        designed.package("no_such_module", "scikit-image")
