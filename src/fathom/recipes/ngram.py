"""A language model that only counts: n-grams by length and smoothing, and a mixture of them all with learnt weights."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fathom import data
from fathom.data.ngrams import NGramModel
from fathom.errors import DataError, InputError
from fathom.plot.panels import Panel, panels
from fathom.recipes.common import language
from fathom.records import Prediction, Result, RunFolder
from fathom.train import Listener, TrainConfig, evaluate, experiment, load_model
from fathom.train.experiment import Task, held_out, measured_again
from fathom.train.sequences import Perplexity

SECTION = "d2l-zh 8.3.1"
DATA = "time-machine"
PUBLISHED: list[dict[str, Any]] = [
    {
        "metric": "test_perplexity",
        "value": None,
        "split": "the last tenth of the novel",
        "source": "d2l-zh 8.3.1",
        "note": "the book gives Laplace's formula and measures nothing",
    },
]
TUNING = 0.1  # of the training text, at its end, on which the weights are learnt


@dataclass(frozen=True, kw_only=True)
class Config(TrainConfig):
    """Back-off models of 1 to 5 characters, and the weights of their mixture by gradient descent.

    Args:
        order: the longest run that is counted.
        discount: taken off each count in back-off, above 0 and below 1.
        pseudocount: what Laplace's smoothing adds, in tokens for the whole shorter context, above 0.
    """

    order: int = 5
    discount: float = 0.75
    pseudocount: float = 1.0
    epochs: int = 10
    batch_size: int = 256
    lr: float = 1.0
    data: str = DATA

    def __post_init__(self) -> None:
        """Check every range."""
        super().__post_init__()
        self._check("order", at_least=1)
        self._check("pseudocount", above=0)
        if not 0 < self.discount < 1:
            raise InputError(f"--discount: expected a number above 0 and below 1, got {self.discount}")


class Mixture(nn.Module):
    """ln P of tokens by several models to ln P by their mixture: `(batch, models)` to `(batch,)`.

    Args:
        models: how many are mixed; `weights` `(models,)` are logits, equal at first.
        tokens: `(tokens,)` of int, the text whose counts the models are; it only travels along.

    Source: Jelinek and Mercer 1980, "Interpolated estimation of Markov source parameters from sparse data".
    """

    tokens: Tensor

    def __init__(self, models: int, tokens: Tensor) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.zeros(models))
        self.register_buffer("tokens", tokens.int())

    def forward(self, x: Tensor) -> Tensor:
        """The mixture's logarithms."""
        return (self.weights.log_softmax(dim=0) + x).logsumexp(dim=1)


def counted(config: Config, tokens: np.ndarray, size: int) -> list[NGramModel]:
    """Back-off models of 1 to `order` tokens."""
    return [NGramModel(tokens, n, size, "backoff", config.discount) for n in range(1, config.order + 1)]


def told(models: Sequence[NGramModel], tokens: np.ndarray) -> Tensor:
    """ln P of each token by each model, `(tokens, models)`."""
    return torch.from_numpy(np.stack([model.log_probabilities(tokens) for model in models], axis=1)).float()


def load_splits(config: Config) -> tuple[data.Dataset, data.Dataset]:
    """The end of the training text in the words of counts of its beginning; the held-out text in those of all of it."""
    train, test = language.load_texts(config.data)
    size, known = len(train.about["vocab"]), train.tensors["x"]
    cut = len(known) - round(TUNING * len(known))
    if cut < config.order or cut == len(known):
        raise DataError(f"{config.data}: expected at least {10 * config.order} tokens, got {len(known)}; give more")
    about = {**train.about, "train_tokens": len(known)}
    models = counted(config, known[:cut].numpy(), size)
    tuning = {"x": told(models, known[cut:].numpy()), "y": known[cut:].long()}
    unseen = test.tensors["x"]
    tested = {"x": told(counted(config, known.numpy(), size), unseen.numpy()), "y": unseen.long()}
    return replace(train, tensors=tuning, about=about), replace(test, tensors=tested, about=about)


def build(config: Config, tokens: Tensor) -> nn.Module:
    """The mixture, around the text that was counted."""
    return Mixture(config.order, tokens)


def task(config: Config, tokens: Tensor, constant: Mapping[str, float]) -> Task:
    """The least mean of -ln P; the weights."""

    def weights(model: nn.Module) -> dict[str, float]:
        shares = model.weights.detach().softmax(dim=0).tolist()  # type: ignore[operator]
        return {**{f"weight_{n}": share for n, share in enumerate(shares, 1)}, **constant}

    return Task(
        build=lambda: build(config, tokens),
        loss=lambda outputs, target: -outputs.mean(),
        measures={},
        inspect=weights,
        watchers=(Perplexity(),),
    )


def perplexities(config: Config) -> dict[str, float]:
    """Perplexity of the held-out text by each smoothing and length."""
    train, test = language.load_texts(config.data)
    known, unseen = (split.tensors["x"].numpy() for split in (train, test))
    strengths = {"backoff": config.discount, "laplace": config.pseudocount}
    return {
        f"test_{smoothing}_{n}_perplexity": NGramModel(
            known, n, len(train.about["vocab"]), smoothing, strength
        ).perplexity(unseen)
        for smoothing, strength in strengths.items()
        for n in range(1, config.order + 1)
    }


