import inspect
import math
import random
import re

import numpy as np
import pytest
import torch
from PIL import Image

from fathom.data import augment
from fathom.errors import InputError, MissingExtraError, UnknownNameError
from fathom.recipes.common.classifier import PictureConfig

SHAPES = [(5, 3, 13, 11), (7, 1, 8, 17), (1, 3, 9, 9)]
CLASSES = 5

every_transform = pytest.mark.parametrize("name", augment.TRANSFORMS.names())


@pytest.fixture(autouse=True)
def kornia_or_nothing(request):
    """Transforms of kornia's are tested where it is installed."""
    if getattr(request.node, "callspec", None) and request.node.callspec.params.get("name") in augment.OF_KORNIA:
        pytest.importorskip("kornia")


def some(shape):
    return torch.rand(shape, generator=torch.Generator().manual_seed(sum(shape)))


def applied(text, x, y=None, seed=3):
    torch.manual_seed(seed)
    return augment.create(text, CLASSES)((x,) if y is None else (x, y))


def pictures_only(name):
    return name not in augment.MIXING


@every_transform
@pytest.mark.parametrize("shape", SHAPES)
def test_shapes_types_and_ranges_stay(name, shape):
    x, y = some(shape), torch.arange(shape[0]) % CLASSES
    before = x.clone()
    changed, labels = applied(name, x, y)
    assert torch.equal(x, before)
    assert changed.shape == x.shape
    assert changed.dtype == x.dtype
    assert not changed.requires_grad
    assert changed.min() >= 0
    assert changed.max() <= 1
    if pictures_only(name):
        assert torch.equal(labels, y)
    else:
        torch.testing.assert_close(labels.sum(1), torch.ones(len(y)))
        assert labels.min() >= 0


@every_transform
def test_torchs_global_generator_alone_decides(name):
    x, y = some((6, 3, 9, 7)), torch.arange(6) % CLASSES
    first = applied(name, x, y)
    random.seed(99)
    np.random.seed(99)  # noqa: NPY002
    again, other = applied(name, x, y), applied(name, x, y, seed=4)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0], other[0])


@every_transform
def test_a_state_put_back_draws_the_same_again(name):
    x, y = some((6, 3, 9, 7)), torch.arange(6) % CLASSES
    vary = augment.create(name, CLASSES)
    vary((x, y))
    state = torch.get_rng_state()
    first = vary((x, y))
    torch.set_rng_state(state)
    anew = augment.create(name, CLASSES)((x, y))  # as after a restart, by a transform that has not been used yet
    assert all(torch.equal(a, b) for a, b in zip(first, anew, strict=True))


@every_transform
def test_every_picture_has_its_own_draw(name):
    x, y = some((1, 3, 16, 16)).expand(12, -1, -1, -1), torch.arange(12) % CLASSES
    if not pictures_only(name):  # mixing a picture with itself changes nothing
        x = x * torch.linspace(0.2, 1, 12)[:, None, None, None]
    changed, _ = applied(name, x, y)
    assert len({picture.numpy().tobytes() for picture in changed}) > 1
    assert not torch.equal(changed, x)


@pytest.mark.parametrize("name", ["flip", "flip-vertical"])
def test_a_sure_flip_twice_is_no_flip(name):
    x = some((5, 3, 7, 11))
    (once,) = applied(f"{name},p=1", x)
    assert not torch.equal(once, x)
    assert torch.equal(applied(f"{name},p=1+{name},p=1", x)[0], x)
    assert torch.equal(applied(f"{name},p=0", x)[0], x)


def test_a_share_of_p_is_flipped():
    x = torch.tensor([0.0, 1.0]).expand(4000, 1, 1, 2)
    flipped = applied("flip,p=0.3", x)[0][:, 0, 0, 0].mean().item()
    assert abs(flipped - 0.3) < 5 * math.sqrt(0.3 * 0.7 / 4000)


def test_crops_begin_everywhere_alike():
    x = torch.arange(25.0).view(1, 1, 5, 5).expand(9000, -1, -1, -1) / 25
    middle = (applied("crop,padding=1", x)[0][:, 0, 2, 2] * 25).round().long()
    counts = torch.bincount(middle, minlength=25).view(5, 5)
    assert counts[1:4, 1:4].sum() == 9000
    assert (counts[1:4, 1:4] - 1000).abs().max() < 5 * math.sqrt(1000)
    assert torch.equal(applied("crop,padding=0", x[:3])[0], x[:3])


