"""Words as a distribution over sequences: exact likelihoods and samples, the length by a symbol, a stop, a count.

`NAME_nats` is -ln P of a held-out word, its length included, in the mean; `NAME_known` the share of words drawn from
the net that stand in the training text; `NAME_length_gap` the total variation between the lengths of drawn and of
training words. `test_NAME_loss` is in nats a place, of which every word has `longest + 1`.
"""

from collections.abc import Mapping, Sequence
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
from fathom.records import Prediction, RunFolder

SECTION = "Goodfellow et al. 2016, 10.2.3"
DATA = "time-machine"
PUBLISHED: list[dict[str, Any]] = [
    {
        "metric": "symbol_nats",
        "value": None,
        "split": "the words of the last tenth of the novel",
        "source": "Goodfellow, Bengio and Courville 2016, section 10.2.3",
        "note": "the book names the three ways to choose the length, and measures none",
    },
]
REFERENCE = "symbol"
TITLES = {
    "symbol": "end symbol",
    "stop": "Bernoulli stop",
    "count": "count, told",
    "blind": "count, not told",
}
SAMPLES = 5000  # words drawn for the shares of lengths and of known words


@dataclass(frozen=True, kw_only=True)
class Config(rivals.RivalConfig):
    """GRUs of 64 units that spell the words of a text.

    Args:
        longest: letters of the longest word; longer ones are left out.
    """

    longest: int = 12
    epochs: int = 8
    batch_size: int = 128
    data: str = DATA

    def __post_init__(self) -> None:
        """Check every range."""
        super().__post_init__()
        self._check("longest", at_least=1)


def words(text: data.Dataset, config: Config) -> data.Dataset:
    """The running words of a text as `x` and `y`, both `(words, longest + 1)`: letters, and behind them the end.

    The first and the last word of a split may have been cut.

    Raises:
        InputError: the tokens of the text are not characters.
        DataError: there is no blank in it, or no word short enough.
    """
    vocab = list(text.about["vocab"])
    if text.about["unit"] != "char":
        raise InputError(f"{config.data}: expected characters, got the unit {text.about['unit']}; leave unit= out")
    if " " not in vocab:
        raise DataError(f"{config.data}: expected words with blanks between them, got no blank; give another text")
    blank, tokens = vocab.index(" "), text.tensors["x"].long()
    blanks = torch.cat([torch.tensor([-1]), (tokens == blank).nonzero()[:, 0], torch.tensor([len(tokens)])])
    lengths = blanks.diff() - 1
    short = (lengths >= 1) & (lengths <= config.longest)
    if not bool(short.any()):
        raise DataError(f"{config.data}: expected words of at most {config.longest} letters, got none; raise --longest")
    starts, lengths = blanks[:-1][short] + 1, lengths[short]
    places = torch.arange(config.longest + 1)
    letters = tokens[(starts[:, None] + places).clamp_max(len(tokens) - 1)]
    symbols = [token for token in vocab if token != " "]
    letters = letters - (letters > blank).long()  # numbers without the blank
    x = torch.where(places < lengths[:, None], letters, len(symbols))
    shares = (torch.bincount(lengths, minlength=config.longest + 1)[1:] + 1).double()
    about = {
        **text.about,
        "kind": "words",
        "symbols": symbols,
        "lengths": (shares / shares.sum()).tolist(),  # one word more of each length, so that none is impossible
        "left_out": 1 - float(short.sum() / (blanks.diff() > 1).sum()),
    }
    used = replace(text.used, sizes={text.split: len(x)})
    return replace(text, tensors={"x": x, "y": x}, used=used, about=about)


def load_splits(config: Config) -> tuple[data.Dataset, data.Dataset]:
    """The words of the training text and of its end."""
    train, test = (words(text, config) for text in language.load_texts(config.data))
    return train, test


