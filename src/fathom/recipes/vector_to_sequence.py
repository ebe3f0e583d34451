"""A picture written row by row from a thumbnail, which is an input at every row, the first state, both, or unknown.

`NAME_nats` is -ln P of a test picture, `NAME_nats_N` of its Nth row given those above; `NAME_like` the share of pixels
in which a picture that is drawn from a test picture's thumbnail is like that picture.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, avg_pool2d, cross_entropy, pad

from fathom import data, models, plot, seeding
from fathom.models.vector_to_sequence import VectorToSequence
from fathom.plot.panels import Panel, panels
from fathom.recipes.common import contest, rivals
from fathom.recipes.common.contest_recipe import ContestRecipe
from fathom.recipes.common.inputs import encode
from fathom.recipes.common.matched import matched, parameters
from fathom.records import Prediction, RunFolder

SECTION = "Goodfellow et al. 2016, 10.2.4"
DATA = "fashion-mnist-sample"
PUBLISHED: list[dict[str, Any]] = [
    {
        "metric": "input_nats",
        "value": None,
        "split": "test images",
        "source": "Goodfellow, Bengio and Courville 2016, section 10.2.4",
        "note": "the book names the three ways to give a vector to the net, and measures none",
    },
]
REFERENCE = "both"
TITLES = {"none": "no thumbnail", "state": "the first state", "input": "at every row", "both": "both"}
SHOWN = 6  # pictures that are drawn


@dataclass(frozen=True, kw_only=True)
class Config(rivals.RivalConfig):
    """RNNs with as many parameters as one of 64 units that has the thumbnail in both ways.

    Args:
        side: pixels a side of the thumbnail.
    """

    side: int = 4
    epochs: int = 10
    batch_size: int = 128
    lr: float = 0.003
    data: str = DATA

    def __post_init__(self) -> None:
        """Check every range."""
        super().__post_init__()
        self._check("side", at_least=1)


def written(pictures: data.Dataset, config: Config) -> data.Dataset:
    """Thumbnails and pictures of half the size.

    `x` `(examples, thumbnail's pixels + rows * columns)` has both one after the other, `y` `(examples, rows, columns)`
    of int64 the picture: 1 where a pixel is at least half white.
    """
    x = thumbnails_and_pixels(data.pixels(pictures.tensors["x"]), config)
    rows, columns = (length // 2 for length in pictures.tensors["x"].shape[2:])
    y = x[:, config.side**2 :].view(-1, rows, columns).long()
    about = {**pictures.about, "classes": [], "rows": rows, "columns": columns}
    return replace(pictures, tensors={"x": x, "y": y}, about=about)


def thumbnails_and_pixels(x: Tensor, config: Config) -> Tensor:
    """Pictures `(examples, 1, height, width)` in 0–1 as `written` has them."""
    small = avg_pool2d(x, 2)
    return torch.cat([adaptive_avg_pool2d(x, config.side).flatten(1), (small >= 0.5).float().flatten(1)], dim=1)


def load_splits(config: Config) -> tuple[data.Dataset, data.Dataset]:
    """The training and the test pictures."""
    train, test = (
        written(data.load(config.data, split, image_size=28, channels=1).require_images(), config)
        for split in ("train", "test")
    )
    return train, test


class Writer(nn.Module):
    """A net of a thumbnail as a contestant: rows of `written` to logits `(batch, 2, rows, columns)`.

    Args:
        model: a `VectorToSequence`.
        context: pixels of the thumbnail.
        columns: of the picture.
    """

    def __init__(self, model: Any, context: int, columns: int) -> None:
        super().__init__()
        self.model, self.context, self.columns = model, context, columns

    def forward(self, x: Tensor) -> Tensor:
        """Logits of each pixel's being black and white, given the right rows above it."""
        context, pixels = x[:, : self.context], x[:, self.context :].unflatten(1, (-1, self.columns))
        logits: Tensor = self.model(context, pad(pixels, (0, 0, 1, 0))[:, :-1])[0]
        return torch.stack([torch.zeros_like(logits), logits], dim=1)


def build(config: Config, about: Mapping[str, Any]) -> nn.ModuleDict:
    """A net for each way to give the thumbnail, and one without."""
    context, columns = config.side**2, int(about["columns"])
    make = partial(VectorToSequence, context, columns)
    with torch.random.fork_rng(devices=[]):
        count = parameters(make(REFERENCE, config.hidden_size))
        units = {name: matched(partial(make, name), count) for name in TITLES}
    return nn.ModuleDict(
        {
            name: Writer(
                models.on_rung(
                    VectorToSequence,
                    config.rung,
                    context_features=context,
                    features=columns,
                    way=name,
                    hidden_size=units[name],
                ),
                context,
                columns,
            )
            for name in TITLES
        }
    )


