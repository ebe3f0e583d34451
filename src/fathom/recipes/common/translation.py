"""What the recipes of translation share: settings, batches, loss, BLEU of translations, and a sentence's best ones."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from fathom import data, decoding, models
from fathom.data import loading
from fathom.data.pair_batches import PairBatches
from fathom.data.pairs import BOS, EOS, PAD, UNK, Coder, PairDataset, side
from fathom.errors import DataError, InputError
from fathom.layers import namespace
from fathom.layers.init import xavier_uniform_
from fathom.metrics import bleu, corpus_bleu
from fathom.models.headed_attention import weights_kept
from fathom.models.transformer import Transformer
from fathom.recipes.common.attended import Looks
from fathom.records import RunFolder
from fathom.train import Progress, TrainConfig, load_model
from fathom.train.experiment import Examples, Task
from fathom.train.scheduled_sampling import ScheduledSampling

BOOK = {  # the sentences that the book translates, and what it compares with
    "go .": "va !",
    "i lost .": "j'ai perdu .",
    "he's calm .": "il est calme .",
    "i'm home .": "je suis chez moi .",
}
ROWS = 250  # translated at once
SILENT = [UNK, PAD, BOS]
SIDES = ("source", "target")


Build = Callable[[Any, Mapping[str, Any]], Any]
"""Settings and what a run knows of its data to a model, an `EncoderDecoder`."""


@dataclass(frozen=True, kw_only=True)
class TranslationConfig(TrainConfig):
    """What the trainings of all translators share.

    Args:
        teacher: share of right tokens that the decoder is given at the end of training, falling linearly from 1
            (scheduled sampling); 1 gives it none of its own.
        batch_tokens: as many pairs a batch as fit into so many tokens of either side; 0 takes batch_size pairs.
        translations: held-out pairs translated after each epoch, for BLEU; 0 takes all.
        label_smoothing: share of each target, `0 <= share < 1`, that is spread evenly over all tokens in training.
    """

    teacher: float = 1.0
    batch_tokens: int = 0
    translations: int = 1000
    label_smoothing: float = 0.0
    optimizer: str = "adam"

    def __post_init__(self) -> None:
        """Check every range."""
        super().__post_init__()
        for name in ("batch_tokens", "translations"):
            self._check(name, at_least=0)
        self._check("teacher", at_least=0, at_most=1)
        if not 0 <= self.label_smoothing < 1:
            raise InputError(f"--label-smoothing: expected a share 0 <= share < 1, got {self.label_smoothing}")


@dataclass(frozen=True, kw_only=True)
class RecurrentConfig(TranslationConfig):
    """The book's settings: 2 layers of 32 units, dropout 0.1, Adam at 0.005, 300 epochs in batches of 64, clip 1.

    Args:
        embedding_size: features of a token.
        hidden_size: units of a layer of encoder and decoder.
        num_layers: layers of each.
        cell: gru or lstm.
        dropout: probability between layers, and of attention weights.
        bidirectional_encoder: let half of the encoder's units read from the end.
    """

    embedding_size: int = 32
    hidden_size: int = 32
    num_layers: int = 2
    cell: Literal["gru", "lstm"] = "gru"
    dropout: float = 0.1
    bidirectional_encoder: bool = False
    epochs: int = 300
    batch_size: int = 64
    lr: float = 0.005
    clip: float = 1.0

    def __post_init__(self) -> None:
        """Check every range."""
        super().__post_init__()
        for name in ("embedding_size", "hidden_size", "num_layers"):
            self._check(name, at_least=1)
        if not 0 <= self.dropout < 1:
            raise InputError(f"--dropout: expected a probability 0 <= p < 1, got {self.dropout}")
        if self.cell not in ("gru", "lstm"):
            raise InputError(f"--cell: expected gru or lstm, got {self.cell!r}")


def recurrent(name: str) -> Build:
    """How to build the recurrent model of that name, all matrices but the embeddings drawn as the book does."""

    def build(config: Any, about: Mapping[str, Any]) -> Any:
        return models.on_rung(
            name,
            config.rung,
            initialise=_xavier,
            source_vocab_size=len(coder(about, "source")),
            target_vocab_size=len(coder(about, "target")),
            embedding_size=config.embedding_size,
            hidden_size=config.hidden_size,
            num_layers=config.num_layers,
            cell=config.cell,
            dropout=config.dropout,
            bidirectional=config.bidirectional_encoder,
        )

    return build


def _xavier(model: nn.Module) -> None:
    for name, parameter in model.named_parameters():
        if parameter.dim() == 2 and "embedding" not in name:
            xavier_uniform_(parameter)


# --- data -----------------------------------------------------------------------------------------------------------


def load_splits(name: str) -> tuple[PairDataset, PairDataset | None]:
    """The training pairs, and the held-out ones, of which there are none with `test=0`.

    Raises:
        InputError: these are no pairs.
    """
    train = data.load(name, "train")
    if not isinstance(train, PairDataset):
        raise InputError(f"{name}: expected pairs of sentences, got {train.about.get('kind')}; give pairs:FILE")
    train = sided(train)
    if float(loading.parse(name).options.get("test", 1)) == 0:
        return train, None
    test = data.load(name, "test")
    assert isinstance(test, PairDataset)
    return train, test


def sided(train: PairDataset) -> PairDataset:
    """The training pairs with all that a run must know of them: both coders, and the longest target."""
    about = {name: value for name, value in train.about.items() if name not in SIDES}
    sides = {name: train.about[name] for name in SIDES}
    return replace(train, about={**about, "sides": sides, "longest": train.tensors["y"].shape[1]})


def coder(about: Mapping[str, Any], name: str) -> Coder:
    """The coder of a run's `source` or `target`."""
    return side(about["sides"][name])