def test_windows_have_their_share_and_their_proportions():
    x = torch.zeros(1, 1, 200, 300).expand(3000, -1, -1, -1)
    torch.manual_seed(0)
    top, left, height, width = augment.window(x, (0.1, 0.5), (0.5, 2.0))
    assert min(top.min(), left.min()) >= 0
    assert (top + height).max() <= 200
    assert (left + width).max() <= 300
    area, ratio = height * width / 60_000, width / height
    assert 0.095 < area.min() < 0.11
    assert 0.48 < area.max() < 0.51
    assert 0.48 < ratio.min() < 0.53
    assert 1.9 < ratio.max() < 2.05
    assert top.float().mean().item() == pytest.approx((200 - height).float().mean().item() / 2, rel=0.05)


def test_a_window_that_can_not_fit_is_cut_to_the_picture():
    top, left, height, width = augment.window(torch.zeros(7, 1, 3, 90), (1.0, 1.0), (1.0, 1.0))
    assert height.tolist() == [3] * 7
    assert width.tolist() == [16] * 7  # the side of a square of 270 pixels
    assert top.tolist() == [0] * 7
    assert 0 <= left.min() <= left.max() <= 74


def test_resized_crop_of_the_whole_is_the_picture():
    x = some((3, 3, 8, 8))
    torch.testing.assert_close(applied("resized-crop,scale=1/1,ratio=1/1", x)[0], x, atol=1e-5, rtol=0)


def test_rotated_pictures_are_those_that_pillow_turns():
    kornia = pytest.importorskip("kornia.augmentation")
    x = some((4, 2, 19, 19))
    (ours,) = applied("rotate,degrees=40", x, seed=5)
    torch.manual_seed(5)
    degrees = kornia.RandomRotation(40.0, p=1.0).forward_parameters(x.shape)["degrees"]
    assert degrees.min() < 0 < degrees.max()
    inside = (slice(5, 14),) * 2  # which no corner reaches
    for picture, turned, angle in zip(x, ours, degrees.tolist(), strict=True):
        for channel, expected in zip(turned, picture, strict=True):
            image = Image.fromarray(expected.numpy()).rotate(angle, Image.Resampling.BILINEAR)
            np.testing.assert_allclose(channel.numpy()[inside], np.asarray(image)[inside], atol=2e-3)


def test_jitter_takes_factors_from_the_whole_range():
    x = torch.full((3000, 3, 1, 1), 0.5)
    factors = applied("colour-jitter,brightness=0.3,contrast=0,saturation=0,hue=0", x)[0][:, 0, 0, 0] / 0.5
    assert 0.7 <= factors.min() < 0.71
    assert 1.29 < factors.max() <= 1.3
    assert factors.mean() == pytest.approx(1, abs=0.02)
    assert torch.equal(applied("colour-jitter,brightness=0,contrast=0,saturation=0,hue=0", x)[0], x)


def test_jitter_is_kornias_with_the_same_factors():
    kornia = pytest.importorskip("kornia.augmentation")
    x = some((5, 3, 7, 11))
    (ours,) = applied("colour-jitter", x)
    torch.manual_seed(3)
    low, high = torch.tensor([0.6, 0.6, 0.6, -0.1]), torch.tensor([1.4, 1.4, 1.4, 0.1])
    factors = dict(
        zip(
            ("brightness_factor", "contrast_factor", "saturation_factor", "hue_factor"),
            (torch.rand(5) * (b - a) + a for a, b in zip(low, high, strict=True)),
            strict=True,
        )
    )
    theirs = kornia.ColorJitter(0.4, 0.4, 0.4, 0.1, p=1.0, order=(0, 1, 2, 3))
    for number, (picture, changed) in enumerate(zip(x, ours, strict=True)):
        drawn = theirs.forward_parameters(torch.Size([1, 3, 7, 11]))
        drawn |= {name: values[number : number + 1] for name, values in factors.items()}
        torch.testing.assert_close(theirs(picture[None], params=drawn)[0], changed, atol=1e-5, rtol=1e-5)


def test_cut_out_covers_a_square_around_any_pixel():
    x = torch.ones(4000, 1, 8, 8)
    black = applied("cut-out,size=0.5", x)[0] == 0
    sides = black.any(3)[:, 0].sum(1), black.any(2)[:, 0].sum(1)
    assert torch.equal(black.sum((1, 2, 3)), sides[0] * sides[1])
    for side in sides:  # 4, of which 1 or 2 may lie outside at the one edge and 1 at the other
        assert side.min() == 2
        assert side.max() == 4
        assert side.float().mean() == pytest.approx((2 + 3 + 4 * 5 + 3) / 8, rel=0.02)


