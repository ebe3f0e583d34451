"""Training recurrent language models, and making a vocabulary, beside the barest way to do either.

Training: batches of 32 windows of 35 characters of The Time Machine, one-hot, 256 or 512 units, SGD with the gradient
clipped, loss and accuracy counted. `bare` is the shortest loop over torch's layers that an expert would write.

Vocabulary: from text to the number of each token. `token by token` is the way of the book's section on text: lists of
tokens by line, a Counter over all of them, and a method called for each token that asks whether it is a list. The text
is WikiText-2 (validation and test articles) where it is to be had, else The Time Machine twelve times over, which is as
long.
"""

from collections import Counter
from collections.abc import Callable

import torch
from torch import nn
from torch.nn.functional import cross_entropy, one_hot

from benchmarks.harness import Comparison, compare
from fathom import data
from fathom.data import cards, corpora, store, tokens
from fathom.data.vocabulary import Vocab
from fathom.data.windows import Windows
from fathom.recipes.char_rnn import Config
from fathom.recipes.common import language
from fathom.train import Progress, fit, supervised

BATCH, STEPS, BATCHES = 32, 35, 20
CELLS = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}
SIZES = (256, 512)
LISTS = (list, tuple)


# --- training -------------------------------------------------------------------------------------------------------


def bare(cell: str, hidden: int, text: data.Dataset) -> Callable[[], object]:
    vocab = len(text.about["vocab"])
    rows = BATCHES * STEPS
    x, y = (text.tensors[name][: BATCH * rows].long().view(BATCH, rows) for name in ("x", "y"))
    recurrent, output = CELLS[cell](vocab, hidden, batch_first=True), nn.Linear(hidden, vocab)
    parameters = [*recurrent.parameters(), *output.parameters()]
    optimizer = torch.optim.SGD(parameters, lr=0.1)

    def epoch() -> tuple[float, float]:
        state, loss_sum, right = None, 0.0, 0.0
        for start in range(0, rows, STEPS):
            target = y[:, start : start + STEPS].flatten()
            features, state = recurrent(one_hot(x[:, start : start + STEPS], vocab).float(), state)
            state = tuple(part.detach() for part in state) if cell == "lstm" else state.detach()
            logits = output(features).flatten(0, 1)
            loss = cross_entropy(logits, target)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            loss_sum += loss.item()
            right += (logits.argmax(1) == target).float().mean().item()
        return loss_sum / BATCHES, right / BATCHES

    return epoch


def ours(cell: str, hidden: int, text: data.Dataset) -> Callable[[], object]:
    config = Config(hidden_size=hidden, batch_size=BATCH, steps=STEPS, lr=0.1)
    what = language.task(cell, config, text.about)
    assert what.wrap is not None
    model = what.build()
    called = what.wrap(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    step = supervised(called, what.loss, optimizer, clip=1.0, measures=what.measures)
    batches = Windows(
        *text.tensors.values(), batch_size=BATCH, steps=STEPS, sampling="sequential", seed=0, limit=BATCHES
    )
    return lambda: fit(step, batches, epochs=1, state={"progress": Progress()}, listeners=[called])


# --- vocabulary -----------------------------------------------------------------------------------------------------


class TokenByToken:
    """A vocabulary that looks tokens up one by one, or lists of them by calling itself; the unknown's is a property."""

    def __init__(self, lines: list[list[str]]) -> None:
        counter = Counter([token for line in lines for token in line])
        self.frequencies = sorted(counter.items(), key=lambda entry: entry[1], reverse=True)
        self.tokens = ["<unk>"]
        self.numbers = {"<unk>": 0}
        for token, _ in self.frequencies:
            if token not in self.numbers:
                self.tokens.append(token)
                self.numbers[token] = len(self.tokens) - 1

    def __getitem__(self, sought: str | list[str] | tuple[str, ...]) -> int | list:
        if not isinstance(sought, LISTS):
            return self.numbers.get(sought, self.unknown)
        return [self[token] for token in sought]

    @property
    def unknown(self) -> int:
        return 0


def token_by_token(text: str, unit: str) -> Callable[[], object]:
    def numbers() -> list[int]:
        lines = [line.split() if unit == "space" else list(line) for line in text.splitlines(keepends=True)]
        vocab = TokenByToken(lines)
        return [vocab[token] for line in lines for token in line]

    return numbers


def at_once(text: str, unit: str) -> Callable[[], object]:
    return lambda: tokens.learn(lambda: [text], Vocab.of, unit)[1]


def long_text() -> tuple[str, str]:
    """A text of about two megabytes, and its name."""
    try:
        found = store.locate(cards.card("wikitext-2"))
        return "".join(piece for entry in found for piece in tokens.read_pieces(entry.path)), "WikiText-2"
    except store.UnavailableError:
        (found,) = store.locate(corpora.TIME_MACHINE)
        return "".join(tokens.read_pieces(found.path)) * 12, "The Time Machine, 12 times"


def run(rounds: int) -> list[Comparison]:
    """Each cell at both sizes, and words and characters of the long text."""
    train = data.load("time-machine", "train")
    comparisons = []
    for cell in CELLS:
        for hidden in SIZES:
            title = f"{cell.upper()} of {hidden} units, {BATCHES * BATCH * STEPS:,} tokens"
            peers = {"bare": bare(cell, hidden, train)}
            comparisons.append(compare(title, ("fathom", ours(cell, hidden, train)), peers, rounds))
    text, name = long_text()
    for unit, title in (("space", "words"), ("char", "characters")):
        count = len(tokens.tokenise(text, unit))
        peers = {"token by token": token_by_token(text, unit)}
        comparisons.append(
            compare(f"vocabulary, {count:,} {title} of {name}", ("fathom", at_once(text, unit)), peers, rounds)
        )
    return comparisons
