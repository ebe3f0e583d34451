"""What each part of the Transformer is good for: nets that lack one, on the same batches.

`NAME_bleu` is of held-out translations, `NAME_exact` the share of them without a mistake; those without a name are the
complete net's.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from fathom import optim
from fathom.errors import InputError
from fathom.plot import bars
from fathom.plot.panels import Panel, panels
from fathom.recipes.common import contest, transformer, translation
from fathom.recipes.common.attended import Looks
from fathom.recipes.common.transformer import TransformerConfig
from fathom.recipes.common.translating_nets import (
    UNUSED,
    Translating,
    TranslatorContest,
    by_net,
    load_splits,
    token_accuracy,
)
from fathom.records import RunFolder
from fathom.registry import unknown

SECTION = "Vaswani et al. 2017, section 6.2"
DATA = "number-words"
PUBLISHED: list[dict[str, Any]] = [
    {
        "metric": "test_bleu",
        "value": None,
        "split": "held-out pairs",
        "source": "Vaswani et al. 2017, arXiv 1706.03762, table 3",
        "note": "newstest2013, English to German: 25.8; 24.9 with one head, 25.5 with 16, 24.6 without dropout, "
        "25.3 without label smoothing, 25.7 with learnt positions; no figure for the others",
    },
]
BASE = "base"
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {  # title, and what is otherwise: settings or options of the model
    BASE: ("complete", {}),
    "one_head": ("one head", {"num_heads": 1}),
    "many_heads": ("four times the heads", {}),
    "unscaled": ("scores not scaled", {"scaled": False}),
    "averaged": ("heads averaged", {"averaged": True}),
    "no_feed_forward": ("no feed-forward", {"d_ff": 0}),
    "no_residual": ("no residual", {"residual": False}),
    "no_positions": ("no positions", {"positions": "none"}),
    "learned_positions": ("learnt positions", {"positions": "learned"}),
    "no_dropout": ("no dropout", {"dropout": 0.0}),
    "no_warmup": ("no warm-up", {}),
    "hard_labels": ("no label smoothing", {}),
}
OPTIONS = ("scaled", "averaged", "residual")  # of the model; the others are settings
BESIDE = 4  # losses in a picture, beside the complete net's
SMOOTHING = 0.1  # Vaswani et al. 2017, section 5.4


@dataclass(frozen=True, kw_only=True)
class Config(TransformerConfig):
    """Two blocks of 64 features on either side, normalised behind, as the paper has them; its schedule and smoothing.

    Args:
        variants: which nets learn, of base, one_head, many_heads, unscaled, averaged, no_feed_forward, no_residual,
            no_positions, learned_positions, no_dropout, no_warmup and hard_labels; base must be among them.
    """

    variants: tuple[str, ...] = tuple(VARIANTS)
    d_model: int = 64
    d_ff: int = 256
    epochs: int = 15
    lr: float = 2e-3
    warmup: int = 400
    label_smoothing: float = SMOOTHING
    translations: int = 300
    data: str = DATA

    def __post_init__(self) -> None:
        """Check every range."""
        super().__post_init__()
        for name in self.variants:
            if name not in VARIANTS:
                raise unknown("variant", name, VARIANTS)
        if BASE not in self.variants or len(set(self.variants)) < len(self.variants):
            raise InputError(f"--variants: expected base and different others, got {self.variants}")
        if "many_heads" in self.variants and self.d_model % (4 * self.num_heads):
            raise InputError(
                f"--d-model: expected a multiple of {4 * self.num_heads}, four times the heads, got {self.d_model}; "
                "leave many_heads out"
            )
        contest.check_fixed(self.schedule)
        self.keep(UNUSED, contest.WHY_UNUSED)


def build(config: Config, about: Mapping[str, Any]) -> nn.ModuleDict:
    """A net of each variant."""
    found = {}
    for name in config.variants:
        changes = VARIANTS[name][1] | ({"num_heads": 4 * config.num_heads} if name == "many_heads" else {})
        options = {key: value for key, value in changes.items() if key in OPTIONS}
        settings = {key: value for key, value in changes.items() if key not in OPTIONS}
        own = replace(config, variants=(BASE,), **settings)
        found[name] = Translating(transformer.build(own, about, **options))
    return nn.ModuleDict(found)


def without_rise(course: optim.Schedule, warmup: int) -> optim.Schedule:
    """The schedule with what it has behind its warm-up from the start."""
    return lambda step: course(max(step, warmup - 1))


class Ablation(contest.Contest):
    """The contest in which each net learns from the same pairs, by its own loss and schedule.

    Args:
        nets: by variant.
        config: of the run.
        updates: in the whole training.
    """

    def __init__(self, nets: nn.ModuleDict, config: Config, updates: int) -> None:
        rules = {}
        for name in nets:
            course = optim.create_schedule(config.schedule, updates, config.warmup)
            if name == "no_warmup":
                course = without_rise(course, config.warmup)
            rules[name] = contest.Rule(config.optimizer, config.lr, course, clip=config.clip)
        shares = {name: 0.0 if name == "hard_labels" else config.label_smoothing for name in nets}
        losses = {name: translation.TokenLoss(config.rung, share) for name, share in shares.items()}
        super().__init__(nets, BASE, losses[BASE], rules, score=token_accuracy)
        self.losses = losses

    def __call__(self, batch: tuple[Tensor, ...]) -> dict[str, float | Tensor]:
        """Update each net from `(source, source_length, given, target)`; gives the losses and accuracies by name."""
        *inputs, target = batch
        packed: Any = (inputs, target)
        return super().__call__(packed)

    def update(self, name: str, x: Any, y: Tensor) -> tuple[float, float]:
        """One update of one net, by its own loss."""
        self.loss = self.losses[name]
        return super().update(name, x, y)


def numbers(config: Config, nets: nn.ModuleDict, about: Mapping[str, Any], test: Any) -> dict[str, float]:
    """Of each net, BLEU and the share of right translations, and the loss without smoothing, of held-out pairs."""
    found: dict[str, float] = {}
    for name, values in by_net(config, nets, about, test).items():
        found |= {f"{name}_bleu": values["bleu"], f"{name}_exact": values["exact"]}
        found[f"test_{name}_loss"] = values["loss"]
    return {
        "test_bleu": found[f"{BASE}_bleu"],
        "test_exact": found[f"{BASE}_exact"],
        "test_loss": found[f"test_{BASE}_loss"],
        **found,
    }


RECIPE = TranslatorContest(
    recipe="transformer-ablation",
    config=Config,
    build=build,
    reference=BASE,
    published=PUBLISHED,
    load=load_splits,
    inspect=lambda config, nets, train, test: numbers(config, nets, train.about, test),
    make_step=lambda config, nets, train, loss, batches: Ablation(nets, config, config.epochs * batches),
    make_batches=lambda config, train, device: translation.batches(config, train, True, device),
)
run, measure, predict = RECIPE.run, RECIPE.measure, RECIPE.predict


def attention(folder: RunFolder, source: str) -> list[Looks]:
    """Where each head of each layer of the complete net looks as a sentence is translated."""
    complete: Any = RECIPE.trained(folder)[BASE]
    tokens = translation.best_of(complete.model, folder.data, source)[0][1]
    return translation.looks(complete.model, folder.data, source, tokens)


def draw(folder: RunFolder) -> list[Path]:
    """The share of right translations at the end, and the held-out loss by epoch, of each variant."""
    config, result = Config(**folder.config), folder.result
    if result is None:
        return []
    titles = {name: VARIANTS[name][0] for name in config.variants}
    ends = {title: result.metrics[f"{name}_exact"] for name, title in titles.items()}
    losses = contest.by_epoch(result, "test_{}_loss", titles)
    complete, *others = losses
    return [
        bars(folder.path / "exact.png", ends, title="Held-out translations without a mistake"),
        *(
            draw_losses(folder.path / f"losses-{place + 1}.png", {name: losses[name] for name in (complete, *group)})
            for place, group in enumerate(others[start : start + BESIDE] for start in range(0, len(others), BESIDE))
        ),
    ]


def draw_losses(path: Path, losses: Mapping[str, Any]) -> Path:
    """Held-out loss by epoch."""
    chart = Panel(series=losses, title="Held-out loss, nats a token", xlabel="epoch", logy=True, whole=True)
    return panels(path, [chart])