def check_same_tokens(about: Mapping[str, Any], pairs: PairDataset) -> None:
    """DataError if the tokens of `pairs` are not those of the run whose `data.json` holds `about`."""
    if pairs.about["sides"] != about["sides"]:
        raise DataError(
            f"expected the pairs that the run has learnt, with its vocabularies, got {pairs.used.name} with others; "
            "if they are in a folder, set FATHOM_DATA to that"
        )


def batches(config: TranslationConfig, pairs: Any, training: bool, device: torch.device) -> PairBatches:
    """Pairs that are about as long, in the training in another order every epoch."""
    return PairBatches(
        pairs,
        batch_size=config.batch_size,
        shuffle=training,
        seed=config.seed,
        device=device,
        limit=config.limit,
        tokens=config.batch_tokens,
    )


# --- what is learnt -------------------------------------------------------------------------------------------------


class TokenLoss:
    """The mean loss of the tokens that are no padding, in nats; then the same as sums, so that epochs add up exactly.

    Smoothing changes what is learnt by alone; the nats that are measured are of the right tokens.

    Args:
        rung: whose loss.
        smoothing: the share ε of each target that is spread evenly over all tokens.

    Source: Szegedy et al. 2016, arXiv 1512.00567, section 7; Vaswani et al. 2017, arXiv 1706.03762, section 5.4.
    """

    def __init__(self, rung: str, smoothing: float = 0.0) -> None:
        self.loss = namespace(rung).CrossEntropyLoss(ignore_index=PAD)
        self.smoothing = smoothing
        self.last = torch.zeros(())

    def __call__(self, logits: Tensor, target: Tensor) -> Tensor:
        """Of logits `(batch * steps, vocab)` and the target `(batch, steps)`."""
        target = target.flatten()
        loss: Tensor = self.loss(logits, target)
        self.last = loss.detach()
        return loss if not self.smoothing else loss + self.smoothing * self._spread(logits, target)

    def _spread(self, logits: Tensor, target: Tensor) -> Tensor:
        """The mean loss of all tokens less that of the right ones: the normalisation drops out of the difference."""
        here = target != PAD
        right = logits.gather(1, target[:, None])[:, 0]
        return ((right - logits.mean(1)) * here).sum() / here.sum()

    def nats(self, logits: Tensor, target: Tensor) -> Tensor:
        """What `__call__` just gave, as nats a sentence."""
        return self.last * self.tokens(logits, target)

    def tokens(self, logits: Tensor, target: Tensor) -> Tensor:
        """Tokens a sentence."""
        return (target != PAD).sum() / len(target)


