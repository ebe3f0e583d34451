"""How a key is scored: by a dot product, the same over √features, or a small net; gradient and accuracy by key size.

`SCORE_SIZE_accuracy` is of the questions whose item has the right class; `…_jacobian` is the norm of the softmax's
derivatives, and `…_spread` the standard deviation of the scores of one question, both before the training too.
"""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from fathom import data, models
from fathom.errors import DataError, InputError
from fathom.layers.composed import layer
from fathom.models.model import Model
from fathom.plot.attention import attention_maps
from fathom.plot.panels import Panel, panels
from fathom.recipes.common import contest, rivals
from fathom.recipes.common.contest_recipe import ContestRecipe, named_at_start
from fathom.records import RunFolder
from fathom.train import TrainConfig
from fathom.train.experiment import prepare

SECTION = "d2l-zh 10.3"
DATA = "lookup"
PUBLISHED: list[dict[str, Any]] = [
    {
        "metric": "dot_64_spread_at_start",
        "value": 8.0,
        "split": "held-out questions",
        "source": "Vaswani et al. 2017, arXiv 1706.03762, section 3.2.1, footnote 4",
        "note": "a dot product of 64 independent components of variance 1 has a variance of 64",
    },
    {
        "metric": "test_scaled_16_accuracy",
        "value": None,
        "split": "held-out questions",
        "source": "Vaswani et al. 2017, arXiv 1706.03762, table 3, rows B",
        "note": "in translation, keys of 64, 32 and 16 features reach a BLEU of 25.8, 25.4 and 25.1",
    },
]
SCORES = {"dot": "dot product", "scaled": "over √size", "additive": "additive"}  # name to title
SHOWN = 12  # questions in the picture


@dataclass(frozen=True, kw_only=True)
class Config(TrainConfig):
    """Keys and queries of 4 to 1,024 features, whose components all begin with a variance of 1; Adam at 0.003.

    Args:
        sizes: features of the keys and queries, or units of the additive scores' net.
    """

    sizes: tuple[int, ...] = (4, 16, 64, 256, 1024)
    epochs: int = 8
    batch_size: int = 64
    lr: float = 0.003
    optimizer: str = "adam"
    data: str = DATA

    def __post_init__(self) -> None:
        """Check every range."""
        super().__post_init__()
        if not self.sizes or len(set(self.sizes)) < len(self.sizes) or min(self.sizes) < 1:
            raise InputError(f"--sizes: expected different numbers of at least 1, got {self.sizes}")
        self.keep([name for name in contest.UNUSED if name != "clip"], contest.WHY_UNUSED)


