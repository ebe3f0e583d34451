"""A small vision Transformer beside a residual network, by how many pictures there are to learn from.

`test_vit_SIZE_accuracy` and `test_resnet_SIZE_accuracy` are of nets that learn the first SIZE pictures, in as many
updates as those that learn all.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from fathom import data, models, optim
from fathom.errors import InputError
from fathom.plot.attention import MOST_NAMES
from fathom.plot.panels import Panel, panels
from fathom.recipes.common import contest, stability
from fathom.recipes.common.attended import Looks, of_blocks
from fathom.recipes.common.by_size import BySize, Places
from fathom.recipes.common.classifier import load_splits, pictured
from fathom.recipes.common.compared import ComparedConfig, first
from fathom.recipes.common.contest_recipe import ContestRecipe
from fathom.recipes.common.inputs import encode
from fathom.recipes.common.matched import parameters
from fathom.records import RunFolder
from fathom.train.channels_last import channels_last
from fathom.train.normalised import scaled
from fathom.train.supervised import Measure

SECTION = "Dosovitskiy et al. 2020"
DATA = "cifar10"
PUBLISHED: list[dict[str, Any]] = [
    {
        "metric": "test_accuracy",  # of the Transformer that learns most pictures
        "value": None,
        "split": "test images",
        "source": "Dosovitskiy et al. 2020, arXiv 2010.11929, figures 3 and 4",
        "note": "curves: from few pictures residual nets learn more, from a hundred million or more Transformers do",
    },
]
NETS = {"vit": "vision Transformer", "resnet": "ResNet-20"}
WISHES = {"size": 32, "channels": 3}


@dataclass(frozen=True, kw_only=True)
class Config(ComparedConfig):
    """Six blocks of 96 features on 4×4 patches, about as costly as ResNet-20; each net by its own rule.

    Args:
        sizes: how many of the training pictures a net learns, as `first` takes them.
        patch_size: pixels a side of a patch.
        hidden_size: features of a patch.
        num_heads: attention heads of a block.
        num_layers: blocks.
        resnet_optimizer: the residual net's rule.
        resnet_lr: its learning rate.
    """

    sizes: tuple[int, ...] = (1_000, 3_000, 10_000)
    patch_size: int = 4
    hidden_size: int = 96
    num_heads: int = 4
    num_layers: int = 6
    resnet_optimizer: str = "sgd,momentum=0.9,weight_decay=0.0005"
    resnet_lr: float = 0.1
    test_examples: int = 2_500
    epochs: int = 20
    batch_size: int = 128
    lr: float = 1e-3
    optimizer: str = "adamw,weight_decay=0.05"
    schedule: str = "cosine"
    warmup: int = 100
    clip: float = 1.0
    augment: str = "crop,padding=4+flip"
    data: str = DATA

    def __post_init__(self) -> None:
        """Check every range."""
        super().__post_init__()
        stability.in_range(**{f"sizes {size}": (size, 1) for size in self.sizes}, sizes=(len(self.sizes), 1))
        if len(set(self.sizes)) < len(self.sizes):
            raise InputError(f"--sizes: expected different numbers, got {self.sizes}")
        for name in ("patch_size", "hidden_size", "num_heads", "num_layers"):
            self._check(name, at_least=1)
        if self.hidden_size % self.num_heads:
            raise InputError(
                f"--num-heads: expected a divisor of --hidden-size {self.hidden_size}, got {self.num_heads}"
            )
        self._check("resnet_lr", above=0)
        self.keep(["examples"], "--sizes says how many pictures are learnt")
        optim.check(self.resnet_optimizer, self.resnet_lr, self.rung)


def build(config: Config, about: Mapping[str, Any]) -> nn.ModuleDict:
    """The nets, as `vit_1000` and `resnet_1000`; those of one kind begin alike."""
    networks: dict[str, nn.Module] = {}
    for kind in NETS:
        drawn: dict[str, Tensor] = {}
        for size in sorted(config.sizes):
            networks[f"{kind}_{size}"] = network = fresh(kind, config, about)
            drawn = drawn or network.state_dict()
            network.load_state_dict(drawn)
            scaled(network, about)
            if config.channels_last:
                channels_last(network)
    return nn.ModuleDict(networks)


def fresh(kind: str, config: Config, about: Mapping[str, Any]) -> Any:
    """A `vit` or a `resnet`."""
    if kind == "resnet":
        return models.on_rung("resnet20_cifar", config.rung, **pictured(about))
    return models.on_rung(
        "vit",
        config.rung,
        input_size=tuple(about["example_shape"][1:]),
        patch_size=config.patch_size,
        hidden_size=config.hidden_size,
        num_heads=config.num_heads,
        num_layers=config.num_layers,
        **pictured(about),
    )


def load(config: Config) -> tuple[data.Dataset, data.Dataset]:
    """The training pictures of the largest set, and the test pictures.

    Raises:
        InputError: there are fewer training pictures.
    """
    train, test = load_splits(config, **WISHES)
    if max(config.sizes) > len(train.require_images()):
        raise InputError(f"--sizes: expected at most {len(train):,}, the training pictures, got {max(config.sizes)}")
    return first(train, max(config.sizes)), first(test, config.test_examples)


def make_step(config: Config, networks: nn.ModuleDict, train: data.Dataset, loss: Measure, batches: int) -> BySize:
    """Each kind learns by its own rule, along one course."""
    course = optim.create_schedule(config.schedule, config.epochs * batches, config.warmup)
    own = {
        "vit": contest.Rule(config.optimizer, config.lr, course, clip=config.clip),
        "resnet": contest.Rule(config.resnet_optimizer, config.resnet_lr, course),
    }
    rules = {name: own[name.partition("_")[0]] for name in networks}
    return BySize(networks, reference(config), loss, rules, config, train)


def reference(config: Config) -> str:
    """The Transformer that learns most pictures."""
    return f"vit_{max(config.sizes)}"


def counts(config: Config, networks: nn.ModuleDict, train: data.Dataset, test: data.Dataset) -> dict[str, float]:
    """Parameters of each kind."""
    return {f"{kind}_parameters": float(parameters(networks[f"{kind}_{max(config.sizes)}"])) for kind in NETS}


RECIPE = ContestRecipe(
    recipe="vit",
    config=Config,
    build=build,
    reference=reference,
    published=PUBLISHED,
    load=load,
    at_start=counts,
    make_step=make_step,
    make_batches=lambda config, train, device: Places(config, len(train), device),
)
run, measure, predict = RECIPE.run, RECIPE.measure, RECIPE.predict


def attention(folder: RunFolder, source: str) -> list[Looks]:
    """Where each head of each block of the Transformer that learnt most looks, and where its class token does.

    Args:
        source: a picture's file.
    """
    config = Config(**folder.config)
    net: Any = RECIPE.trained(folder)[reference(config)]
    x = encode(folder.data, source)[:1]
    rows, columns = ([str(place + 1) for place in range(count)] for count in net.grid)
    names = ["class", *(f"{row},{column}" for row in rows for column in columns)]
    axes = "patch; 0 is the class token" if len(names) > MOST_NAMES else "patch, by row and column"
    found = []
    for block in of_blocks(net, x, names, axes=axes):
        seen_by_class = Looks(
            name=f"{block.name}, class token",
            weights=block.weights[:, 0, 1:].unflatten(1, net.grid),
            queries=rows,
            keys=columns,
            ylabel="row of patches",
            xlabel="column of patches",
        )
        found += [block, seen_by_class]
    return found


def draw(folder: RunFolder) -> list[Path]:
    """Accuracy on test pictures and on those that were learnt by how many there are; that of the largest by epoch."""
    config, result = Config(**folder.config), folder.result
    if result is None:
        return []
    sizes = sorted(config.sizes)

    def by_size(split: str) -> dict[str, tuple[list[int], list[float]]]:
        last = result.history[-1]
        return {
            title: (sizes, [last[f"{split}_{kind}_{size}_accuracy"] for size in sizes]) for kind, title in NETS.items()
        }

    largest = {f"{kind}_{sizes[-1]}": title for kind, title in NETS.items()}
    charts = [
        Panel(
            series=by_size("test"),
            thin=by_size("train"),
            title="Accuracy; thin: on what was learnt",
            xlabel="training pictures",
            logx=True,
            ylim=(0.0, 1.0),
            names=False,
            ticks={f"{size:,}": size for size in sizes},
        ),
        Panel(
            series=contest.by_epoch(result, "test_{}_accuracy", largest),
            thin=contest.by_epoch(result, "train_{}_accuracy", largest),
            title=f"With {sizes[-1]:,} pictures",
            xlabel="epoch",
            ylim=(0.0, 1.0),
            whole=True,
        ),
    ]
    return [panels(folder.path / "by-size.png", charts)]