class PerToken:
    """Listener that makes of nats and tokens a sentence the epoch's loss a token, and its perplexity."""

    def step(self, progress: Progress) -> None:
        """Only epochs count."""

    def epoch(self, progress: Progress) -> None:
        """Amend the record."""
        per_token(progress.history[-1])

    def end(self, progress: Progress) -> None:
        """Nothing is left to do."""


def per_token(record: Any) -> None:
    """Put the loss and the perplexity of each split in place of its nats and tokens."""
    for name in [name for name in record if name.endswith("_nats")]:
        prefix = name.removesuffix("nats")
        loss = record.pop(name) / record.pop(f"{prefix}tokens")
        record[f"{prefix}loss"] = loss
        record[f"{prefix}perplexity"] = math.exp(min(loss, 700.0))


def task(build: Build, config: TranslationConfig, train: PairDataset, test: PairDataset | None) -> Task:
    """Translation under a teacher, or with some of its own tokens; BLEU of held-out pairs chooses the best epoch."""
    check_lengths(config, train, test)
    loss = TokenLoss(config.rung, config.label_smoothing)
    sampled = None if config.teacher == 1 else lambda model: ScheduledSampling(model, config.teacher)

    def batched(examples: Examples, training: bool, device: torch.device) -> PairBatches:
        return batches(config, examples, training, device)

    return Task(
        build=lambda: build(config, train.about),
        loss=loss,
        measures={"nats": loss.nats, "tokens": loss.tokens},
        monitor="test_bleu" if test is not None else "",
        maximise=True,
        inspect=lambda model: points(model, config, train, test),
        wrap=sampled,
        batches=batched,
        watchers=(PerToken(),),
    )


def check_lengths(config: Any, *splits: PairDataset | None) -> None:
    """InputError if a sentence is longer than a model's positions; most models have none."""
    lengths = [split.tensors[name].max() for split in splits if split is not None for name in ("x_length", "y_length")]
    longest, most = int(max(lengths)), getattr(config, "max_steps", math.inf)
    if longest > most:
        raise InputError(
            f"--max-steps: expected at least {longest}, the tokens of the longest sentence, got {most}; give more, or "
            f"cut sentences by --data {config.data},steps={most}"
        )


# --- translations ---------------------------------------------------------------------------------------------------


def points(model: Any, config: TranslationConfig, train: PairDataset, test: PairDataset | None) -> dict[str, float]:
    """BLEU of greedy translations: 0–100 of held-out pairs, and 0–1, by its own formula, of the book's sentences.

    `test_exact` is the share of held-out pairs whose translation is said word by word.
    """
    found = {}
    if test is not None:
        rows = spaced(test, config.translations)
        said = translated(model, test, train.about, rows)
        found["test_bleu"] = bleu_of(said, test, rows)
        found["test_exact"] = exact_of(said, test, rows)
    if train.card.name == "eng-fra" and loading.parse(config.data).options.get("swap") != "true":
        found["sentences_bleu"] = sum(book_bleu(model, train.about).values()) / len(BOOK)
    return found


def spaced(test: PairDataset, most: int) -> Tensor:
    """Numbers of rows, `(rows,)`: at most so many, evenly spaced among all; 0 is all."""
    count = min(most, len(test)) if most else len(test)
    return torch.arange(count) * len(test) // count