def test_erase_covers_a_share_of_those_chosen():
    x = torch.ones(2000, 3, 40, 30)
    black = (applied("erase,p=0.4,scale=0.1/0.2", x)[0] == 0).all(1)
    shares = black.float().mean((1, 2))
    chosen = shares > 0
    assert abs(chosen.float().mean().item() - 0.4) < 5 * math.sqrt(0.4 * 0.6 / 2000)
    assert 0.09 < shares[chosen].min() < 0.11
    assert 0.19 < shares[chosen].max() < 0.215


@pytest.mark.parametrize("name", augment.MIXING)
def test_labels_are_mixed_as_the_pictures_are(name):
    value = torch.tensor([0.1, 0.25, 0.4, 0.8, 0.95])  # each class has pictures of one grey
    y = torch.arange(70) % CLASSES
    x = value[y][:, None, None, None].expand(70, 3, 11, 7)
    mixed, labels = applied(f"{name},alpha=0.7", x, y)
    torch.testing.assert_close(mixed.mean((1, 2, 3)), labels @ value)
    assert ((labels > 0).sum(1) == 2).sum() > 30
    assert ((labels > 0).sum(1) <= 2).all()
    again, twice = applied(f"{name},alpha=0.7+mix-up", x, y)
    torch.testing.assert_close(again.mean((1, 2, 3)), twice @ value)


def test_mix_up_is_a_weighted_sum_of_two_pictures():
    x, y = some((7, 3, 5, 3)), torch.arange(7)
    torch.manual_seed(3)
    mixed, labels = augment.create("mix-up,alpha=1", 7)((x, y))
    for number, (picture, shares) in enumerate(zip(mixed, labels, strict=True)):
        assert shares[number] > 0 or (shares > 0).sum() == 1
        torch.testing.assert_close(picture, sum(share * other for share, other in zip(shares, x, strict=True)))


def test_cut_mix_has_every_pixel_from_one_of_two_pictures():
    x, y = some((7, 3, 12, 12)), torch.arange(7)
    torch.manual_seed(3)
    mixed, labels = augment.create("cut-mix", 7)((x, y))
    for number, (picture, shares) in enumerate(zip(mixed, labels, strict=True)):
        own = (picture == x[number]).all(0)
        assert own.float().mean().item() == pytest.approx(shares[number].item(), abs=1e-6)
        other = shares.index_fill(0, torch.tensor(number), 0).argmax()
        assert (own | (picture == x[other]).all(0)).all()


@pytest.mark.parametrize(("alpha", "variance"), [(1.0, 1 / 12), (0.2, 1 / (4 * 1.4))])  # 1 / (4 (2 alpha + 1))
def test_shares_have_the_moments_of_the_beta_distribution(alpha, variance):
    torch.manual_seed(0)
    shares = augment.beta(torch.zeros(20_000), alpha)
    assert shares.mean().item() == pytest.approx(0.5, abs=0.02)
    assert shares.var().item() == pytest.approx(variance, rel=0.05)


@pytest.mark.parametrize(
    ("name", "options"), [("trivial-augment", ()), ("rand-augment", (1, 10)), ("auto-augment", ("cifar10",))]
)
def test_a_policys_group_is_what_kornia_makes_of_it(name, options, monkeypatch):
    auto = pytest.importorskip("kornia.augmentation.auto")
    policy = {
        "trivial-augment": auto.TrivialAugment,
        "rand-augment": auto.RandAugment,
        "auto-augment": auto.AutoAugment,
    }
    entries = list(policy[name](*options).children())
    x, number = some((6, 3, 13, 11)), 4
    monkeypatch.setattr(torch, "randint", lambda high, size: torch.full(size, number))  # all draw one entry
    (ours,) = applied(f"{name},count=1" if name == "rand-augment" else name, x)
    torch.manual_seed(3)
    torch.testing.assert_close(ours, entries[number](x).detach().clamp(0, 1))


def test_trivial_augment_leaves_one_in_thirteen_alone():
    pytest.importorskip("kornia")
    x = some((1, 3, 6, 6)).expand(1300, -1, -1, -1) * 0.8
    same = (applied("trivial-augment", x)[0] == x).flatten(1).all(1).sum().item()
    assert 100 - 50 < same < 100 + 150  # some operations happen to change nothing, as solarising at the top


