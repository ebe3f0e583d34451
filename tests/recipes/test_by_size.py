import dataclasses
from itertools import islice

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from fathom import data
from fathom.recipes import vit
from fathom.recipes.common import contest
from fathom.recipes.common.by_size import BySize, Places
from fathom.recipes.common.compared import first

CONFIG = vit.Config(sizes=(3, 7, 10), batch_size=4, augment="", data="drawn-shapes,size=8", device="cpu")


def looked_at(epochs, sizes, count):
    """How often the net of each size has looked at each of its pictures, after each epoch."""
    pictures = data.load(CONFIG.data, "train")
    pictures = dataclasses.replace(
        pictures, tensors={"x": torch.arange(count)[:, None].float(), "y": torch.arange(count)}
    )
    nets = nn.ModuleDict({f"net_{size}": nn.Linear(1, count) for size in sizes})
    step = BySize(nets, f"net_{count}", nn.CrossEntropyLoss(), dict.fromkeys(nets, RULE), CONFIG, pictures)
    times = {size: torch.zeros(size, dtype=torch.int64) for size in sizes}
    step.update = lambda name, x, y: (times[int(name[4:])].add_(y.bincount(minlength=int(name[4:]))).sum().item(), 0.0)
    places = Places(CONFIG, count, torch.device("cpu"))
    for _ in range(epochs):
        for batch in places:
            step(batch)
        yield {size: seen.tolist() for size, seen in times.items()}


RULE = contest.Rule("sgd", 0.1)


def test_no_picture_is_looked_at_oftener_than_another_of_its_set():
    for epoch, times in enumerate(looked_at(21, (3, 7, 10), 10), 1):
        for seen in times.values():
            assert sum(seen) == 10 * epoch  # as many for all nets
            assert max(seen) - min(seen) <= 1
    assert [set(seen) for seen in times.values()] == [{70}, {30}, {21}]


def test_where_sizes_divide_the_largest_each_epoch_has_every_picture_equally_often():
    for epoch, times in enumerate(looked_at(2, (3, 12), 12), 1):
        assert times == {3: [4 * epoch] * 3, 12: [epoch] * 12}


def test_every_epoch_has_an_order_of_its_own():
    places = Places(CONFIG, 10, torch.device("cpu"))
    orders = [torch.cat([batch[0] for batch in places]) % 10 for _ in range(2)]
    assert not torch.equal(*orders)


@pytest.mark.parametrize("done", [0, 2, 3, 4, 7])
def test_places_go_on_where_they_were_saved(done):
    def endless(places):
        while True:
            yield from (batch[0] for batch in places)

    whole = Places(CONFIG, 10, torch.device("cpu"))
    rest = endless(whole)
    list(islice(rest, done))
    again = Places(CONFIG, 10, torch.device("cpu"))
    again.load_state_dict(whole.state_dict())
    for one, other in zip(islice(rest, 7), endless(again), strict=False):
        assert torch.equal(one, other)


# --- the first examples ---------------------------------------------------------------------------------------------


def labelled(classes):
    pictures = data.load("drawn-shapes,size=8", "train")
    rows = torch.arange(len(classes))
    return dataclasses.replace(pictures, tensors={"x": rows, "y": torch.tensor(classes)})


@pytest.mark.parametrize("classes", [[0] * 31 + [1] * 29 + [2] * 37, [2] * 31 + [0] * 29 + [1] * 37])
def test_of_a_set_in_which_classes_stand_together_the_first_are_of_all_classes(classes):
    whole = labelled(classes)
    parts = {count: first(whole, count).tensors["x"] for count in (20, 40, 97, 200)}
    for part in parts.values():
        assert len(whole.tensors["y"][part].unique()) == 3
        assert torch.equal(parts[20], part[:20])  # nested
        assert len(part.unique()) == len(part)
    assert torch.equal(parts[97], parts[200])
    assert first(whole, 20).used.sizes == {"train": 20}
    assert first(whole, 0) is whole


def test_of_a_set_in_no_order_the_first_are_the_first():
    whole = labelled([0, 1, 1, 2, 0, 2, 1])
    assert first(whole, 3).tensors["x"].tolist() == [0, 1, 2]
    assert first(whole, 9).tensors["x"].tolist() == [*range(7)]


def test_from_ones_own_folder_every_size_has_pictures_of_every_class(tmp_path):
    generator = np.random.default_rng(0)
    for split, count in (("train", 23), ("test", 11)):
        for name in ("cat", "dog", "owl"):
            folder = tmp_path / split / name
            folder.mkdir(parents=True)
            for number in range(count):
                pixels = generator.integers(256, size=(5, 7, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / f"{number}.png")
    config = vit.Config(sizes=(19, 41), test_examples=17, data=f"images:{tmp_path},size=8")
    train, test = vit.load(config)
    for classes in (train.tensors["y"][:19], train.tensors["y"], test.tensors["y"]):
        assert classes.unique().tolist() == [0, 1, 2]