class Lookup(Model):
    """Items and a question to logits: what attention finds among the items' classes, through a linear layer.

    Args:
        score: `dot`, `scaled` or `additive`.
        size: features of keys and queries, or hidden units.
        items: of an example.
        features: of a key as it is given.
        num_classes: how many classes there are.
        nn: the namespace of layers.
    """

    def __init__(
        self, score: str, size: int, items: int, features: int, num_classes: int, *, nn: Any = torch.nn
    ) -> None:
        super().__init__()
        self.items, self.features = items, features
        if score == "additive":
            self.attention = layer(nn, "AdditiveAttention")(features, features, size)
            projections = [self.attention.key, self.attention.query]
        else:
            self.attention = layer(nn, "DotProductAttention")(scaled=score == "scaled")
            self.key, self.query = (nn.Linear(features, size, bias=False) for _ in range(2))
            projections = [self.key, self.query]
        for projection in projections:
            nn.init.normal_(projection.weight, 0.0, features**-0.5)
        self.additive = score == "additive"
        self.output = nn.Linear(num_classes, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map `(batch, items * (features + classes) + features)` to `(batch, classes)`."""
        rows, question = x[:, : -self.features].unflatten(1, (self.items, -1)), x[:, None, -self.features :]
        keys, classes = rows[..., : self.features], rows[..., self.features :]
        if not self.additive:
            keys, question = self.key(keys), self.query(question)
        return self.output(self.attention(question, keys, classes)[:, 0])


def load_splits(config: Config) -> tuple[data.Dataset, data.Dataset]:
    """The training and the held-out questions; DataError if the data are of another kind."""
    train, test = (data.load(config.data, split) for split in ("train", "test"))
    if "items" not in train.about:
        raise DataError(f"{config.data}: expected items and questions; try lookup,items=20 or lookup,noise=0.2")
    return train, test


def names(config: Config) -> dict[str, tuple[str, int]]:
    """Name of each net to its score and size."""
    return {f"{score}_{size}": (score, size) for score in SCORES for size in config.sizes}


def build(config: Config, about: Mapping[str, Any]) -> nn.ModuleDict:
    """A net of each score and size."""
    shape = {"items": about["items"], "features": about["features"], "num_classes": len(about["classes"])}
    nets = {
        name: models.on_rung(Lookup, config.rung, score=score, size=size, **shape)
        for name, (score, size) in names(config).items()
    }
    return nn.ModuleDict(nets)


@torch.no_grad()
def looks(net: nn.Module, x: Tensor) -> Tensor:
    """With which weights a net looks at the items, `(batch, items)` of float64."""
    exact: Any = copy.deepcopy(net).double()
    exact.attention.keep_weights = True
    exact(x.double())
    weights: Tensor = exact.attention.weights[:, 0]
    return weights


def steepness(config: Any, nets: nn.ModuleDict, train: data.Dataset, test: data.Dataset) -> dict[str, float]:
    """Of each net, `…_jacobian`: the norm of diag(p) - p pᵀ, a mean over questions; and `…_spread` of the scores.

    The weights' logarithms are the scores but for a constant of each question.
    """
    found = {}
    for name, net in nets.items():
        p = looks(net, test.tensors["x"].to(rivals.device_of(net)))
        jacobian = p.diag_embed() - p[:, :, None] * p[:, None, :]
        found[f"{name}_jacobian"] = jacobian.flatten(1).norm(dim=1).mean().item()
        found[f"{name}_spread"] = p.clamp_min(1e-300).log().var(dim=1).mean().sqrt().item()
    return found


def reference(config: Config) -> str:
    """The scaled dot product of the middle size."""
    return f"scaled_{sorted(config.sizes)[len(config.sizes) // 2]}"


RECIPE = ContestRecipe(
    recipe="attention-scores",
    config=Config,
    build=build,
    reference=reference,
    published=PUBLISHED,
    load=load_splits,
    inspect=steepness,
    at_start=named_at_start(steepness),
)
run, measure, predict = RECIPE.run, RECIPE.measure, RECIPE.predict


def draw(folder: RunFolder) -> list[Path]:
    """Gradient before the training, accuracy after it and losses of the widest, and where the widest look."""
    config, result = Config(**folder.config), folder.result
    if result is None:
        return []
    sizes = sorted(config.sizes)

    def by_size(metric: str, numbers: Mapping[str, Any] = result.metrics) -> dict[str, tuple[list[int], list[float]]]:
        return {
            title: (sizes, [numbers[metric.format(f"{score}_{size}")] for size in sizes])
            for score, title in SCORES.items()
        }

    widest = {f"{score}_{sizes[-1]}": title for score, title in SCORES.items()}
    charts = [
        Panel(
            series=by_size("{}_jacobian_at_start"),
            title="Derivatives of the softmax at the start",
            xlabel="key size",
            logx=True,
            ylim=(0.0, 0.4),
            names=False,
        ),
        Panel(
            series=by_size("test_{}_accuracy"),
            thin=by_size("test_{}_accuracy", result.history[0]),
            title="Accuracy; thin: after one epoch",
            xlabel="key size",
            logx=True,
            ylim=(0.0, 1.02),
            names=False,
        ),
        Panel(
            series=contest.by_epoch(result, "test_{}_loss", widest),
            title=f"Held-out loss, nats, size {sizes[-1]}",
            xlabel="epoch",
            whole=True,
        ),
    ]
    return [panels(folder.path / "sizes.png", charts), draw_looks(folder, config, widest)]


def draw_looks(folder: RunFolder, config: Config, widest: Mapping[str, str]) -> Path:
    """Where some nets look before and after the training, the item that is asked for in the first column."""
    test = load_splits(config)[1].tensors
    x, asked = test["x"][:SHOWN], test["asked"][:SHOWN]
    prepare(config)
    order = torch.arange(folder.data["items"])
    first = torch.stack([torch.cat([row[None], order[order != row]]) for row in asked])
    maps = {
        f"{title}, {when}": looks(nets[name], x).gather(1, first)
        for when, nets in (("start", build(config, folder.data)), ("end", RECIPE.trained(folder)))
        for name, title in widest.items()
    }
    return attention_maps(
        folder.path / "looks.png",
        maps,
        columns=len(widest),
        xlabel="items, the one asked for first",
        ylabel="questions",
    )
