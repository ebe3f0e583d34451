"""What the recipes of language models share: train on a text, measure on its end, go on with a prefix."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from fathom import data, decoding, models
from fathom.data.ngrams import NGramModel
from fathom.data.tokens import letters_only, tokenise
from fathom.data.vocabulary import Vocab
from fathom.data.windows import Windows
from fathom.errors import DataError, InputError
from fathom.layers import namespace
from fathom.records import Prediction, RunFolder
from fathom.registry import unknown
from fathom.train import TrainConfig, load_model
from fathom.train.experiment import Examples, Task
from fathom.train.sequences import Carried, Perplexity


@dataclass(frozen=True, kw_only=True)
class LanguageConfig(TrainConfig):
    """The book's settings: 256 units, windows of 35 steps, batches of 32, SGD at 1, clipping at 1, 500 epochs.

    Args:
        steps: tokens in a window, through which the gradient goes back.
        hidden_size: units of a layer.
        num_layers: recurrent layers.
        embedding_size: features of a token; 0 gives one-hot vectors.
        dropout: probability between layers.
        sampling: sequential (the state goes on from batch to batch) or random windows.
    """

    RUNGS: ClassVar[tuple[str, ...]] = ("torch", "scratch", "numpy")

    steps: int = 35
    hidden_size: int = 256
    num_layers: int = 1
    embedding_size: int = 0
    dropout: float = 0.0
    sampling: Literal["sequential", "random"] = "sequential"
    epochs: int = 500
    batch_size: int = 32
    lr: float = 1.0
    clip: float = 1.0

    def __post_init__(self) -> None:
        """Check every range."""
        super().__post_init__()
        for name in ("steps", "hidden_size", "num_layers"):
            self._check(name, at_least=1)
        self._check("embedding_size", at_least=0)
        if not 0 <= self.dropout < 1:
            raise InputError(f"--dropout: expected a probability 0 <= p < 1, got {self.dropout}")
        if self.sampling not in ("sequential", "random"):
            raise InputError(f"--sampling: expected sequential or random, got {self.sampling!r}")
        self.keep(["accumulate"], "the parts of a batch would share one state")


def build(cell: str, config: Any, about: Mapping[str, Any]) -> nn.Module:
    """The model of that cell for a text's vocabulary; one with embeddings starts with all weights within 0.1 of 0.

    Args:
        cell: `rnn`, `gru` or `lstm`; or `gpt`, which has attention in their place.
    """
    if cell == "gpt":
        return models.on_rung(
            "gpt",
            config.rung,
            vocab_size=len(about["vocab"]),
            hidden_size=config.hidden_size,
            num_heads=config.num_heads,
            num_layers=config.num_layers,
            max_steps=config.steps,
            dropout=config.dropout,
        )
    return models.on_rung(
        "recurrent_language_model",
        config.rung,
        initialise=_uniform if config.embedding_size else None,
        vocab_size=len(about["vocab"]),
        cell=cell,
        hidden_size=config.hidden_size,
        num_layers=config.num_layers,
        embedding_size=config.embedding_size,
        dropout=config.dropout,
    )


def _uniform(model: nn.Module) -> None:
    """Zaremba, Sutskever and Vinyals 2014, section 4.1; torch's embeddings are ten times as large."""
    for parameter in model.parameters():
        nn.init.uniform_(parameter, -0.1, 0.1)


def decayed(model: nn.Module) -> list[dict[str, Any]]:
    """Parameter groups in which matrices decay, and biases, scales and shifts do not."""
    matrices, vectors = ([p for p in model.parameters() if (p.dim() > 1) == wide] for wide in (True, False))
    return [{"params": matrices}, {"params": vectors, "weight_decay": 0.0}]


def load_texts(name: str, **wishes: Any) -> tuple[data.Dataset, data.Dataset]:
    """The training text and its held-out end."""
    train, test = (data.load(name, split, **wishes) for split in ("train", "test"))
    if train.about.get("kind") != "text":
        raise InputError(f"{name}: expected a text, got {train.about.get('kind')}; give time-machine or text:FILE")
    return train, test


def load_splits(config: LanguageConfig, **wishes: Any) -> tuple[data.Dataset, data.Dataset]:
    """`load_texts` of the settings' data."""
    return load_texts(config.data, **wishes)


def check_same_tokens(about: Mapping[str, Any], text: data.Dataset) -> None:
    """DataError if the tokens of `text` are not those of the run whose `data.json` holds `about`."""
    if text.about["vocab"] != about["vocab"]:
        raise DataError(
            f"expected the text that the run has learnt, with its {len(about['vocab']):,} tokens, got {text.used.name} "
            f"with {len(text.about['vocab']):,}; if it is in a folder, set FATHOM_DATA to that"
        )


