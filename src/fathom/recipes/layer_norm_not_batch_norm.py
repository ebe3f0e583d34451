"""Why a Transformer normalises each step by itself: a small GPT with layer norm, with batch norm, and with neither.

`NAME_leak` is how far the logits of the first half of a window move, in their own standard deviations, when its second
half becomes another text; `NAME_company` how far those of a window move when the other windows of its batch become
others. Both are of batches as in training.
"""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from fathom import data, models
from fathom.data.vocabulary import Vocab
from fathom.errors import InputError
from fathom.layers import namespace
from fathom.models.model import Model
from fathom.plot import bars
from fathom.recipes.common import language, rivals
from fathom.recipes.common.attended import Looks, of_blocks
from fathom.recipes.common.language_model import SIGNS
from fathom.records import RunFolder

SECTION = "Vaswani et al. 2017, section 3.1; d2l-zh 10.7"
DATA = "time-machine,tokens=60000"
PUBLISHED: list[dict[str, Any]] = [
    {
        "metric": "test_batch_loss",
        "value": None,
        "split": "the last tenth of the novel",
        "source": "Shen, Yao, Gholami, Mahoney and Keutzer 2020, arXiv 2003.07845, table 1 and figure 1",
        "note": "of translations: batch norm costs more than a point of BLEU, since statistics of batches of text vary",
    },
]
TITLES = {"layer": "layer norm", "batch": "batch norm", "none": "no norm"}


@dataclass(frozen=True, kw_only=True)
class Config(rivals.RivalConfig):
    """GPTs of two blocks of 64 features on windows of 32 characters, eight of them a batch.

    Args:
        steps: characters in a window; an even number.
        num_heads: attention heads of a block.
        num_layers: blocks.
    """

    steps: int = 32
    num_heads: int = 4
    num_layers: int = 2
    epochs: int = 6
    batch_size: int = 8
    lr: float = 1e-3
    data: str = DATA

    def __post_init__(self) -> None:
        """Check every range."""
        super().__post_init__()
        for name in ("num_heads", "num_layers"):
            self._check(name, at_least=1)
        if self.steps < 2 or self.steps % 2:
            raise InputError(f"--steps: expected an even number of at least 2, got {self.steps}")
        if self.hidden_size % self.num_heads:
            raise InputError(
                f"--num-heads: expected a divisor of --hidden-size {self.hidden_size}, got {self.num_heads}"
            )
        if self.batch_size < 2:
            raise InputError(f"--batch-size: expected at least 2, which batch norm needs, got {self.batch_size}")


class BatchNormOfSteps(Model):
    """Batch norm of `(batch, steps, features)`: each feature by its mean and variance over all steps of all rows.

    Args:
        features: of a step.
        nn: the namespace of layers.
    """

    def __init__(self, features: int, *, nn: Any = torch.nn) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(features)

    def forward(self, x: Any) -> Any:
        """Map to the same shape."""
        return self.norm(x.flatten(0, 1)).unflatten(0, x.shape[:2])


class Writer(nn.Module):
    """A GPT that gives logits `(batch, vocab, steps)`, classes before steps as the losses want them.

    Args:
        gpt: maps tokens to logits `(batch, steps, vocab)` and a state.
    """

    def __init__(self, gpt: Any) -> None:
        super().__init__()
        self.gpt, self.step = gpt, gpt.step

    def forward(self, tokens: Tensor) -> Tensor:
        """The logits of the tokens after `(batch, steps)`."""
        logits: Tensor = self.gpt(tokens)[0]
        return logits.transpose(1, 2)


def build(config: Config, about: Mapping[str, Any]) -> nn.ModuleDict:
    """A GPT with each norm, which begin alike."""
    nets, drawn = {}, None
    for kind in TITLES:
        gpt = models.on_rung(
            "gpt",
            config.rung,
            vocab_size=len(about["vocab"]),
            hidden_size=config.hidden_size,
            num_heads=config.num_heads,
            num_layers=config.num_layers,
            max_steps=config.steps,
        )
        drawn = drawn or gpt.state_dict()
        gpt.load_state_dict(drawn)
        nets[kind] = Writer(renormed(gpt, kind, namespace(config.rung)))
    return nn.ModuleDict(nets)


def renormed(gpt: Any, kind: str, layers: Any) -> Any:
    """The model with another norm in the place of each, or with none.

    Args:
        layers: the rung's namespace.
    """
    if kind != "layer":
        for part in [part for part in gpt.modules() if isinstance(getattr(part, "norm", None), nn.Module)]:
            features = part.norm.weight.shape[0]
            part.norm = BatchNormOfSteps(features, nn=layers) if kind == "batch" else layers.Identity()
    return gpt


@torch.no_grad()
def shifts(config: Config, nets: nn.ModuleDict, train: data.Dataset, test: data.Dataset) -> dict[str, float]:
    """How far logits of held-out windows move with the window's own future, and with the rest of the batch."""
    device = rivals.device_of(nets)
    windows, half, found = test.tensors["x"].to(device), config.steps // 2, {}
    count = min(config.batch_size, len(windows) // 2)
    rows, others = windows[:count], windows[count : 2 * count]
    future = torch.cat([rows[:, :half], others[:, half:]], dim=1)
    company = torch.cat([rows[:1], others[1:]])
    for name, net in nets.items():
        asked = copy.deepcopy(net).train()
        logits = asked(rows)
        spread = logits.std()
        found[f"{name}_leak"] = ((asked(future) - logits)[:, :, :half].square().mean().sqrt() / spread).item()
        found[f"{name}_company"] = ((asked(company) - logits)[0].square().mean().sqrt() / spread).item()
    return found


RECIPE = rivals.TextContest(
    recipe="layer-norm-not-batch-norm",
    config=Config,
    build=build,
    reference="layer",
    published=PUBLISHED,
    inspect=shifts,
)
run, measure, predict = RECIPE.run, RECIPE.measure, RECIPE.go_on


def attention(folder: RunFolder, source: str) -> list[Looks]:
    """Where each head of the net with layer norm looks as it reads the text `source`.

    Raises:
        InputError: the text is empty, unknown, or longer than a window.
    """
    tokens = language.encode(folder.data, source)
    names = [SIGNS.get(token, token) for token in Vocab(folder.data["vocab"]).decode(tokens[0].tolist())]
    return of_blocks(RECIPE.trained(folder)["layer"], tokens, names)


def draw(folder: RunFolder) -> list[Path]:
    """Perplexity by epoch on both parts of the text; what the future and the rest of the batch change."""
    result = folder.result
    if result is None:
        return []
    moved = {
        f"{title}, {what}": result.metrics[f"{name}_{key}"]
        for key, what in (("leak", "another future"), ("company", "another batch"))
        for name, title in TITLES.items()
    }
    return [
        rivals.draw_perplexities(folder.path / "perplexity.png", result, TITLES),
        bars(folder.path / "shifts.png", moved, title="How far logits move, in standard deviations"),
    ]