def bleu_of(said: Sequence["Said"], test: PairDataset, rows: Tensor, every: bool = False) -> float:
    """BLEU of the translations of these rows, 0–100.

    Args:
        every: each source counts once, with the targets of all its rows as references; else each row with its own.
    """
    if not every:
        return corpus_bleu([text for text, _ in said], [[test.target_texts[row]] for row in rows.tolist()])
    texts: dict[str, str] = {}
    right: dict[str, list[str]] = {}
    for (text, _), row in zip(said, rows.tolist(), strict=True):
        texts[test.source_texts[row]] = text
        right.setdefault(test.source_texts[row], []).append(test.target_texts[row])
    return corpus_bleu(texts.values(), right.values())


def exact_of(said: Sequence["Said"], test: PairDataset, rows: Tensor) -> float:
    """The share, 0–1, of these rows whose translation is the target, word by word."""
    right = [text == test.target_texts[row] for (text, _), row in zip(said, rows.tolist(), strict=True)]
    return sum(right) / len(right)


class Said(NamedTuple):
    """A translation in the form of the dataset's texts, and its score."""

    text: str
    score: float


def translated(model: Any, test: PairDataset, about: Mapping[str, Any], rows: Tensor, **search: Any) -> list[Said]:
    """The best translation of each of these rows; each source is searched once.

    Args:
        search: as of `searched`.
    """
    lengths, target = test.tensors["x_length"], coder(about, "target")
    first = {test.source_texts[row]: row for row in reversed(rows.tolist())}
    order = sorted(first.values(), key=lambda row: (int(lengths[row]), row))
    said = {}
    for start in range(0, len(order), ROWS):
        chosen = torch.tensor(order[start : start + ROWS])
        source = test.tensors["x"][chosen, : int(lengths[chosen].max())].long()
        found = searched(model, source, lengths[chosen], about, **search)
        best = zip(chosen.tolist(), found.tokens[:, 0].tolist(), found.scores[:, 0].tolist(), strict=True)
        said.update(
            {test.source_texts[row]: Said(target.decode(tokens, neat=False), score) for row, tokens, score in best}
        )
    return [said[test.source_texts[row]] for row in rows.tolist()]


@torch.inference_mode()
def searched(
    model: Any,
    source: Tensor,
    lengths: Tensor,
    about: Mapping[str, Any],
    *,
    width: int = 1,
    alpha: float = 0.6,
    penalty: str = "gnmt",
    best: int = 1,
) -> decoding.Hypotheses:
    """The best translations of each source, in evaluation mode; none is longer than the longest of the training.

    Args:
        source: `(rows, steps)` of int.
        lengths: `(rows,)` of int.
        about: of the run.
        width: of the beam; 1 is greedy search, whose score makes up for length all the same.
        alpha, penalty, best: as of `decoding.beam`.
    """
    device = next(model.parameters()).device
    first = torch.full((len(source), 1), BOS, device=device)
    length = int(about["longest"])
    was_training = model.training
    model.eval()
    try:
        state = model.encode(source.to(device), lengths.to(device))
        options: dict[str, Any] = {"end": EOS, "length": length, "width": width, "penalty": penalty, "best": best}
        if width > 1:
            return decoding.beam(spoken(model), first, state, alpha=alpha, **options)
        found = decoding.beam(spoken(model), first, state, alpha=0.0, **options)
    finally:
        model.train(was_training)
    divisor = [[decoding.PENALTIES[penalty](max(length, 1), alpha) for length in row] for row in found.lengths.tolist()]
    return found._replace(scores=found.log_probabilities / torch.tensor(divisor, device=device))


def spoken(model: Any) -> decoding.Step:
    """The model's step without the tokens that no translation has: the unknown one, the padding, the beginning."""

    def step(tokens: Tensor, state: Any) -> tuple[Tensor, Any]:
        logits, state = model.step(tokens, state)
        logits[:, SILENT] = -torch.inf
        return logits, state

    return step