@torch.no_grad()
def by_row(net: Any, test: data.Dataset) -> Tensor:
    """-ln P of each row of a test picture given those above it, `(rows,)`, in the mean."""
    x, y = (test.tensors[part].to(rivals.device_of(net)) for part in ("x", "y"))
    return cross_entropy(net(x), y, reduction="none").sum(dim=2).mean(dim=0)


def drawn(config: Config, net: Any, x: Tensor, rows: int) -> Tensor:
    """Pictures drawn row by row from the thumbnails in `x`, `(examples, rows, columns)`."""
    sampled: Tensor = net.model.sample(x[:, : net.context], rows, seeding.generator(config.seed, 7))
    return sampled


def looked_at(config: Config, nets: Any, train: data.Dataset, test: data.Dataset) -> dict[str, float]:
    """What is read from the nets after each epoch."""
    found: dict[str, float] = {}
    for name, net in nets.items():
        rows = by_row(net, test)
        found |= {f"{name}_nats_{row}": value for row, value in enumerate(rows.tolist(), 1)}
        found[f"{name}_nats"] = rows.sum().item()
        x, y = (test.tensors[part].to(rivals.device_of(net)) for part in ("x", "y"))
        found[f"{name}_like"] = (drawn(config, net, x, y.shape[1]) == y).float().mean().item()
    return found


RECIPE = ContestRecipe(
    recipe="vector-to-sequence",
    config=Config,
    build=build,
    reference=REFERENCE,
    published=PUBLISHED,
    load=load_splits,
    inspect=looked_at,
)
run, measure = RECIPE.run, RECIPE.measure


def predict(folder: RunFolder, source: str | Path) -> Prediction:
    """Share of pixels in which a picture drawn from the thumbnail of `source` is like it; `extra`: by each net."""
    config, about = Config(**folder.config), folder.data
    nets: Any = RECIPE.trained(folder)
    x = thumbnails_and_pixels(encode(about, source)[:1], config)
    picture = x[:, config.side**2 :].view(1, about["rows"], about["columns"])
    like = {name: (drawn(config, net, x, about["rows"]) == picture).float().mean().item() for name, net in nets.items()}
    return Prediction(input=str(source)[:200], label=like[REFERENCE], extra=like)


def draw(folder: RunFolder) -> list[Path]:
    """What a row costs by how far down it is; and pictures drawn from the thumbnails of test pictures."""
    config, result = Config(**folder.config), folder.result
    nets: Any = RECIPE.trained(folder)
    _, test = load_splits(config)
    pictures = [draw_samples(folder.path / "drawn.png", config, nets, test)]
    if result is None:
        return pictures
    rows = np.arange(1, folder.data["rows"] + 1)
    unknown = np.array([result.metrics[f"none_nats_{row}"] for row in rows])
    saved = {
        TITLES[name]: (rows, unknown - [result.metrics[f"{name}_nats_{row}"] for row in rows])
        for name in ("state", "input", "both")
    }
    charts = [
        Panel(series=saved, title="What the thumbnail tells of a row", xlabel="row", ylabel="nats", whole=True),
        Panel(
            series=contest.by_epoch(
                result, "{}_nats", {name: TITLES[name] for name in ("state", "input", "both", "none")}
            ),
            title="Nats a test picture",
            xlabel="epoch",
            whole=True,
        ),
    ]
    return [*pictures, panels(folder.path / "rows.png", charts)]


def draw_samples(path: Path, config: Config, nets: Mapping[str, Any], test: data.Dataset) -> Path:
    """Test pictures, their thumbnails, and a picture that each net draws from them."""
    x, y = test.tensors["x"][:SHOWN], test.tensors["y"][:SHOWN].float()
    lines = {
        "picture": y,
        "thumbnail": x[:, : config.side**2].view(-1, config.side, config.side),
        **{TITLES[name]: drawn(config, net, x, y.shape[1]) for name, net in nets.items()},
    }
    shown = [picture for line in lines.values() for picture in line]
    titles = [name if number == 0 else "" for name, line in lines.items() for number in range(len(line))]
    return plot.images(path, shown, titles, columns=len(y))