class Speller(nn.Module):
    """A sequence model as a contestant: `(batch, steps)` of int to log-probabilities, classes before steps."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, tokens: Tensor) -> Tensor:
        """`(batch, symbols and end, steps)`."""
        chances: Tensor = self.model(tokens)
        return chances.transpose(1, 2)


def build(config: Config, about: Mapping[str, Any]) -> nn.ModuleDict:
    """A net for each way to end, and one that does not know how many letters are to come."""

    def net(name: str) -> Speller:
        counted = name in ("count", "blind")
        options: dict[str, Any] = {"lengths": tuple(about["lengths"]), "told": name == "count"} if counted else {}
        return Speller(
            models.on_rung(
                "sequence_model",
                config.rung,
                vocab_size=len(about["symbols"]),
                ending="count" if counted else name,
                hidden_size=config.hidden_size,
                **options,
            )
        )

    return nn.ModuleDict({name: net(name) for name in TITLES})


def draws(config: Config, nets: Mapping[str, Any], count: int = SAMPLES) -> dict[str, Tensor]:
    """Words drawn from each net, `(count, longest + 1)` of int."""
    return {
        name: net.model.sample(count, config.longest, seeding.generator(config.seed, 5)).cpu()
        for name, net in nets.items()
    }


def shares_of_lengths(rows: Tensor, end: int) -> Tensor:
    """Share of the words with 1, 2, … letters and, last, with more than there is room for."""
    return torch.bincount((rows != end).sum(dim=1), minlength=rows.shape[1] + 1)[1:] / len(rows)


@torch.no_grad()
def looked_at(config: Config, nets: Any, train: data.Dataset, test: data.Dataset) -> dict[str, float]:
    """What is read from the nets after each epoch."""
    end, found = len(train.about["symbols"]), {}
    known = {tuple(row) for row in train.tensors["x"].tolist()}
    truth = shares_of_lengths(train.tensors["x"], end)
    sampled = draws(config, nets)
    for name, net in nets.items():
        device = rivals.device_of(net)
        rows = test.tensors["x"].to(device)
        found[f"{name}_nats"] = -torch.cat([net.model.log_likelihood(part) for part in rows.split(4096)]).mean().item()
        found[f"{name}_known"] = sum(tuple(row) in known for row in sampled[name].tolist()) / SAMPLES
        found[f"{name}_length_gap"] = (shares_of_lengths(sampled[name], end) - truth).abs().sum().item() / 2
    return found


RECIPE = ContestRecipe(
    recipe="sequence-likelihood",
    config=Config,
    build=build,
    reference=REFERENCE,
    published=PUBLISHED,
    load=load_splits,
    inspect=looked_at,
)
run, measure = RECIPE.run, RECIPE.measure


def encode(about: Mapping[str, Any], config: Config, word: str) -> Tensor:
    """A word as a row with its end, `(1, longest + 1)`; InputError if it is empty, too long or has another letter."""
    symbols = list(about["symbols"])
    strangers = [letter for letter in word if letter not in symbols]
    if strangers or not 1 <= len(word) <= config.longest:
        got = repr(strangers[0]) if strangers else f"{len(word)} letters"
        known = "".join(symbol for symbol in symbols if len(symbol) == 1)
        raise InputError(f"word: expected from 1 to {config.longest} letters of {known}, got {got}; as in time")
    numbers = [symbols.index(letter) for letter in word]
    return torch.tensor([numbers + [len(symbols)] * (config.longest + 1 - len(word))])


def decode(about: Mapping[str, Any], row: Sequence[int]) -> str:
    """A row as a word; what has no end yet goes on with …"""
    symbols = list(about["symbols"])
    letters = "".join(symbols[number] for number in row if number < len(symbols))
    return letters if row[-1] == len(symbols) else letters + "…"


def predict(folder: RunFolder, source: str) -> Prediction:
    """ln P of the word `source` by the net with an end symbol, in nats; `extra` has it by every net, and 10 samples."""
    config, about = Config(**folder.config), folder.data
    nets: dict[str, Any] = dict(RECIPE.trained(folder).items())
    row = encode(about, config, str(source))
    with torch.inference_mode():
        logarithms = {name: net.model.log_likelihood(row).item() for name, net in nets.items()}
    drawn = {
        f"{name}_draws": " ".join(decode(about, row) for row in rows.tolist())
        for name, rows in draws(config, nets, 10).items()
    }
    return Prediction(input=str(source)[:200], label=logarithms[REFERENCE], extra={**logarithms, **drawn})


def draw(folder: RunFolder) -> list[Path]:
    """The lengths of words drawn from each net beside the text's, and the held-out nats a word by epoch."""
    config, result, about = Config(**folder.config), folder.result, folder.data
    nets, end = RECIPE.trained(folder), len(folder.data["symbols"])
    letters = list(range(1, config.longest + 1))
    lengths = {
        TITLES[name]: (letters, shares_of_lengths(rows, end)[:-1].numpy())
        for name, rows in draws(config, dict(nets.items())).items()
    }
    lengths["the text"] = (letters, about["lengths"])
    charts = [Panel(series=lengths, title="Lengths of words drawn", xlabel="letters", ylabel="share", whole=True)]
    if result is not None:
        charts += [
            Panel(series=contest.by_epoch(result, f"{{}}_{what}", TITLES), title=title, xlabel="epoch", whole=True)
            for what, title in (("nats", "Held-out nats a word"), ("known", "Drawn words that the text has"))
        ]
    return [panels(folder.path / "words.png", charts)]
