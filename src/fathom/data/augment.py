"""Pictures varied at random, whole batches at a time: named transforms, joined by +.

    crop,padding=4+flip

Every picture of a batch gets its own draw. All draws come from torch's global generator, that of the CPU whatever the
pictures' device, so that a seed decides them and a resumed run draws on as it would have. Only training calls them.

What moves, colours, covers or mixes pixels is ours, for kornia takes several times as long for it; `rotate` and the
policies, in which many operations take part, are kornia's.
"""

import importlib.util
import math
from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from fathom.errors import InputError, MissingExtraError
from fathom.ops import pictures
from fathom.registry import Registry, arguments, spec

Transform = Callable[[tuple[Tensor, ...]], tuple[Tensor, ...]]
"""A batch, pictures `(batch, channels, height, width)` of float in 0–1 first, to one of the same form."""

Change = Callable[[Tensor], Tensor]
"""Pictures to pictures of the same shape."""

Mix = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""Pictures and the probabilities of their classes, `(batch, classes)`, to both again."""

TRANSFORMS: Registry[Callable[..., Any]] = Registry("augmentation")
MIXING = ("mix-up", "cut-mix")  # they change the labels too
OF_KORNIA = ("rotate", "trivial-augment", "rand-augment", "auto-augment")

Range = tuple[float, float]


def check(text: str) -> list[tuple[str, Any]]:
    """Name and `Change` or `Mix` of each transform that `text` names; kornia is not asked for yet.

    Args:
        text: names of `TRANSFORMS` with + between, options as `NAME,key=value,…`.

    Raises:
        UnknownNameError: no such transform or option.
        InputError: a value that an option may not have.
    """
    steps = []
    for piece in text.split("+"):
        name, options = spec(piece)
        maker = TRANSFORMS.get(name)
        steps.append((name, maker(**arguments(f"augmentation {name}", maker, options))))
    return steps


def create(text: str, classes: int = 0) -> Transform:
    """The transforms that `text` names, one after the other.

    Args:
        text: as `check` takes it.
        classes: how many there are. Transforms that mix pictures make of the labels, `(batch,)` of int at the end of
            the batch, the probabilities of the classes, `(batch, classes)` of float.

    Raises:
        UnknownNameError, InputError: as `check`; or pictures without classes are to be mixed.
        MissingExtraError: a transform needs kornia.
    """
    steps = check(text)
    for name, _ in steps:
        if name in OF_KORNIA and importlib.util.find_spec("kornia") is None:
            raise MissingExtraError("kornia", "vision", f"augmentation {name}")
        if name in MIXING and classes < 1:
            raise InputError(f"augmentation {name}: expected pictures in classes, got none to mix; leave it out")

    @torch.no_grad()  # the strengths of kornia's policies are parameters
    def apply(batch: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        x, *rest = batch
        for name, step in steps:
            if name in MIXING:
                *rest, labels = rest
                x, labels = step(x, probabilities(labels, classes))
                rest = [*rest, labels]
            else:
                x = step(x)
        return (x, *rest)

    return apply


def probabilities(labels: Tensor, classes: int) -> Tensor:
    """Class numbers `(batch,)` as `(batch, classes)` of float32; what are probabilities already stays."""
    return labels if labels.is_floating_point() else nn.functional.one_hot(labels, classes).float()


# --- draws ----------------------------------------------------------------------------------------------------------


def uniform(x: Tensor, low: float = 0.0, high: float = 1.0, tries: int = 0) -> Tensor:
    """A number from `low` to `high` for each picture, `(batch,)`; or so many tries, `(batch, tries)`."""
    drawn = torch.rand(len(x), *[tries] * bool(tries)) * (high - low) + low
    return drawn.to(x.device)


def whole(x: Tensor, low: int, high: Tensor | int) -> Tensor:
    """A whole number from `low` to `high`, both included, for each picture, `(batch,)` of int64."""
    return (low + (uniform(x) * (high - low + 1)).floor().long()).clamp(max=high)  # float32 may round up to the end


def beta(x: Tensor, alpha: float) -> Tensor:
    """A share for each picture from the beta distribution, both of whose parameters are `alpha`."""
    return torch.distributions.Beta(alpha, alpha).sample((len(x),)).to(x.device)


def window(x: Tensor, scale: Range, ratio: Range, tries: int = 10) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """A rectangle inside each picture: top, left, height and width, each `(batch,)` of int64.

    Of ten draws the first is taken that fits; if none does, the first one is cut to the picture.

    Args:
        scale: shares of the picture's area, least and most; uniform.
        ratio: width over height, least and most; its logarithm is uniform.
    """
    rows, columns = x.shape[2:]
    area = uniform(x, *scale, tries) * rows * columns
    aspect = uniform(x, math.log(ratio[0]), math.log(ratio[1]), tries).exp()
    heights, widths = (area / aspect).sqrt().round(), (area * aspect).sqrt().round()
    fits = (heights <= rows) & (widths <= columns) & (heights >= 1) & (widths >= 1)
    first = fits.int().argmax(1, keepdim=True)
    height = heights.gather(1, first)[:, 0].long().clamp(1, rows)
    width = widths.gather(1, first)[:, 0].long().clamp(1, columns)
    return whole(x, 0, rows - height), whole(x, 0, columns - width), height, width


# --- transforms: where pixels are -----------------------------------------------------------------------------------


def flip(p: float = 0.5) -> Change:
    """The mirror image, left and right exchanged, with probability `p`."""
    _shares("flip", p=p)
    return lambda x: pictures.mirrored(x, uniform(x) < p)


def flip_vertical(p: float = 0.5) -> Change:
    """The mirror image, top and bottom exchanged, with probability `p`."""
    _shares("flip-vertical", p=p)
    return lambda x: pictures.mirrored(x, uniform(x) < p, dim=-2)


def crop(padding: int = 4) -> Change:
    """A window of the picture's own size out of the picture with `padding` pixels of zeros around it.

    Source: He et al. 2015, arXiv 1512.03385, section 4.2.
    """
    if padding < 0:
        raise InputError(f"augmentation crop: padding: expected 0 pixels or more, got {padding}")
    return lambda x: pictures.shifted(x, whole(x, -padding, padding), whole(x, -padding, padding), padding)


def resized_crop(scale: Range = (0.08, 1.0), ratio: Range = (3 / 4, 4 / 3)) -> Change:
    """A window of some share (`scale`) of the area and some width over height (`ratio`), brought to the full size.

    Source: Szegedy et al. 2014, arXiv 1409.4842, section 6.
    """
    _ranges("resized-crop", scale=scale, ratio=ratio)
    _shares("resized-crop", scale=scale[1])
    return lambda x: pictures.enlarged(x, *window(x, scale, ratio))


def rotate(degrees: float = 15.0) -> Change:
    """Turned about its middle by up to so many degrees to either side, bilinear; what comes in is black."""
    if not 0 < degrees <= 180:
        raise InputError(f"augmentation rotate: degrees: expected above 0 and at most 180, got {degrees:g}")

    @cache
    def rotation() -> Change:
        turned: Change = kornia().RandomRotation(degrees, p=1.0)
        return turned

    return lambda x: rotation()(x)


# --- transforms: colours --------------------------------------------------------------------------------------------


def colour_jitter(brightness: float = 0.4, contrast: float = 0.4, saturation: float = 0.4, hue: float = 0.1) -> Change:
    """Brightness, contrast and saturation times factors of up to so much above or below 1, hues moved by up to `hue`.

    In this order. `hue` is in turns of the circle of colours, 0.5 at most. Grey pictures have neither hue nor
    saturation, and keep that.
    """
    given = {"brightness": brightness, "contrast": contrast, "saturation": saturation}
    _shares("colour-jitter", **given, hue=2 * hue)
    changes = (pictures.brightened, pictures.contrasted, pictures.saturated)

    def jitter(x: Tensor) -> Tensor:
        for change, most in zip(changes, given.values(), strict=True):
            factor = uniform(x, 1 - most, 1 + most)
            if most:
                x = change(x, factor)
        turns = uniform(x, -hue, hue)
        return pictures.turned_in_hue(x, turns) if hue else x

    return jitter


# --- transforms: what is covered ------------------------------------------------------------------------------------


def cut_out(size: float = 0.5) -> Change:
    """A black square with a side of `size` of the picture's shorter one, its middle anywhere in the picture.

    Source: DeVries and Taylor 2017, arXiv 1708.04552.
    """
    _shares("cut-out", size=size)

    def cover(x: Tensor) -> Tensor:
        rows, columns = x.shape[2:]
        side = torch.full((len(x),), round(size * min(rows, columns)), device=x.device)
        down, right = whole(x, 0, rows - 1), whole(x, 0, columns - 1)
        return x.masked_fill(pictures.rectangles(x, down - side // 2, right - side // 2, side, side), 0.0)

    return cover


def erase(p: float = 0.5, scale: Range = (0.02, 0.33), ratio: Range = (0.3, 3.3)) -> Change:
    """A black rectangle inside the picture, of a share (`scale`) of its area, with probability `p`.

    Source: Zhong et al. 2017, "Random Erasing", arXiv 1708.04896; black, where the paper fills in noise.
    """
    _ranges("erase", scale=scale, ratio=ratio)
    _shares("erase", p=p, scale=scale[1])

    def cover(x: Tensor) -> Tensor:
        chosen = (uniform(x) < p)[:, None, None, None]
        return x.masked_fill(pictures.rectangles(x, *window(x, scale, ratio)) & chosen, 0.0)

    return cover


# --- transforms that mix pictures and their labels ------------------------------------------------------------------


def mix_up(alpha: float = 0.2) -> Mix:
    """λ of the picture and of its label, 1 - λ of another of the batch and of its label; λ from Beta(alpha, alpha).

    Source: Zhang et al. 2018, arXiv 1710.09412.
    """
    _above_zero("mix-up", alpha=alpha)

    def mix(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        kept, other = beta(x, alpha), torch.randperm(len(x)).to(x.device)
        return torch.lerp(x[other], x, kept[:, None, None, None]), torch.lerp(y[other], y, kept[:, None])

    return mix


def cut_mix(alpha: float = 1.0) -> Mix:
    """A rectangle of another picture of the batch in its place, and of that one's label as much as of its area.

    The rectangle has the picture's proportions and 1 - λ of its area, λ from Beta(alpha, alpha); its middle is anywhere
    in the picture, and what lies outside is cut off.

    Source: Yun et al. 2019, arXiv 1905.04899.
    """
    _above_zero("cut-mix", alpha=alpha)

    def mix(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        rows, columns = x.shape[2:]
        side, other = (1 - beta(x, alpha)).sqrt(), torch.randperm(len(x)).to(x.device)
        height, width = (side * rows).round().long(), (side * columns).round().long()
        down, right = whole(x, 0, rows - 1), whole(x, 0, columns - 1)
        mask = pictures.rectangles(x, down - height // 2, right - width // 2, height, width)
        kept = 1 - mask.float().mean((1, 2, 3))
        return torch.where(mask, x[other], x), torch.lerp(y[other], y, kept[:, None])

    return mix


# --- policies of kornia ---------------------------------------------------------------------------------------------


def trivial_augment() -> Change:
    """One operation of twelve, or none, drawn for each picture, at a strength drawn with it.

    Source: Müller and Hutter 2021, arXiv 2103.10158. Operations and strengths are kornia's, but that 4 bits of a
    colour are kept at least, as in the paper: kornia's own list goes down to none, a black picture.
    """

    def make(auto: Any) -> Any:
        from kornia.augmentation.auto.trivial_augment.trivial_augment import default_policy

        bits = [("posterize", 4.0, 8.0)]
        return auto.TrivialAugment([bits if entry[0][0] == "posterize" else entry for entry in default_policy])

    return _policy(make, rounds=1, none=True)


def rand_augment(count: int = 2, magnitude: int = 10) -> Change:
    """`count` operations drawn for each picture, at one strength from 1 to 29.

    Source: Cubuk et al. 2019, arXiv 1909.13719; operations and strengths are kornia's.
    """
    if count < 1 or not 1 <= magnitude <= 29:
        raise InputError(
            f"augmentation rand-augment: expected a count from 1 and a magnitude from 1 to 29, got {count} and "
            f"{magnitude}"
        )
    return _policy(lambda auto: auto.RandAugment(1, magnitude), rounds=count)


def auto_augment(policy: str = "cifar10") -> Change:
    """One of the pairs of operations that were found for `cifar10`, `imagenet` or `svhn`, drawn for each picture.

    Source: Cubuk et al. 2018, arXiv 1805.09501; operations and strengths are kornia's.
    """
    if policy not in ("cifar10", "imagenet", "svhn"):
        raise InputError(f"augmentation auto-augment: policy: expected cifar10, imagenet or svhn, got {policy!r}")
    return _policy(lambda auto: auto.AutoAugment(policy), rounds=1)


def _policy(make: Callable[[Any], Any], rounds: int, none: bool = False) -> Change:
    """Every picture by an entry of kornia's policy of its own: kornia would draw one entry for all of the batch.

    Args:
        make: gives the policy from the module `kornia.augmentation.auto`.
        rounds: entries for each picture, one after the other.
        none: whether leaving a picture alone counts as an entry.
    """

    @cache
    def entries() -> list[Change]:
        return list(make(kornia().auto).children())

    def vary(x: Tensor) -> Tensor:
        coloured = x.expand(-1, 3, -1, -1).clone()
        for _ in range(rounds):
            drawn = torch.randint(len(entries()) + none, (len(x),))
            for number in drawn.unique().tolist():
                if number < len(entries()):
                    chosen = (drawn == number).nonzero()[:, 0].to(x.device)
                    coloured[chosen] = entries()[number](coloured[chosen])
        return coloured[:, : x.shape[1]].clamp(0, 1)

    return vary


@cache
def kornia() -> Any:
    """kornia's augmentations; importing them takes half a second."""
    import kornia.augmentation
    import kornia.augmentation.auto

    return kornia.augmentation


# --- ranges ---------------------------------------------------------------------------------------------------------


def _shares(name: str, **values: float) -> None:
    for option, value in values.items():
        if not 0 <= value <= 1:
            raise InputError(f"augmentation {name}: {option}: expected a share from 0 to 1, got {value:g}")


def _ranges(name: str, **values: Range) -> None:
    for option, (low, high) in values.items():
        if not 0 < low <= high:
            raise InputError(
                f"augmentation {name}: {option}: expected LEAST/MOST above 0, as in 0.5/1, got {low:g}/{high:g}"
            )


def _above_zero(name: str, **values: float) -> None:
    for option, value in values.items():
        if not value > 0:
            raise InputError(f"augmentation {name}: {option}: expected a number above 0, got {value:g}")


BY_KIND = {
    maker.__name__.replace("_", "-"): maker
    for maker in (
        flip, flip_vertical, crop, resized_crop, rotate, colour_jitter, cut_out, erase, mix_up, cut_mix,
        trivial_augment, rand_augment, auto_augment,
    )
}  # fmt: skip
for _name, _maker in BY_KIND.items():
    TRANSFORMS.add(_name, _maker)
