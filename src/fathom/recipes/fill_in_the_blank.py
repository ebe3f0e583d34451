"""A missing character, told from what stands to its left, to its right, and on both sides of it.

`test_NAME_accuracy` is the share of blanks filled in rightly.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from fathom import data, plot
from fathom.data.tokens import letters_only, tokenise
from fathom.data.vocabulary import Vocab
from fathom.errors import DataError, InputError
from fathom.plot.panels import Panel, panels
from fathom.recipes.common import contest, language, rivals
from fathom.recipes.common.contest_recipe import ContestRecipe, said_by
from fathom.records import Prediction, RunFolder

SECTION = "d2l-zh 9.4"
DATA = "time-machine"
PUBLISHED: list[dict[str, Any]] = [
    {
        "metric": "test_both_accuracy",
        "value": None,
        "split": "the last tenth of the novel",
        "source": "d2l-zh 9.4",
        "note": "the book names filling in blanks as what both sides are good for, and measures nothing",
    },
]
REFERENCE = "both"
TITLES = {"both": "both sides", "left": "the left", "right": "the right"}
BLANK = "_"


@dataclass(frozen=True, kw_only=True)
class Config(rivals.RivalConfig):
    """GRUs on windows of 21 characters of which the middle one is blank, every 5 characters a window.

    Args:
        steps: tokens in a window, the blank among them.
        stride: tokens from one window to the next.
    """

    steps: int = 21
    stride: int = 5
    epochs: int = 5
    batch_size: int = 128
    data: str = DATA

    def __post_init__(self) -> None:
        """Check every range."""
        super().__post_init__()
        self._check("stride", at_least=1)
        if self.steps < 3 or self.steps % 2 == 0:
            raise InputError(f"--steps: expected an odd number of at least 3, got {self.steps}")


class FromOneSide(rivals.Reader):
    """A `Reader` that reads up to the blank in the middle, from the left or, the window reversed, from the right."""

    def __init__(self, tagger: Any, in_features: int, right: bool) -> None:
        super().__init__(tagger, in_features)
        self.right = right

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits `(batch, classes)` of what is missing."""
        read = tokens.flip(1) if self.right else tokens
        logits: Tensor = self.tagger(self.encode(read[:, : tokens.shape[1] // 2 + 1]))[0]
        return logits[:, -1]


class FromBothSides(rivals.Reader):
    """A `Reader` of two directions that answers at the blank in the middle."""

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits `(batch, classes)` of what is missing."""
        logits: Tensor = self.tagger(self.encode(tokens))[0]
        return logits[:, tokens.shape[1] // 2]


def blanked(text: data.Dataset, config: Config) -> data.Dataset:
    """Windows `(windows, steps)` whose middle token is the blank, whose number comes after all others, and that token.

    Raises:
        DataError: the text is shorter than one window.
    """
    tokens = text.tensors["x"].long()
    if len(tokens) < config.steps:
        raise DataError(
            f"{config.data}: expected at least {config.steps} tokens in the {text.split} split, got {len(tokens)}; "
            "give a longer text or a smaller --steps"
        )
    x = tokens.unfold(0, config.steps, config.stride).contiguous()
    middle = config.steps // 2
    y = x[:, middle].clone()
    x[:, middle] = len(text.about["vocab"])
    about = {**text.about, "kind": "blanks", "classes": text.about["vocab"]}
    return replace(text, tensors={"x": x, "y": y}, about=about)


def load_splits(config: Config) -> tuple[data.Dataset, data.Dataset]:
    """The training text and its end with blanks."""
    train, test = (blanked(text, config) for text in language.load_texts(config.data))
    return train, test


def build(config: Config, about: Mapping[str, Any]) -> nn.ModuleDict:
    """A net of two directions, and one of each."""
    size = len(about["vocab"])

    def tagger(bidirectional: bool) -> Any:
        return rivals.reader(config, size + 1, size, cell="gru", bidirectional=bidirectional).tagger

    return nn.ModuleDict(
        {
            "both": FromBothSides(tagger(True), size + 1),
            "left": FromOneSide(tagger(False), size + 1, right=False),
            "right": FromOneSide(tagger(False), size + 1, right=True),
        }
    )


RECIPE = ContestRecipe(
    recipe="fill-in-the-blank",
    config=Config,
    build=build,
    reference=REFERENCE,
    published=PUBLISHED,
    load=load_splits,
)
run, measure = RECIPE.run, RECIPE.measure


def encode(about: Mapping[str, Any], config: Config, source: str) -> Tensor:
    """A text with one `_` as a window `(1, steps)` around it; what is lacking at its ends is unknown.

    Raises:
        InputError: there is not exactly one `_`.
    """
    left, *rest = source.split(BLANK)
    if len(rest) != 1:
        raise InputError(f"expected a text with one {BLANK} for what is missing, got {len(rest)} of them; as in ti_e")
    vocab, half = Vocab(about["vocab"]), config.steps // 2

    def numbers(text: str) -> list[int]:
        prepared = letters_only(text) if about["letters"] else text
        return [int(number) for number in vocab.encode(tokenise(prepared, about["unit"]))]

    before, after = numbers(left)[-half:], numbers(rest[0])[:half]
    padded = [0] * (half - len(before)) + before + [len(vocab)] + after + [0] * (half - len(after))
    return torch.tensor([padded])


def predict(folder: RunFolder, source: str) -> Prediction:
    """What is missing at the `_` in the text `source`, from both sides; `extra` has what each net says."""
    tokens = encode(folder.data, Config(**folder.config), str(source))
    return said_by(REFERENCE, RECIPE.trained(folder), source, tokens, folder.data["classes"])


def draw(folder: RunFolder) -> list[Path]:
    """Accuracy by epoch, and the perplexity of what is missing."""
    result = folder.result
    if result is None:
        return []
    chart = Panel(
        series=contest.by_epoch(result, "test_{}_accuracy", TITLES),
        title="Blanks filled in rightly, held-out text",
        xlabel="epoch",
        whole=True,
    )
    perplexities = {
        title: rivals.perplexities(result.metrics)[f"test_{name}_perplexity"] for name, title in TITLES.items()
    }
    return [
        panels(folder.path / "accuracy.png", [chart]),
        plot.bars(
            folder.path / "perplexity.png", perplexities, title="Perplexity of the missing token, by what is seen"
        ),
    ]
