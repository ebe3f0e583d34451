"""Text through one vector and back: how much a vector of fixed size holds, by its size and the length of the text.

`NAME_accuracy_N` is the share of right characters in unseen texts of N. There the decoder is fed with its own
characters; `test_NAME_loss` is under a teacher.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from fathom import data, models, seeding
from fathom.errors import DataError, InputError
from fathom.plot.panels import Panel, panels
from fathom.recipes.common import contest, language, rivals
from fathom.recipes.common.contest_recipe import ContestRecipe
from fathom.recipes.sequence_likelihood import Speller, decode
from fathom.records import Prediction, RunFolder

SECTION = "Goodfellow et al. 2016, 10.4"
DATA = "time-machine"
PUBLISHED: list[dict[str, Any]] = [
    {
        "metric": "attention_accuracy",
        "value": None,
        "split": "the last tenth of the novel",
        "source": "Goodfellow, Bengio and Courville 2016, section 10.4; Bahdanau, Cho and Bengio 2014, arXiv 1409.0473",
        "note": "the paper draws BLEU of translations that falls with their length, and not with attention",
    },
]
REFERENCE = "attention"
WIDTHS = {"narrow": 0.25, "middle": 1.0, "wide": 4.0}  # of the vector, over --context
TEST = 1500  # texts on which reproduction is tried


@dataclass(frozen=True, kw_only=True)
class Config(rivals.RivalConfig):
    """GRUs of 64 units with vectors of 4, 16 and 64 numbers between them, on texts of 1 to 12 characters.

    Args:
        longest: characters of the longest text.
        context: numbers of the middle one of three vectors.
        stride: characters from the beginning of one text to that of the next.
    """

    longest: int = 12
    context: int = 16
    stride: int = 16
    hidden_size: int = 64
    epochs: int = 10
    batch_size: int = 128
    data: str = DATA

    def __post_init__(self) -> None:
        """Check every range."""
        super().__post_init__()
        for name in ("longest", "context", "stride"):
            self._check(name, at_least=1)


def titles(config: Config) -> dict[str, str]:
    """The nets' names."""
    return {name: f"{size} numbers" for name, size in contexts(config).items()} | {
        REFERENCE: f"{config.context}, and attention"
    }


def contexts(config: Config) -> dict[str, int]:
    """Numbers in the vector, by net."""
    return {name: max(1, round(share * config.context)) for name, share in WIDTHS.items()}


def snippets(text: data.Dataset, config: Config) -> data.Dataset:
    """Texts of all lengths in turn, cut from one text, as `x` and `y` `(texts, longest + 1)` with their ends.

    Raises:
        DataError: the text is shorter than one of them.
    """
    tokens, end = text.tensors["x"].long(), len(text.about["vocab"])
    if len(tokens) < config.longest:
        raise DataError(
            f"{config.data}: expected at least {config.longest} tokens in the {text.split} split, got {len(tokens)}; "
            "give a longer text or a smaller --longest"
        )
    rows = tokens.unfold(0, config.longest, config.stride)
    rows = nn.functional.pad(rows, (0, 1), value=end)
    random = seeding.generator(config.seed, 6, text.split == "test")
    lengths = torch.arange(len(rows))[torch.randperm(len(rows), generator=random)] % config.longest + 1
    x = torch.where(torch.arange(config.longest + 1) < lengths[:, None], rows, end)
    about = {**text.about, "kind": "snippets", "symbols": text.about["vocab"]}
    used = replace(text.used, sizes={text.split: len(x)})
    return replace(text, tensors={"x": x, "y": x}, used=used, about=about)


def load_splits(config: Config) -> tuple[data.Dataset, data.Dataset]:
    """Texts from the training text and from its end."""
    train, test = (snippets(text, config) for text in language.load_texts(config.data))
    return train, test


def build(config: Config, about: Mapping[str, Any]) -> nn.ModuleDict:
    """Three nets with a vector alone, and one whose decoder also looks at the encoder's states."""

    def net(size: int, attention: bool) -> Speller:
        return Speller(
            models.on_rung(
                "sequence_autoencoder",
                config.rung,
                vocab_size=len(about["vocab"]),
                context_size=size,
                hidden_size=config.hidden_size,
                attention=attention,
            )
        )

    nets = {name: net(size, attention=False) for name, size in contexts(config).items()}
    return nn.ModuleDict({**nets, REFERENCE: net(config.context, attention=True)})


@torch.no_grad()
def reproduced(nets: Any, test: data.Dataset) -> dict[str, float]:
    """Share of characters that each net says again rightly, by itself, over all lengths and by length."""
    found = {}
    for name, net in nets.items():
        x = test.tensors["x"][:TEST].to(rivals.device_of(net))
        there = x != net.model.vocab_size
        right, lengths = (net.model.reproduce(x) == x) & there, there.sum(dim=1)
        found[f"{name}_accuracy"] = (right.sum() / there.sum()).item()
        for length in range(1, x.shape[1]):
            chosen = lengths == length
            if bool(chosen.any()):
                found[f"{name}_accuracy_{length}"] = right[chosen].sum().item() / (length * int(chosen.sum()))
    return found


RECIPE = ContestRecipe(
    recipe="sequence-bottleneck",
    config=Config,
    build=build,
    reference=REFERENCE,
    published=PUBLISHED,
    load=load_splits,
    inspect=lambda config, nets, train, test: reproduced(nets, test),
)
run, measure = RECIPE.run, RECIPE.measure


def encode(about: Mapping[str, Any], config: Config, source: str) -> Tensor:
    """A text with its end, `(1, tokens + 1)`; InputError if it is longer than the run's texts."""
    tokens = language.encode(about, source)
    if tokens.shape[1] > config.longest:
        raise InputError(f"text: expected at most {config.longest} tokens, got {tokens.shape[1]}; give a shorter one")
    return nn.functional.pad(tokens.long(), (0, 1), value=len(about["vocab"]))


def predict(folder: RunFolder, source: str) -> Prediction:
    """Which share of the text `source` the net with attention says again rightly; `extra` has what each net says."""
    config, about = Config(**folder.config), folder.data
    nets: Any = RECIPE.trained(folder)
    tokens = encode(about, config, str(source))
    said = {name: net.model.reproduce(tokens)[0] for name, net in nets.items()}
    share = (said[REFERENCE] == tokens[0])[:-1].float().mean().item()
    return Prediction(
        input=str(source)[:200],
        label=share,
        extra={name: decode(about, row.tolist()) for name, row in said.items()},
    )


def draw(folder: RunFolder) -> list[Path]:
    """Characters said again rightly, by length and by epoch."""
    config, result = Config(**folder.config), folder.result
    if result is None:
        return []
    lengths = [length for length in range(1, config.longest + 1) if f"narrow_accuracy_{length}" in result.metrics]
    by_length = {
        title: (lengths, [result.metrics[f"{name}_accuracy_{length}"] for length in lengths])
        for name, title in titles(config).items()
    }
    charts = [
        Panel(
            series=by_length,
            title="Characters said again rightly",
            xlabel="characters in the text",
            ylim=(0.0, 1.03),
            whole=True,
        ),
        Panel(
            series=contest.by_epoch(result, "test_{}_loss", titles(config)),
            title="Loss under a teacher, nats a place",
            xlabel="epoch",
            whole=True,
        ),
    ]
    return [panels(folder.path / "bottleneck.png", charts)]
