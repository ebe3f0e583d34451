"""The recipes of attention: what they say beside what theory says, and wrong input."""

import dataclasses

import numpy as np
import pytest
import torch

from fathom import data
from fathom.errors import DataError, InputError, UnknownNameError
from fathom.recipes import attention_cues as cues
from fathom.recipes import attention_scores as scores
from fathom.recipes import nadaraya_watson as watson
from fathom.records import RunFolder

QUICK = {"threads": 1, "device": "cpu"}


def test_the_learnt_width_is_the_one_that_searching_finds():
    result = watson.run(watson.Config(**QUICK, largest=0))
    assert result.metrics["width"] == pytest.approx(
        result.metrics["chosen_width"], rel=0.12
    )  # widths tried: 11 % apart
    assert result.metrics["test_loss"] < result.metrics["test_plain_loss"] < result.metrics["test_average_loss"]


def test_the_books_rate_jumps_past_the_best_width_and_stays_there():
    result = watson.run(watson.Config(**QUICK, largest=0, optimizer="sgd", lr=25.0, epochs=5))
    assert result.metrics["width"] < 0.5 * result.metrics["chosen_width"]
    assert result.metrics["test_loss"] > result.metrics["test_chosen_loss"]


def test_the_expected_error_is_the_mean_over_drawn_noise():
    random = torch.Generator().manual_seed(0)
    places, x = torch.linspace(0, 5, 7)[:, None].double(), 5 * torch.rand(3, 41, 1, generator=random).double()
    errors = []
    for _ in range(3000):
        y = watson.curve(x) + watson.NOISE * torch.randn(x.shape, generator=random)
        told = watson.nadaraya_watson(places, x, y, 0.3)[..., 0]
        errors.append((told - watson.curve(places)[:, 0]).square().mean(0))
    torch.testing.assert_close(watson.expected_error(places, x, 0.3), torch.stack(errors).mean(0), rtol=0.1, atol=0)


def test_without_sizes_nothing_is_said_of_them():
    assert watson.study(watson.Config(largest=150)) == {}
    assert watson.sizes(watson.Config(largest=900)) == [100, 200, 400, 800]


def test_a_table_of_ones_own_is_learnt_too(tmp_path):
    rows = [f"{a},{b},{a - b}" for a in range(5) for b in range(7)]
    (tmp_path / "own.csv").write_text("\n".join(["a,b,c", *rows]))
    config = watson.Config(**QUICK, largest=0, epochs=20, data=f"csv:{tmp_path / 'own.csv'},target=c")
    folder = RunFolder.create("nadaraya-watson", dataclasses.asdict(config), tmp_path / "run")
    result = watson.run(config, folder)
    assert result.metrics["test_loss"] < 0.2 * result.metrics["test_average_loss"]
    assert [path.name for path in watson.draw(folder)] == ["errors.png"]


def test_one_training_example_is_too_few():
    with pytest.raises(InputError, match="examples: expected a whole number from 2"):
        watson.run(watson.Config(**QUICK, data="noisy-curve,examples=1"))


@pytest.mark.parametrize("size", [4, 64, 1024])
def test_the_spread_of_dot_products_is_the_root_of_their_size(size):
    torch.manual_seed(0)
    about = {"items": 12, "features": 61, "classes": list("0123456789")}
    config = scores.Config(sizes=(size,))
    nets, test = scores.build(config, about), data.load("lookup,features=61,examples=500", "test")
    found = scores.steepness(config, nets, test, test)
    assert found[f"dot_{size}_spread"] == pytest.approx(size**0.5, rel=0.15)
    assert found[f"scaled_{size}_spread"] == pytest.approx(1.0, rel=0.15)


def test_the_norm_of_the_softmaxs_derivatives_is_autograds():
    torch.manual_seed(0)
    about = {"items": 5, "features": 3, "classes": list("0123456789")}
    config, test = scores.Config(sizes=(7,)), data.load("lookup,items=5,features=3,examples=11", "test")
    nets = scores.build(config, about)
    weights = scores.looks(nets["dot_7"], test.tensors["x"])
    norms = [torch.autograd.functional.jacobian(lambda s: s.softmax(0), row.log()).norm().item() for row in weights]
    assert scores.steepness(config, nets, test, test)["dot_7_jacobian"] == pytest.approx(np.mean(norms))


@pytest.mark.parametrize("sizes", [(), (4, 4), (0, 4)])
def test_sizes_that_are_none_are_refused(sizes):
    with pytest.raises(InputError, match="--sizes: expected different numbers of at least 1"):
        scores.Config(sizes=sizes)