def run(config: Config, folder: RunFolder | None = None, *, listeners: Sequence[Listener] = ()) -> Result:
    """Count, then learn the weights; `test_SMOOTHING_N_perplexity` are of single models, `test_perplexity` of all."""
    train, test = load_splits(config)
    tokens = language.load_texts(config.data)[0].tensors["x"]
    what = task(config, tokens, perplexities(config))
    return experiment("ngram", config, what, train, test, published=PUBLISHED, folder=folder, listeners=listeners)


def trained(folder: RunFolder) -> Mixture:
    """The run's mixture, with its text."""
    config = Config(**folder.config)
    empty = torch.zeros(int(folder.data["train_tokens"]), dtype=torch.int32)
    model = load_model(folder, lambda: build(config, empty))
    assert isinstance(model, Mixture)
    return model


def measure(folder: RunFolder) -> Result:
    """Measure the mixture of the best epoch again."""
    config, model = Config(**folder.config), trained(folder)
    _, test = load_splits(config)
    what = task(config, model.tokens, perplexities(config))
    numbers = evaluate(model, held_out(test, config), {"loss": what.loss})
    numbers["test_perplexity"] = math.exp(numbers["test_loss"])
    assert what.inspect is not None
    note = "the checkpoint of the best epoch"
    return measured_again(folder, config, {**numbers, **what.inspect(model)}, test.used, PUBLISHED, note)


class Reader:
    """The mixture as `decoding` takes it: tokens `(batch, steps)` and those before to ln P of what follows.

    Args:
        config, model, size: settings, weights with the text, and how many tokens there are.
    """

    def __init__(self, config: Config, model: Mixture, size: int) -> None:
        self.context, self.size = config.order - 1, size
        self.models = counted(config, model.tokens.numpy(), size)
        self.weights = model.weights.detach().softmax(dim=0)

    def __call__(self, tokens: Tensor, state: Any) -> tuple[Tensor, Any]:
        """ln P `(batch, vocab)` of each token after the last, and the tokens that it depends on."""
        seen = tokens if state is None else torch.cat([state, tokens], dim=1)
        rows = [self._probabilities(row.numpy()) for row in seen]
        return torch.stack(rows).log(), seen[:, max(0, seen.shape[1] - self.context) :]

    def _probabilities(self, seen: np.ndarray) -> Tensor:
        every = np.arange(self.size)
        total = torch.zeros(self.size)
        for weight, model in zip(self.weights, self.models, strict=True):
            context = seen[len(seen) - min(model.n - 1, len(seen)) :]
            total += weight * torch.from_numpy(model(np.tile(context, (self.size, 1)), every)).float()
        return total


def predict(
    folder: RunFolder,
    source: str,
    *,
    length: int = 50,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
    seed: int = 0,
) -> Prediction:
    """Go on with the text `source`; see `language.continued`."""
    reader = Reader(Config(**folder.config), trained(folder), len(folder.data["vocab"]))
    return language.continued(folder.data, reader, source, length, temperature, top_k, top_p, seed)


def score(folder: RunFolder, source: str) -> Prediction:
    """How probable the text `source` is: ln P of all its tokens but the first."""
    reader = Reader(Config(**folder.config), trained(folder), len(folder.data["vocab"]))
    tokens = language.encode(folder.data, source)
    if tokens.shape[1] < 2:
        raise InputError(f"{source!r}: expected at least two tokens to score, got one")
    total, state = 0.0, None
    for place in range(tokens.shape[1] - 1):
        logits, state = reader(tokens[:, place : place + 1], state)
        total += float(logits[0, tokens[0, place + 1]])
    count = tokens.shape[1] - 1
    return Prediction(input=source, label=total, extra={"tokens": count, "perplexity": math.exp(-total / count)})


def draw(folder: RunFolder) -> list[Path]:
    """Perplexity of the held-out text by length and smoothing, and the mixture's."""
    if folder.result is None:
        return []
    config, metrics = Config(**folder.config), folder.result.metrics
    lengths = list(range(1, config.order + 1))
    single = {
        smoothing: (lengths, [metrics[f"test_{smoothing}_{n}_perplexity"] for n in lengths])
        for smoothing in ("backoff", "laplace")
    }
    mixed = {"mixture of back-offs": (lengths, [metrics["test_perplexity"]] * len(lengths))}
    charts = [
        Panel(
            series={**single, **mixed},
            title="Perplexity of unseen text",
            xlabel="tokens in a run",
            logy=True,
            whole=True,
        ),
        Panel(
            series={"weight in the mixture": (lengths, [metrics[f"weight_{n}"] for n in lengths])},
            title="What the mixture trusts",
            xlabel="tokens in a run",
            ylim=(0.0, 1.0),
            whole=True,
            names=False,
        ),
    ]
    return [panels(folder.path / "ngrams.png", charts)]
