"""Cues of attention: what strikes the eye, and what one looks for; nets that heed neither, the first, or both.

A scene has six pictures, each in a colour of its own, and one of them bright. Asked for a colour, one should say what
is in that picture; asked for none, what is in the bright one. `NAME_asked` and `NAME_unasked` are accuracies on either.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from fathom import data, models, seeding
from fathom.errors import DataError
from fathom.layers.composed import layer
from fathom.models.model import Model
from fathom.models.parts import check_choice
from fathom.plot.attention import attention_over_items
from fathom.plot.panels import Panel, panels
from fathom.recipes.common import contest, rivals
from fathom.recipes.common.classifier import load_splits as load_pictures
from fathom.recipes.common.contest_recipe import ContestRecipe, said_by
from fathom.records import Prediction, RunFolder, replacing
from fathom.train import TrainConfig

SECTION = "d2l-zh 10.1"
DATA = "drawn-digits"
PUBLISHED: list[dict[str, Any]] = [
    {
        "metric": "attention_asked",
        "value": None,
        "split": "scenes of held-out pictures",
        "source": "d2l-zh 10.1",
        "note": "the book tells of a red cup and of a book that is looked for, and measures nothing",
    },
]
REFERENCE = "attention"
TITLES = {"mean": "mean of all", "salience": "what strikes", "attention": "what is asked"}
COLOURS = {  # of a picture's light, red, green and blue in 0–1
    "red": (1.0, 0.2, 0.2),
    "green": (0.2, 0.9, 0.2),
    "blue": (0.3, 0.4, 1.0),
    "yellow": (1.0, 0.9, 0.1),
    "violet": (0.8, 0.3, 1.0),
    "grey": (0.8, 0.8, 0.8),
}
QUESTIONS = ("none", *COLOURS)
ITEMS = len(COLOURS)  # in a scene
SIDE = 14  # pixels of an item
DIM = 0.45  # light of all pictures but one


@dataclass(frozen=True, kw_only=True)
class Config(TrainConfig):
    """4,000 scenes of six drawn digits; Adam at 0.003, batches of 64.

    Args:
        scenes: that are learnt from; a quarter as many are held out.
        hidden_size: features of a picture.
    """

    scenes: int = 4000
    hidden_size: int = 64
    epochs: int = 10
    batch_size: int = 64
    lr: float = 0.003
    optimizer: str = "adam"
    data: str = DATA

    def __post_init__(self) -> None:
        """Check every range."""
        super().__post_init__()
        self._check("scenes", at_least=8)
        self._check("hidden_size", at_least=1)
        self.keep([name for name in contest.UNUSED if name != "clip"], contest.WHY_UNUSED)


# --- scenes ---------------------------------------------------------------------------------------------------------


def load_splits(config: Config) -> tuple[data.Dataset, data.Dataset]:
    """Scenes of training and of test pictures."""
    train, test = load_pictures(config, size=SIDE, channels=1)
    return scenes(train.require_images(), config.scenes, config.seed), scenes(test, config.scenes // 4, config.seed)


def scenes(pictures: data.Dataset, count: int, seed: int) -> data.Dataset:
    """`x` `(scenes, items * 3 * side * side + questions)`, the pictures and which question, one-hot; `y` the answers.

    Args:
        pictures: `x` `(examples, 1, side, side)` and classes `y`.
        count: scenes.
        seed: of what is drawn.
    """
    grey = data.pixels(pictures.tensors["x"])
    if grey.shape[1:] != (1, SIDE, SIDE):
        raise DataError(f"{pictures.card.name}: expected pictures (1, {SIDE}, {SIDE}), got {tuple(grey.shape[1:])}")
    random = seeding.generator(seed, 3, pictures.split == "test")
    chosen = torch.randint(len(grey), (count, ITEMS), generator=random)
    order = torch.rand(count, ITEMS, generator=random).argsort(1)  # which colour each item has
    striking = torch.randint(ITEMS, (count,), generator=random)
    question = torch.randint(len(QUESTIONS), (count,), generator=random)
    question[::3] = 0  # one in three, and some more, asks for nothing
    asked = torch.where(question == 0, striking, (order == question[:, None] - 1).int().argmax(1))
    light = torch.full((count, ITEMS), DIM).scatter_(1, striking[:, None], 1.0)
    tints = torch.tensor(list(COLOURS.values()))[order] * light[..., None]
    items = grey[chosen] * tints[..., None, None]
    x = torch.cat([items.flatten(1), nn.functional.one_hot(question, len(QUESTIONS))], 1)
    used = replace(pictures.used, sizes={pictures.split: count})
    about = {**pictures.about, "kind": "scenes", "example_shape": [x.shape[1]]}
    return replace(
        pictures,
        tensors={"x": x, "y": pictures.tensors["y"][chosen[torch.arange(count), asked]]},
        used=used,
        about=about,
    )


def parts(x: Tensor) -> tuple[Tensor, Tensor]:
    """The items `(batch, items, 3, side, side)` and the questions, one-hot, `(batch, questions)`."""
    items, question = x[:, : -len(QUESTIONS)], x[:, -len(QUESTIONS) :]
    return items.unflatten(1, (ITEMS, 3, SIDE, SIDE)), question


# --- nets -----------------------------------------------------------------------------------------------------------


class Looker(Model):
    """A scene and a question to logits; where it looks depends on nothing, on the pictures, or on the question too.

    Args:
        way: `mean`, `salience` or `attention`.
        num_classes: of the pictures.
        hidden_size: features of a picture.
        nn: the namespace of layers.
    """

    def __init__(self, way: str, num_classes: int, hidden_size: int = 64, *, nn: Any = torch.nn) -> None:
        super().__init__()
        check_choice("way", way, list(TITLES))
        self.way = way
        self.picture = nn.Sequential(
            nn.Linear(3 * SIDE**2, 2 * hidden_size), nn.ReLU(), nn.Linear(2 * hidden_size, hidden_size)
        )
        if way != "mean":
            self.attention = layer(nn, "AdditiveAttention")(hidden_size, len(QUESTIONS), hidden_size, keep_weights=True)
        self.answer = nn.Sequential(
            nn.Linear(hidden_size + len(QUESTIONS), hidden_size), nn.ReLU(), nn.Linear(hidden_size, num_classes)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map `(batch, items * 3 * side * side + questions)` to `(batch, classes)`."""
        items, question = parts(x)
        seen = self.picture(items.flatten(2))
        if self.way == "mean":
            found = seen.mean(1)
        else:
            query = question if self.way == "attention" else question * 0.0
            found = self.attention(query[:, None], seen, seen)[:, 0]
        return self.answer(torch.cat([found, question], 1))


