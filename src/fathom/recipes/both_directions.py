"""Words in letters without blanks: where one ends is a matter of what follows, told from one side, later, or both.

`NAME_f1` is of the ends of words in held-out text: `past` answers at each letter by those up to it, `future` by those
from it on, `laterN` by N letters more.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from fathom import data
from fathom.data.tokens import letters_only
from fathom.errors import DataError, InputError
from fathom.models.recurrent_tagger import RecurrentTagger
from fathom.plot.panels import Panel, panels
from fathom.recipes.common import contest, language, rivals
from fathom.recipes.common.contest_recipe import ContestRecipe, by_share
from fathom.recipes.common.matched import matched, parameters
from fathom.records import Prediction, RunFolder

SECTION = "Goodfellow et al. 2016, 10.3"
DATA = "time-machine"
PUBLISHED: list[dict[str, Any]] = [
    {
        "metric": "both_f1",
        "value": None,
        "split": "the last tenth of the novel",
        "source": "Goodfellow, Bengio and Courville 2016, section 10.3",
        "note": "the book names speech and handwriting, whose labels depend on what follows, and measures nothing",
    },
]
REFERENCE = "both"
LATER = (1, 2, 4, 8)  # letters after which the answer may come
TITLES = {
    "both": "both ways",
    "past": "the past",
    "future": "the future",
    **{f"later{delay}": f"{delay} later" for delay in LATER},
}
CLASSES = ("goes on", "ends")


@dataclass(frozen=True, kw_only=True)
class Config(rivals.RivalConfig):
    """GRUs with as many parameters as one that reads both ways with 64 units each, on windows of 40 letters.

    Args:
        steps: letters in a window.
    """

    steps: int = 40
    epochs: int = 6
    batch_size: int = 64
    data: str = DATA

    def __post_init__(self) -> None:
        """Check every range."""
        super().__post_init__()
        self._check("steps", at_least=2)


class OneWay(rivals.Reader):
    """A `Reader` of one direction, whose answers may come some letters late.

    Args:
        tagger, in_features: as of `Reader`; the last feature is for what stands behind the window.
        delay: letters that it has read besides when it answers.
        back: whether it reads from the end.
    """

    def __init__(self, tagger: Any, in_features: int, delay: int = 0, back: bool = False) -> None:
        super().__init__(tagger, in_features)
        self.delay, self.back = delay, back

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits `(batch, classes, steps)`."""
        if self.back:
            return super().forward(tokens.flip(1)).flip(2)
        return super().forward(nn.functional.pad(tokens, (0, self.delay), value=self.in_features - 1))[
            ..., self.delay :
        ]


def unspaced(text: data.Dataset, config: Config) -> data.Dataset:
    """Letters without blanks `(windows, steps)`, and for each whether a blank stood behind it.

    Raises:
        InputError: the tokens are not characters.
        DataError: there is no blank among them, or not one window of letters.
    """
    vocab, tokens = list(text.about["vocab"]), text.tensors["x"].long()
    if text.about["unit"] != "char":
        raise InputError(f"{config.data}: expected characters, got the unit {text.about['unit']}; leave unit= out")
    if " " not in vocab:
        raise DataError(f"{config.data}: expected words with blanks between them, got no blank; give another text")
    blank = vocab.index(" ")
    ends = (text.tensors["y"].long() == blank)[tokens != blank].long()
    letters = tokens[tokens != blank]
    windows = len(letters) // config.steps
    if not windows:
        raise DataError(
            f"{config.data}: expected at least {config.steps} letters in the {text.split} split, got {len(letters)}; "
            "give a longer text or a smaller --steps"
        )
    x, y = (part[: windows * config.steps].view(windows, config.steps) for part in (letters, ends))
    about = {**text.about, "kind": "letters", "classes": list(CLASSES)}
    used = replace(text.used, sizes={text.split: windows})
    return replace(text, tensors={"x": x, "y": y}, used=used, about=about)


def load_splits(config: Config) -> tuple[data.Dataset, data.Dataset]:
    """The letters of the training text and of its end."""
    train, test = (unspaced(text, config) for text in language.load_texts(config.data))
    return train, test


