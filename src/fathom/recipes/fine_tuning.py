"""One network from trained and from random weights, its lowest stages free or frozen, by the number of pictures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from torch import nn

from fathom import data, models, optim
from fathom.errors import InputError
from fathom.models.stages import freeze, parameter_groups, stages
from fathom.plot.panels import Panel, panels
from fathom.recipes.common import contest, stability, starts
from fathom.recipes.common.by_size import BySize, Places
from fathom.recipes.common.classifier import PictureConfig, load_splits
from fathom.recipes.common.compared import UNUSED, first
from fathom.recipes.common.contest_recipe import ContestRecipe
from fathom.recipes.efficientnet_lite0 import for_few_pictures
from fathom.records import Result, RunFolder
from fathom.train import Listener
from fathom.train.channels_last import channels_last
from fathom.train.normalised import scaled
from fathom.train.supervised import Measure

SECTION = "d2l-zh 13.2; Yosinski et al. 2014"
DATA = "cifar10"
PUBLISHED = [
    {
        "metric": "test_accuracy",
        "value": 0.939,
        "split": "test images",
        "source": "d2l-zh 13.2, printed: fine-tuned",
        "note": "other pictures (2,000 of hot dogs and of none, at 224 × 224) and another network, ResNet-18",
    },
    {
        "metric": "test_scratch_1000_accuracy",
        "value": 0.843,
        "split": "test images",
        "source": "d2l-zh 13.2, printed: from scratch",
        "note": "other pictures (2,000 of hot dogs and of none, at 224 × 224) and another network, ResNet-18",
    },
]
WISHES = {"size": 64, "channels": 3}
METHODS = ("scratch", "tuned", "frozen")
SCRATCH_FACTOR = 10.0  # times the learning rate, from random weights: d2l-zh 13.2


@dataclass(frozen=True, kw_only=True)
class Config(PictureConfig):
    """EfficientNet-Lite0 learns 100, 300 and 1,000 pictures, with as many updates of each: SGD at 0.005 along a cosine.

    The new head learns 10 times as fast, and so does the whole network from random weights. `freeze` is of the third
    method alone; without it there are two, and without `from_` all begin with random weights.

    Args:
        network: a network for pictures, by its name; the packaged weights are for efficientnet_lite0.
        sizes: how many of the training pictures there are, as `first` takes them.
        passes: how often an epoch sees the pictures of the largest set; those of smaller ones come accordingly oftener.
        test_examples: how many of the test pictures are looked at, the first ones; 0 for all.
    """

    network: str = "efficientnet_lite0"
    sizes: tuple[int, ...] = (100, 300, 1000)
    passes: int = 3
    test_examples: int = 2000
    epochs: int = 3
    batch_size: int = 32
    lr: float = 0.005
    optimizer: str = "sgd,momentum=0.9,weight_decay=0.0001"
    schedule: str = "cosine"
    augment: str = "flip"
    from_: str = starts.PUBLISHED
    freeze: str = "6"
    data: str = DATA

    def __post_init__(self) -> None:
        """Check every range."""
        super().__post_init__()
        stability.in_range(passes=(self.passes, 1), test_examples=(self.test_examples, 0))
        stability.in_range(**{f"sizes {size}": (size, 1) for size in self.sizes}, sizes=(len(self.sizes), 1))
        self.keep((*UNUSED, "discriminative"), contest.WHY_UNUSED)

    def methods(self) -> tuple[str, ...]:
        """The ways in which networks learn."""
        return METHODS if self.freeze else METHODS[:2]


def build(config: Config, about: Mapping[str, Any]) -> nn.ModuleDict:
    """The networks, as `tuned_300`, all with the same random weights."""
    make = partial(
        models.on_rung,
        config.network,
        config.rung,
        in_channels=about["channels"],
        num_classes=len(about["classes"]),
        input_size=tuple(about["image_size"]),
    )
    drawn = for_few_pictures(make())
    networks = {}
    for method in config.methods():
        for size in config.sizes:
            networks[f"{method}_{size}"] = network = for_few_pictures(make())
            network.load_state_dict(drawn.state_dict())
            scaled(network, about)
    return nn.ModuleDict(networks)


def begun(config: Config, about: Mapping[str, Any], start: starts.Start) -> nn.ModuleDict:
    """The networks with the weights that they start from, save those that start from none, and frozen as they are."""
    networks = build(config, about)
    for name, network in networks.items():
        if not name.startswith("scratch"):
            start.fill(network)
        if name.startswith("frozen"):
            freeze(network, config.freeze)
        if config.channels_last:
            channels_last(network)
    return networks


def make_step(
    config: Config, networks: nn.ModuleDict, train: data.Dataset, loss: Measure, batches: int
) -> contest.Contest:
    """Networks from random weights learn faster, and of the others the new heads."""
    course = optim.create_schedule(config.schedule, config.epochs * batches, config.warmup)
    rates = {name: config.lr * (SCRATCH_FACTOR if name.startswith("scratch") else 1.0) for name in networks}
    rules = {name: contest.Rule(config.optimizer, rate, course, clip=config.clip) for name, rate in rates.items()}
    groups = {
        name: parameter_groups(network, config.lr)
        for name, network in networks.items()
        if not name.startswith("scratch")
    }
    return BySize(networks, reference(config), loss, rules, config, train, groups)


def reference(config: Config) -> str:
    """The network whose numbers go without a name: fine-tuned on the largest set."""
    return f"tuned_{max(config.sizes)}"


def load(config: Config) -> tuple[data.Dataset, data.Dataset]:
    """The training pictures of the largest set, and the test pictures.

    Raises:
        InputError: there are fewer training pictures.
    """
    train, test = load_splits(config, **WISHES)
    if max(config.sizes) > len(train.require_images()):
        raise InputError(f"--sizes: expected at most {len(train):,}, the training pictures, got {max(config.sizes)}")
    return first(train, max(config.sizes)), first(test, config.test_examples)


RECIPE = ContestRecipe(
    recipe="fine-tuning",
    config=Config,
    build=build,
    reference=reference,
    published=PUBLISHED,
    load=load,
    make_step=make_step,
    make_batches=lambda config, train, device: Places(config, len(train) * config.passes, device),
)
measure, predict = RECIPE.measure, RECIPE.predict


def run(config: Config, folder: RunFolder | None = None, *, listeners: Sequence[Listener] = ()) -> Result:
    """Let all networks learn, each from the first so many pictures, and compare them on the test pictures.

    `test_METHOD_SIZE_accuracy` is of each network, `test_accuracy` of that which was fine-tuned on the largest set.

    Raises:
        InputError: there are no such weights, or they are of another network, or it has no such stages.
    """
    start = starts.Start.of(config, folder)
    train, test = load(config)
    begins = replace(RECIPE, build=partial(begun, start=start), load=lambda _: (start.examples(train), test))
    result = begins.run(config, folder, listeners=listeners)
    result = start.noted(replace(result, notes=(*result.notes, margin(config, result))))
    if folder is not None:
        folder.write_result(result)
    return result


def margin(config: Config, result: Result) -> str:
    """By how much starting from trained weights beats random ones, in words."""
    largest = max(config.sizes)
    tuned, scratch = (result.metrics[f"test_{method}_{largest}_accuracy"] for method in ("tuned", "scratch"))
    return f"with {largest:,} pictures {tuned:.3f} are right after fine-tuning, {scratch:.3f} from random weights"


def draw(folder: RunFolder) -> list[Path]:
    """The accuracy on pictures that were not learnt, and on those that were, by how many there are."""
    config, result = Config(**folder.config), folder.result
    if result is None:
        return []
    sizes = sorted(set(config.sizes))
    below = len(stages(build(config, folder.data)[reference(config)]))
    titles = {
        "scratch": "random weights",
        "tuned": "fine-tuned",
        "frozen": f"fine-tuned, {config.freeze} of {below} stages frozen"
        if config.freeze.isdigit()
        else f"fine-tuned, frozen to {config.freeze}",
    }

    def by_size(split: str) -> dict[str, tuple[list[int], list[float]]]:
        return {
            titles[method]: (sizes, [result.history[-1][f"{split}_{method}_{size}_accuracy"] for size in sizes])
            for method in config.methods()
        }

    charts = [
        Panel(
            series=by_size(split), title=title, xlabel="training pictures", logx=True, ylim=(0.0, 1.0),
            names=split == "train", ticks={f"{size:,}": size for size in sizes},
        )
        for split, title in (("test", "Right on test pictures"), ("train", "Right on training pictures, last epoch"))
    ]  # fmt: skip
    return [panels(folder.path / "by-size.png", charts)]