def test_data_without_items_are_refused():
    with pytest.raises(DataError, match="xor: expected items and questions; try lookup"):
        scores.run(scores.Config(**QUICK, data="xor"))


@pytest.fixture(scope="module")
def scenes():
    return cues.load_splits(cues.Config(scenes=200))


def test_a_scene_has_one_bright_item_and_all_colours(scenes):
    items, question = cues.parts(scenes[0].tensors["x"])
    light = items.amax(dim=(2, 3, 4)).sort(dim=1, descending=True).values
    assert (light[:, 0] > 1.5 * light[:, 1]).float().mean() > 0.9  # a faint digit may be bright and yet darker
    assert question.sum(1).eq(1).all()
    hues = items.flatten(3).amax(-1)
    hues = hues / hues.amax(-1, keepdim=True)
    assert all(len({tuple(row) for row in scene.mul(20).round().tolist()}) == cues.ITEMS for scene in hues)


def test_the_answer_is_the_class_of_the_asked_or_of_the_bright_item():
    card = data.load("drawn-digits", "test", size=cues.SIDE, channels=1)
    plain = dataclasses.replace(card, tensors={**card.tensors, "x": torch.ones(1000, 1, cues.SIDE, cues.SIDE)})
    labels = torch.arange(1000)
    scenes = cues.scenes(dataclasses.replace(plain, tensors={**plain.tensors, "y": labels}), 300, seed=0)
    same = cues.scenes(
        dataclasses.replace(
            plain, tensors={"x": labels.view(-1, 1, 1, 1).expand_as(plain.tensors["x"]) / 1000, "y": labels}
        ),
        300,
        seed=0,
    )
    lights, question = cues.parts(scenes.tensors["x"])
    numbers, _ = cues.parts(same.tensors["x"])
    tints = torch.tensor(list(cues.COLOURS.values()))
    for scene in range(300):
        light = lights[scene, :, :, 0, 0]
        bright = light.amax(-1).argmax() if light.amax(-1).max() > 0.6 else None
        asked = int(question[scene].argmax())
        hue = light / light.amax(-1, keepdim=True)
        wanted = tints[asked - 1] / tints[asked - 1].max()
        place = bright if asked == 0 else (hue - wanted).abs().sum(-1).argmin()
        number = (numbers[scene, place].amax() / light[place].amax() * 1000).round()
        assert scenes.tensors["y"][scene] == number


def test_only_the_net_that_hears_the_question_looks_elsewhere_for_another(scenes):
    torch.manual_seed(0)
    nets = cues.build(cues.Config(hidden_size=11), {"classes": list("0123456789")})
    x = scenes[1].tensors["x"][:5]
    salience, attention = (cues.looks(nets[name], x) for name in ("salience", "attention"))
    torch.testing.assert_close(salience, salience[:, :1].expand_as(salience))
    assert (attention - attention[:, :1]).abs().max() > 1e-4
    torch.testing.assert_close(attention.sum(-1), torch.ones(5, len(cues.QUESTIONS)))


def test_a_scene_is_read_back_from_its_picture_and_asked_for_a_colour(tmp_path, scenes):
    config = cues.Config(**QUICK, scenes=200, hidden_size=3, epochs=1, limit=1)
    folder = RunFolder.create("attention-cues", dataclasses.asdict(config), tmp_path / "run")
    cues.run(config, folder)
    items, _ = cues.parts(scenes[1].tensors["x"][:1])
    scene = cues.write_scene(tmp_path / "scene, with a comma.png", items[0])
    net = cues.RECIPE.trained(folder)["attention"]
    for place, colour in enumerate(cues.QUESTIONS):
        x = torch.cat([items.flatten(1), torch.eye(len(cues.QUESTIONS))[[place]]], 1)
        expected = net(x).softmax(1)[0].max().item()
        said = cues.predict(folder, f"{scene},{colour}")
        assert max(said.probabilities.values()) == pytest.approx(expected, rel=0.02)  # pixels are rounded to bytes
    assert cues.predict(folder, scene).probabilities == cues.predict(folder, f"{scene},none").probabilities
    with pytest.raises(UnknownNameError, match="unknown colour 'redd'; did you mean 'red'"):
        cues.predict(folder, f"{scene},redd")
    with pytest.raises(DataError, match="expected a picture, but there is no such file"):
        cues.predict(folder, "nothing.png")