def test_trivial_augment_keeps_the_upper_bits_of_colours(monkeypatch):
    pytest.importorskip("kornia")
    x, posterise = some((40, 3, 4, 4)), 3
    monkeypatch.setattr(torch, "randint", lambda high, size: torch.full(size, posterise))
    (changed,) = applied("trivial-augment", x)
    off = (x - changed).flatten(1).amax(1)
    assert 1 / 32 < off.max() < 1 / 16  # 4 bits
    assert off.min() < 1 / 64


def test_a_grey_picture_stays_as_grey_as_its_coloured_copy():
    pytest.importorskip("kornia")
    x = some((8, 1, 9, 7))
    for name in ("colour-jitter", "trivial-augment"):
        coloured = applied(name, x.expand(-1, 3, -1, -1).contiguous())[0]
        torch.testing.assert_close(applied(name, x)[0], coloured[:, :1])


def test_transforms_come_in_the_order_given():
    x = some((5, 3, 7, 7))
    torch.manual_seed(3)
    (first,) = augment.create("crop,padding=2")((x,))
    (expected,) = augment.create("flip,p=1")((first,))
    assert torch.equal(applied("crop,padding=2+flip,p=1", x)[0], expected)


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("flp", UnknownNameError, "unknown augmentation 'flp'; did you mean 'flip'?"),
        ("flip+", UnknownNameError, "unknown augmentation ''; there are: auto-augment"),
        ("crop,paddng=2", UnknownNameError, "unknown option of augmentation crop 'paddng'; did you mean 'padding'?"),
        ("crop,padding=2.5", InputError, "augmentation crop: padding: expected a whole number, got '2.5'"),
        ("crop,padding=-1", InputError, "padding: expected 0 pixels or more, got -1"),
        ("crop 4", UnknownNameError, "unknown augmentation 'crop 4'; did you mean 'crop'?"),
        ("flip,p=1.5", InputError, "augmentation flip: p: expected a share from 0 to 1, got 1.5"),
        ("resized-crop,scale=0.5", InputError, "scale: expected 2 values with slashes between them, got '0.5'"),
        ("resized-crop,scale=0.9/0.5", InputError, "scale: expected LEAST/MOST above 0, as in 0.5/1, got 0.9/0.5"),
        ("resized-crop,scale=0.5/2", InputError, "scale: expected a share from 0 to 1, got 2"),
        ("rotate,degrees=0", InputError, "degrees: expected above 0 and at most 180, got 0"),
        ("colour-jitter,hue=0.6", InputError, "hue: expected a share from 0 to 1, got 1.2"),
        ("mix-up,alpha=0", InputError, "augmentation mix-up: alpha: expected a number above 0, got 0"),
        ("rand-augment,magnitude=30", InputError, "a magnitude from 1 to 29, got 2 and 30"),
        ("auto-augment,policy=mnist", InputError, "policy: expected cifar10, imagenet or svhn, got 'mnist'"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(text, error, message):
    with pytest.raises(error, match=re.escape(message)) as caught:
        PictureConfig(augment=text)
    assert "\n" not in str(caught.value)


def test_pictures_without_classes_are_not_mixed():
    with pytest.raises(InputError, match="augmentation mix-up: expected pictures in classes"):
        augment.create("flip+mix-up")


def test_without_kornia_only_its_own_transforms_are_missing(monkeypatch):
    def refuse():
        raise AssertionError("kornia was asked for")

    monkeypatch.setattr(augment.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(augment, "kornia", refuse)
    rest = [name for name in augment.TRANSFORMS.names() if name not in augment.OF_KORNIA]
    applied("+".join(rest), some((3, 3, 7, 7)), torch.arange(3))
    for name in augment.OF_KORNIA:
        PictureConfig(augment=name)  # a run elsewhere with it can still be read
        with pytest.raises(MissingExtraError, match=rf"augmentation {name} needs the package kornia.*\[vision\]"):
            augment.create(name)


def test_the_help_lists_every_transform_with_its_options():
    said = " ".join((PictureConfig.__doc__ or "").split())
    for name in augment.TRANSFORMS.names():
        options = inspect.signature(augment.TRANSFORMS.get(name)).parameters.values()
        if not options:
            assert name in said
            continue
        listed = re.search(rf"(?<![\w-]){name} \(([^)]*)\)", said)
        assert listed, name
        given = dict(piece.split("=") for piece in listed[1].split(", "))
        assert list(given) == [option.name for option in options]
        for option in options:
            if isinstance(option.default, tuple):
                assert [float(part) for part in given[option.name].split("/")] == pytest.approx(
                    option.default, abs=0.01
                )
            else:
                plain = f"{option.default:g}" if isinstance(option.default, float) else str(option.default)
                assert given[option.name] == plain