def build(config: Config, about: Mapping[str, Any]) -> nn.ModuleDict:
    """The three nets."""
    nets = {
        way: models.on_rung(
            Looker, config.rung, way=way, num_classes=len(about["classes"]), hidden_size=config.hidden_size
        )
        for way in TITLES
    }
    return nn.ModuleDict(nets)


@torch.no_grad()
def asked_and_not(config: Any, nets: nn.ModuleDict, train: data.Dataset, test: data.Dataset) -> dict[str, float]:
    """Accuracies on scenes with a question and on those without, `NAME_asked` and `NAME_unasked`."""
    found = {}
    for name, net in nets.items():
        x, y = (test.tensors[part].to(rivals.device_of(net)) for part in ("x", "y"))
        right, unasked = net(x).argmax(1) == y, parts(x)[1][:, 0] == 1
        found[f"{name}_asked"] = right[~unasked].float().mean().item()
        found[f"{name}_unasked"] = right[unasked].float().mean().item()
    return found


@torch.no_grad()
def looks(net: Any, x: Tensor) -> Tensor:
    """Where a net looks in each scene for each question, `(scenes, questions, items)`."""
    items = parts(x)[0].flatten(1)
    every = []
    for question in torch.eye(len(QUESTIONS), device=x.device):
        net(torch.cat([items, question.expand(len(x), -1)], 1))
        every.append(net.attention.weights[:, 0])
    return torch.stack(every, 1)


RECIPE = ContestRecipe(
    recipe="attention-cues",
    config=Config,
    build=build,
    reference=REFERENCE,
    published=PUBLISHED,
    load=load_splits,
    inspect=asked_and_not,
)
run, measure = RECIPE.run, RECIPE.measure


def predict(folder: RunFolder, source: str | Path) -> Prediction:
    """What is in the picture that a question means: `source` is a scene's file, and perhaps a colour, `scene.png,red`.

    The scene's six pictures stand side by side in it; `extra` has what each net says, and where the one that hears the
    question looks.
    """
    path, _, colour = str(source).rpartition(",")
    if not path or Path(str(source)).is_file():
        path, colour = str(source), "none"
    check_choice("colour", colour.strip(), QUESTIONS)
    row = data.read_image(path, size=(SIDE, ITEMS * SIDE), channels=3)
    items = row.unflatten(2, (ITEMS, SIDE)).permute(2, 0, 1, 3)
    x = torch.cat([items.flatten(), torch.eye(len(QUESTIONS))[QUESTIONS.index(colour.strip())]])[None]
    nets: dict[str, Any] = dict(RECIPE.trained(folder).items())
    prediction = said_by(REFERENCE, nn.ModuleDict(nets), source, x, folder.data["classes"])
    weights = nets[REFERENCE].attention.weights[0, 0].tolist()
    return replace(prediction, extra={**prediction.extra, "weights": weights})


def write_scene(path: Path, items: Tensor) -> Path:
    """The pictures `(items, 3, side, side)` of a scene side by side in a PNG file, each pixel as a square of 8 × 8."""
    from PIL import Image

    pixels = (items.permute(2, 0, 3, 1).flatten(1, 2) * 255).round().to(torch.uint8)
    large = pixels.repeat_interleave(8, 0).repeat_interleave(8, 1)
    with replacing(path) as temporary:
        Image.fromarray(large.numpy()).save(temporary, format="PNG")
    return path


def draw(folder: RunFolder) -> list[Path]:
    """Where two nets look in three scenes for every question, how well each answers by epoch, and a scene to ask of."""
    config, result = Config(**folder.config), folder.result
    nets, x = RECIPE.trained(folder), load_splits(config)[1].tensors["x"][:3]
    maps = {TITLES[name]: looks(nets[name], x) for name in ("salience", "attention")}
    pictures = [
        attention_over_items(folder.path / "cues.png", parts(x)[0], maps, QUESTIONS),
        write_scene(folder.path / "scene.png", parts(x)[0][0]),
    ]
    if result is None:
        return pictures
    charts = [
        Panel(
            series=contest.by_epoch(result, f"{{}}_{what}", TITLES),
            title=title,
            xlabel="epoch",
            ylim=(0.0, 1.0),
            whole=True,
            names=what == "asked",
        )
        for what, title in (("unasked", "Right, nothing asked for"), ("asked", "Right, a colour asked for"))
    ]
    return [*pictures, panels(folder.path / "answers.png", charts)]