def build(config: Config, about: Mapping[str, Any]) -> nn.ModuleDict:
    """A net of both directions, and nets of one with as many parameters."""
    size = len(about["vocab"]) + 1
    both = RecurrentTagger(size, 2, hidden_size=config.hidden_size, bidirectional=True)
    units = matched(lambda units: RecurrentTagger(size, 2, hidden_size=units), parameters(both))
    wide = replace(config, hidden_size=units)
    nets: dict[str, rivals.Reader] = {REFERENCE: rivals.reader(config, size, 2, cell="gru", bidirectional=True)}
    one_way = partial(rivals.reader, wide, size, 2, cell="gru")
    nets["past"] = OneWay(one_way().tagger, size)
    nets["future"] = OneWay(one_way().tagger, size, back=True)
    nets |= {f"later{delay}": OneWay(one_way().tagger, size, delay) for delay in LATER}
    return nn.ModuleDict(nets)


@torch.no_grad()
def f1(nets: nn.ModuleDict, test: data.Dataset) -> dict[str, float]:
    """The harmonic mean of precision and recall of each net's ends of words."""
    found = {}
    for name, net in nets.items():
        x, y = (test.tensors[part].to(rivals.device_of(net)) for part in ("x", "y"))
        said = net(x).argmax(dim=1)
        found[f"{name}_f1"] = 2 * (said * y).sum().item() / max(1, (said + y).sum().item())
    return found


RECIPE = ContestRecipe(
    recipe="both-directions",
    config=Config,
    build=build,
    reference=REFERENCE,
    published=PUBLISHED,
    load=load_splits,
    inspect=lambda config, nets, train, test: f1(nets, test),
)
run, measure = RECIPE.run, RECIPE.measure


def encode(about: Mapping[str, Any], source: str) -> Tensor:
    """A text without its blanks as numbers, `(1, letters)`; InputError if nothing is left."""
    prepared = (letters_only(source) if about["letters"] else source).replace(" ", "")
    if not prepared:
        raise InputError("text: expected at least one letter, got none; write words without blanks")
    vocab = {token: number for number, token in enumerate(about["vocab"])}
    return torch.tensor([[vocab.get(letter, 0) for letter in prepared]])


def predict(folder: RunFolder, source: str) -> Prediction:
    """Whether a word ends behind the last letter of `source`, by both ways; `extra` has it cut into words by each net.

    Blanks in `source` are left out first.
    """
    about = folder.data
    nets, tokens = RECIPE.trained(folder), encode(about, str(source))
    prepared = (letters_only(str(source)) if about["letters"] else str(source)).replace(" ", "")
    with torch.inference_mode():
        shares = {name: net(tokens).softmax(dim=1)[0] for name, net in nets.items()}
    cut = {
        name: "".join(
            letter + " " * int(ends > 0.5) for letter, ends in zip(prepared, share[1].tolist(), strict=True)
        ).strip()
        for name, share in shares.items()
    }
    last = shares[REFERENCE][:, -1]
    ranked = by_share(last, CLASSES)
    return Prediction(input=str(source)[:200], label=next(iter(ranked)), probabilities=ranked, extra=cut)


def draw(folder: RunFolder) -> list[Path]:
    """How well the ends of words are found, by how many of the following letters are seen."""
    result = folder.result
    if result is None:
        return []
    seen = [0, *LATER]
    later = [result.metrics[f"{name}_f1"] for name in ("past", *(f"later{delay}" for delay in LATER))]
    series: dict[str, Any] = {"one way, answering later": (seen, later)}
    series |= {TITLES[name]: (seen, [result.metrics[f"{name}_f1"]] * len(seen)) for name in ("both", "future")}
    charts = [
        Panel(
            series=series,
            title="Ends of words, held-out text",
            xlabel="letters of the future that are seen",
            ylabel="F1",
            whole=True,
        ),
        Panel(
            series=contest.by_epoch(
                result, "test_{}_loss", {name: TITLES[name] for name in ("past", "future", "both")}
            ),
            title="Loss, nats a letter",
            xlabel="epoch",
            whole=True,
        ),
    ]
    return [panels(folder.path / "ends.png", charts)]