def windows(config: LanguageConfig, examples: Examples, training: bool, device: torch.device) -> Windows:
    """The training's windows, or those for measuring, in rows as many as a short text has."""
    tensors = tuple(examples.tensors.values())
    if training:
        return Windows(
            *tensors,
            batch_size=config.batch_size,
            steps=config.steps,
            sampling=config.sampling,
            seed=config.seed,
            device=device,
            limit=config.limit,
        )
    rows = max(1, min(config.batch_size, len(tensors[0]) // config.steps))
    steps = min(config.steps, len(tensors[0]))
    return Windows(*tensors, batch_size=rows, steps=steps, sampling="fixed", device=device, limit=config.limit)


def task(cell: str, config: LanguageConfig, about: Mapping[str, Any]) -> Task:
    """Next-token prediction: the mean loss in nats a token, the share of right guesses."""
    loss = namespace(config.rung).CrossEntropyLoss()
    return Task(
        build=lambda: build(cell, config, about),
        loss=lambda logits, target: loss(logits, target.flatten()),
        measures={"accuracy": lambda logits, target: (logits.argmax(1) == target.flatten()).float().mean()},
        wrap=lambda model: Carried(model, carry=config.sampling == "sequential"),
        batches=lambda examples, training, device: windows(config, examples, training, device),
        groups=decayed if cell == "gpt" and "weight_decay" in config.optimizer else None,
        watchers=(Perplexity(),),
    )


def baselines(train: data.Dataset, test: data.Dataset) -> dict[int, float]:
    """Test perplexity of n-grams of the training text, by n."""
    known, unseen = (split.tensors["x"].numpy() for split in (train, test))
    lengths = (1, 3, 5) if train.about["unit"] == "char" else (1, 2, 3)
    return {n: NGramModel(known, n, len(train.about["vocab"])).perplexity(unseen) for n in lengths}


# --- what a trained model says --------------------------------------------------------------------------------------


def encode(about: Mapping[str, Any], text: str) -> Tensor:
    """A prefix in the numbers of a run's vocabulary, `(1, tokens)` of int.

    Raises:
        InputError: it is empty, or has a token that the run never saw.
    """
    prepared = letters_only(text) if about["letters"] else text
    cut = tokenise(prepared, about["unit"])
    vocab = Vocab(about["vocab"])
    strangers = [token for token in cut if token not in vocab]
    if not cut:
        raise InputError("text: expected at least one token, got none; write how it begins")
    if strangers:
        raise InputError(
            f"text: expected tokens of the run's text, got {strangers[0]!r}; it knows {len(vocab)}, such as "
            f"{', '.join(map(repr, vocab.tokens[1:6]))}"
        )
    return torch.from_numpy(vocab.encode(cut))[None]


def decode(about: Mapping[str, Any], numbers: Sequence[int]) -> str:
    """Numbers as text, characters side by side, words with blanks between."""
    return ("" if about["unit"] == "char" else " ").join(Vocab(about["vocab"]).decode(numbers))


def trained(folder: RunFolder, cell: str, config: LanguageConfig, state: str) -> nn.Module:
    """The run's model at its best or last checkpoint."""
    if state not in ("best", "last"):
        raise unknown("state", state, ("best", "last"))
    return load_model(folder, lambda: build(cell, config.for_reading(), folder.data), best=state == "best")


def next_logits(model: nn.Module) -> decoding.Step:
    """The model as `decoding` takes it."""
    own: decoding.Step | None = getattr(model, "step", None)
    if own is not None:
        return own

    def step(tokens: Tensor, state: Any) -> tuple[Tensor, Any]:
        logits, state = model(tokens, state)
        return logits[:, -1], state

    return step


def continued(
    about: Mapping[str, Any],
    step: decoding.Step,
    prefix: str,
    length: int,
    temperature: float,
    top_k: int,
    top_p: float,
    seed: int,
) -> Prediction:
    """The text after `prefix` by any model of a text's tokens.

    Args:
        about: of the run's text.
        length: tokens to add.
        temperature: 0 takes the likeliest token each time.
        top_k, top_p: as `decoding.probabilities` takes them.
        seed: of the drawing.

    Raises:
        InputError: the text is empty or unknown, or a number is out of range.
    """
    if length < 0:
        raise InputError(f"--length: expected a whole number from 0, got {length}")
    if temperature < 0 or top_k < 0:
        raise InputError(f"--temperature, --top-k: expected numbers from 0, got {temperature} and {top_k}")
    generator = torch.Generator().manual_seed(seed)
    sampler = decoding.Sampler(temperature, top_k, top_p, generator) if temperature else decoding.greedy
    added = decoding.generate(step, encode(about, prefix), length, sampler)[0].tolist()
    glue = "" if about["unit"] == "char" else " "
    return Prediction(input=prefix, label=prefix + glue + decode(about, added))
