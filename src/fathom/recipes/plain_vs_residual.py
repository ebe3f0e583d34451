"""Plain networks get worse with depth, even on what they learn; with shortcuts depth pays."""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from fathom import data, models
from fathom.errors import InputError
from fathom.models.highway_cifar import highway_cifar
from fathom.models.resnet_cifar import of_depth
from fathom.plot.panels import Panel, panels
from fathom.recipes.common.classifier import pictured
from fathom.recipes.common.compared import BOLD_AND_THIN, Comparison, SmallPicturesConfig, error_panel, errors
from fathom.records import Result, RunFolder
from fathom.seeding import seed_everything

SECTION = "He et al. 2015, 4.2"
DATA = "cifar10"
PUBLISHED: list[dict[str, Any]] = [
    {
        "metric": "test_accuracy",  # of residual20, whose numbers also go without a name
        "value": 0.9125,
        "split": "test images",
        "source": "He et al. 2015, arXiv 1512.03385, table 6: error 8.75 %",
        "note": "all 50,000 pictures, 64,000 updates",
    },
    {
        "metric": "test_residual56_accuracy",
        "value": 0.9303,
        "split": "test images",
        "source": "He et al. 2015, arXiv 1512.03385, table 6: error 6.97 %",
        "note": "all 50,000 pictures, 64,000 updates",
    },
    {
        "metric": "test_plain56_accuracy",
        "value": None,
        "split": "test images",
        "source": "He et al. 2015, arXiv 1512.03385, figure 6, left",
        "note": "a curve: 56 plain layers end above 20, in training and test error",
    },
]
EXAMPLES = 256  # of which gradients are measured
CONVOLUTIONS = ("conv1", "conv2")  # on the way through a block, and the first one


@dataclass(frozen=True, kw_only=True)
class Config(SmallPicturesConfig):
    """The paper's rule, augmentation and start: SGD, its rate divided by 10 at half and three quarters, He's weights.

    Of 10,000 pictures batches of 32 make four times the updates of the paper's 128, without which 56 layers do not get
    far enough to show what shortcuts are worth; the rate is 0.05. The paper's own training is `--examples 0
    --test-examples 0 --epochs 164 --batch-size 128 --lr 0.1`.

    Args:
        depths: layers of the networks, 6n + 2 each; one with and one without shortcuts of every depth.
        highway: layers of a highway network beside them, 6n + 2; 0 for none.
    """

    batch_size: int = 32
    lr: float = 0.05
    depths: tuple[int, ...] = (20, 56)
    highway: int = 20

    def __post_init__(self) -> None:
        """Check every range."""
        super().__post_init__()
        if not self.depths or len(set(self.depths)) < len(self.depths) or not all(map(is_depth, self.depths)):
            raise InputError(f"--depths: expected different numbers out of 8, 14, 20, … (6n + 2), got {self.depths}")
        if self.highway and not is_depth(self.highway):
            raise InputError(f"--highway: expected 0 for none, or 8, 14, 20, … (6n + 2), got {self.highway}")


def is_depth(layers: int) -> bool:
    """Whether such a network can have so many layers."""
    return layers >= 8 and layers % 6 == 2


def build(config: Config, about: Mapping[str, Any]) -> nn.ModuleDict:
    """The networks, as `plain20`, `residual20` and `highway20`; a plain one starts from its residual twin's weights."""
    networks: dict[str, nn.Module] = {}
    for depth in config.depths:
        residual = models.on_rung(of_depth(depth), config.rung, **pictured(about))
        plain = models.on_rung(of_depth(depth, "none"), config.rung, **pictured(about))
        plain.load_state_dict(residual.state_dict())
        networks |= {f"plain{depth}": plain, f"residual{depth}": residual}
    if config.highway:
        highway = partial(highway_cifar, config.highway)
        networks[f"highway{config.highway}"] = models.on_rung(highway, config.rung, **pictured(about))
    return nn.ModuleDict(networks)


def gradient_norms(network: nn.Module, train: data.Dataset) -> list[float]:
    """Length of the mean loss's gradient for the weights of each convolution on the way through, from the input on.

    The loss is that of the first 256 training pictures as they are, with batch norm as in training.
    """
    network = deepcopy(network).train()
    parameters = dict(network.named_parameters())
    weights = [parameters[name] for name in parameters if name.rpartition(".")[0].rpartition(".")[2] in CONVOLUTIONS]
    x, y = (train.tensors[name][:EXAMPLES].to(weights[0].device) for name in ("x", "y"))
    gradients = torch.autograd.grad(cross_entropy(network(data.pixels(x)), y), weights)
    return [gradient.norm().item() for gradient in gradients]


def gradient_ratios(config: Config, networks: nn.ModuleDict, train: data.Dataset) -> dict[str, float]:
    """The first convolution's gradient over the last's, as `plain20_gradient_ratio`."""
    norms = {name: gradient_norms(network, train) for name, network in networks.items()}
    return {f"{name}_gradient_ratio": values[0] / values[-1] for name, values in norms.items() if values[-1]}


RECIPE = Comparison(
    recipe="plain-vs-residual",
    config=Config,
    build=build,
    reference=lambda config: f"residual{config.depths[0]}",
    published=PUBLISHED,
    wishes={"size": 32, "channels": 3},
    inspect=gradient_ratios,
).contest
run, measure, predict = RECIPE.run, RECIPE.measure, RECIPE.predict


# --- pictures -------------------------------------------------------------------------------------------------------


def draw(folder: RunFolder) -> list[Path]:
    """Training and test error by epoch, without and with shortcuts; the gradient by layer at the start and the end."""
    config, result = Config(**folder.config), folder.result
    if result is None:
        return []
    return [draw_errors(folder.path / "errors.png", result, config), draw_gradients(folder, config)]


def title(name: str) -> str:
    """`plain20` as it stands in a picture."""
    kind = name.rstrip("0123456789")
    return f"{kind} {name.removeprefix(kind)}"


def draw_errors(path: Path, result: Result, config: Config) -> Path:
    """The paper's figure 6: bold lines are test errors, thin ones training errors."""
    plain = {f"plain{depth}": title(f"plain{depth}") for depth in config.depths}
    residual = {f"residual{depth}": title(f"residual{depth}") for depth in config.depths}
    if config.highway:
        residual[f"highway{config.highway}"] = title(f"highway{config.highway}")
    every = [errors(result, split, plain | residual) for split in ("train", "test")]
    highest = max(max(values) for lines in every for _, values in lines.values())
    charts = [
        error_panel(result, plain, "Without shortcuts: error, %", highest),
        error_panel(result, residual, "With shortcuts: error, %", highest),
    ]
    return panels(path, charts, key=BOLD_AND_THIN)


def draw_gradients(folder: RunFolder, config: Config) -> Path:
    """How long the gradient of each convolution's weights is, before and after training."""
    train, _ = RECIPE.load(config)
    with torch.random.fork_rng(devices=[]):
        seed_everything(config.seed)
        fresh = RECIPE.build(config, folder.data)
    trained = RECIPE.trained(folder)
    charts = []
    for heading, networks in (("at the start", fresh), ("at the end", trained)):
        norms = {title(name): gradient_norms(network, train) for name, network in networks.items()}
        series = {name: (list(range(1, len(values) + 1)), values) for name, values in norms.items()}
        charts.append(Panel(series=series, title=f"Gradient of the weights {heading}", xlabel="convolution", logy=True))
    return panels(folder.path / "gradients.png", charts)