def book_bleu(model: Any, about: Mapping[str, Any]) -> dict[str, float]:
    """The book's BLEU of each of its sentences, translated greedily."""
    target = coder(about, "target")
    rows = [torch.tensor(coder(about, "source").encode(sentence)) for sentence in BOOK]
    lengths = torch.tensor([len(row) for row in rows])
    said = searched(model, pad_sequence(rows, batch_first=True, padding_value=PAD), lengths, about).tokens[:, 0]
    pairs = zip(BOOK.items(), said.tolist(), strict=True)
    return {sentence: bleu(target.strings(tokens), target.tokens(right)) for (sentence, right), tokens in pairs}


def best_of(
    model: Any, about: Mapping[str, Any], sentence: str, *, width: int = 4, best: int = 1, alpha: float = 0.6
) -> list[tuple[float, list[int]]]:
    """Score and tokens of the best translations of a sentence, the best first.

    Raises:
        InputError: the sentence is empty, unknown or too long, or a number is out of range.
    """
    numbers = coder(about, "source").encode(sentence)
    found = searched(
        model, torch.tensor([numbers]), torch.tensor([len(numbers)]), about, width=width, best=best, alpha=alpha
    )
    rows = zip(found.scores[0].tolist(), found.tokens[0].tolist(), found.lengths[0].tolist(), strict=True)
    return [(score, tokens[:length]) for score, tokens, length in rows if length]


def alignment(model: Any, about: Mapping[str, Any], sentence: str, tokens: Sequence[int]) -> dict[str, Any]:
    """Where a model with attention looked for each of a translation's tokens; empty of a model without.

    Returns:
        `source` and `target`, tokens with the ends, and `weights`, a row for each of the target's.
    """
    if not hasattr(model, "align"):
        return {}
    source, target = coder(about, "source"), coder(about, "target")
    numbers = source.encode(sentence)
    given = torch.tensor([[BOS, *tokens[:-1]]])
    with torch.inference_mode():
        weights = model.align(torch.tensor([numbers]), torch.tensor([len(numbers)]), given)[0]
    return {
        "source": [*source.tokens(sentence), "<eos>"],
        "target": [target.vocab.tokens[number] for number in tokens],
        "weights": weights.tolist(),
    }


def looks(model: Any, about: Mapping[str, Any], sentence: str, tokens: Sequence[int]) -> list[Looks]:
    """Where each head of each layer looks as a sentence is translated into `tokens`; empty of a model without."""
    seen = alignment(model, about, sentence, tokens)
    if not seen:
        return []
    source, said, given = seen["source"], seen["target"], ["<bos>", *seen["target"][:-1]]
    if not isinstance(model, Transformer):
        return [Looks(name="decoder", weights=torch.tensor([seen["weights"]]), queries=said, keys=source)]
    numbers = torch.tensor([coder(about, "source").encode(sentence)])
    with torch.inference_mode(), weights_kept(model) as attentions:
        model(numbers, torch.tensor([numbers.shape[1]]), torch.tensor([[BOS, *tokens[:-1]]]))
        weights = {name: part.weights[0] for name, part in attentions.items()}
    named = {"encoder": (source, source), "decoder": (given, given), "cross": (said, source)}
    found = []
    for name, heads in weights.items():
        side, block, kind = name.split(".")
        queries, keys = named["cross" if kind == "cross" else side]
        title = f"{side} {int(block) + 1}" + ", the source" * (kind == "cross")
        found.append(Looks(name=title, weights=heads, queries=queries, keys=keys))
    return found


def trained(folder: RunFolder, build: Build, config: TranslationConfig) -> Any:
    """The run's model at its best checkpoint, or the last where nothing was held out."""
    return load_model(folder, lambda: build(config, folder.data))
