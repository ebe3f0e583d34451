"""A distribution over sequences of symbols of any length, as a directed graphical model: each given all before it.

Source: Goodfellow, Bengio and Courville 2016, section 10.2.3, with its three ways to choose the length.

    P(sequence) = P(x_1) P(x_2 | x_1) … P(x_T | x_1 … x_(T-1)) P(it ends there)

    tokens (batch, steps), moved one step on
      ── one-hot [, how many are to come] ── GRU (or RNN, LSTM) ── Linear ──> log-probabilities of symbols and the end
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Generator, Tensor
from torch.nn.functional import log_softmax, logsigmoid, one_hot, pad

from fathom.errors import InputError, ShapeError
from fathom.models.model import Model
from fathom.models.parts import at_least, check_choice
from fathom.models.recurrent_language_model import CELLS
from fathom.ops.discrete_sequences import require_distribution

NAMES = ("sequence_model",)
ENDINGS = ("symbol", "stop", "count")
NEVER = -1e4  # whose exponential is 0 in every dtype


class SequenceModel(Model):
    """Sequences of at least one symbol to their exact log-likelihoods, and back by ancestral sampling.

    A row of tokens is a sequence and behind it the end, which has the number `vocab_size`, at every place that is left.
    A row without an end is the beginning of longer ones.

    Args:
        vocab_size: how many symbols there are, without the end.
        ending: `symbol`: the end is one more symbol; `stop`: before each step but the first a Bernoulli variable says
            whether the sequence is over; `count`: the length is drawn first.
        cell: `rnn`, `gru` or `lstm`.
        hidden_size: units of the state.
        lengths: of `count`, P of the lengths 1, 2, …
        told: of `count`, whether the net is told at each step how many symbols are still to come.
        nn: the namespace of layers.

    Raises:
        InputError: a size below 1, no such ending or cell, or `lengths` that do not sum to 1.
    """

    lengths: Tensor

    def __init__(
        self,
        vocab_size: int,
        ending: str = "symbol",
        cell: str = "gru",
        hidden_size: int = 64,
        lengths: Sequence[float] = (),
        told: bool = True,
        *,
        nn: Any = torch.nn,
    ) -> None:
        super().__init__()
        at_least(1, vocab_size=vocab_size, hidden_size=hidden_size)
        check_choice("ending", ending, ENDINGS)
        check_choice("cell", cell, list(CELLS))
        self.vocab_size, self.ending = vocab_size, ending
        self.longest = 0
        if ending == "count":
            shares = require_distribution("lengths", torch.tensor(lengths, dtype=torch.float64))
            self.longest = len(shares)
            self.constant("lengths", shares.numpy())
        self.told = told and self.longest > 0
        self.recurrent = getattr(nn, CELLS[cell])(vocab_size + self.longest * self.told, hidden_size, batch_first=True)
        self.output = nn.Linear(hidden_size, vocab_size + (ending != "count"))

    def forward(self, tokens: Tensor) -> Tensor:
        """Log-probabilities of what stands at each step given all before it, `(batch, steps, vocab_size + 1)`.

        The end is the last column. Their sum over a row's own tokens is the row's log-likelihood; those of `count`
        are given the length besides, but for the end's, which is the share of such lengths among those not yet passed.

        Args:
            tokens: `(batch, steps)` of int.
        """
        ended = (tokens == self.vocab_size).cumsum(dim=1) > 0
        before = pad(tokens, (1, 0))[:, :-1]
        features = self._one_hot(before).index_fill(1, torch.zeros(1, dtype=torch.long, device=tokens.device), 0)
        if self.told:
            places = torch.arange(tokens.shape[1], device=tokens.device)
            features = torch.cat([features, self._to_come((~ended).sum(dim=1, keepdim=True) - places)], dim=2)
        states, _ = self.recurrent(features)
        over = pad(ended, (1, 0))[:, :-1]
        return self._after_the_end(self._choices(states, 0), over)

    def log_likelihood(self, tokens: Tensor) -> Tensor:
        """ln P of each row, `(batch,)`: of the whole sequence, or, without an end, of its being the beginning of one.

        Raises:
            ShapeError, InputError: as `require_sequences`; or `count` is given a row without an end.
        """
        require_sequences(tokens, self.vocab_size)
        if self.ending == "count" and not bool((tokens == self.vocab_size).any(dim=1).all()):
            raise InputError("tokens: expected sequences with their end, since their length is drawn first, got none")
        return self(tokens).gather(2, tokens[:, :, None])[:, :, 0].sum(dim=1)

    @torch.no_grad()
    def sample(self, count: int, longest: int, generator: Generator | None = None) -> Tensor:
        """So many sequences, each symbol drawn given those before it: `(count, longest + 1)` of int.

        Args:
            longest: symbols after which a sequence that has not ended is left as it is, without an end.
            generator: of the drawing; None is torch's own.
        """
        drawn, end = [], self.vocab_size
        length = self._draw_lengths(count, generator)
        token, state = torch.full((count,), end, device=self.output.weight.device), None
        over = torch.zeros(count, dtype=torch.bool, device=token.device)
        for place in range(longest + 1):
            features = self._one_hot(token[:, None])
            if self.told:
                features = torch.cat([features, self._to_come(length[:, None] - place)], dim=2)
            states, state = self.recurrent(features, state)
            chances = self._after_the_end(self._choices(states, place), over[:, None])[:, 0].exp()
            if self.ending == "count":  # the length is known by now
                last = one_hot(torch.full_like(token, end), end + 1).to(chances.dtype)
                chances[:, end] = 0.0
                chances = torch.where((length <= place)[:, None], last, chances)
            token = torch.multinomial(chances, 1, generator=generator)[:, 0]
            over = over | (token == end)
            drawn.append(token)
        return torch.stack(drawn, dim=1)

    def _draw_lengths(self, count: int, generator: Generator | None) -> Tensor:
        if self.ending != "count":
            return torch.zeros(count, dtype=torch.long, device=self.output.weight.device)
        return 1 + torch.multinomial(self.lengths, count, replacement=True, generator=generator)

    def _one_hot(self, tokens: Tensor) -> Tensor:
        """One-hot vectors of symbols; the end, which also stands before the first, has zeros."""
        return one_hot(tokens, self.vocab_size + 1)[..., :-1].to(self.output.weight.dtype)

    def _to_come(self, counts: Tensor) -> Tensor:
        """One-hot vectors of how many symbols are to come, zeros for none."""
        held = one_hot(counts.clamp(0, self.longest), self.longest + 1)[..., 1:]
        return held.to(self.output.weight.dtype)

    def _choices(self, states: Tensor, first: int) -> Tensor:
        """Log-probabilities of the symbols and of the end, from the step `first` on, while a sequence has not ended."""
        outputs = self.output(states)
        if self.ending == "count":
            letters = outputs
            stop, go = self._hazards(first, states.shape[1], outputs.dtype)
        else:
            letters, odds = outputs[..., :-1], outputs[..., -1:]
            if self.ending == "symbol":  # one softmax over symbols and end: these are the end's odds in it
                odds = odds - letters.logsumexp(dim=2, keepdim=True)
            stop, go = logsigmoid(odds), logsigmoid(-odds)
        symbols = log_softmax(letters, dim=2)
        begins = torch.arange(first, first + states.shape[1], device=states.device)[:, None] == 0  # no empty sequence
        go, stop = go.masked_fill(begins, 0.0), stop.masked_fill(begins, NEVER)
        return torch.cat([symbols + go, stop.expand(*symbols.shape[:2], 1)], dim=2)

    def _hazards(self, first: int, steps: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """ln P(the length is t | it is at least t) and of the contrary, `(steps, 1)`, before each step t."""
        lengths = torch.cat([self.lengths.new_zeros(1), self.lengths, self.lengths.new_zeros(first + steps)])
        longer = lengths.flip(0).cumsum(dim=0).flip(0)  # P(at least t)
        stop = torch.where(longer > 0, lengths / longer, torch.ones_like(lengths))
        go = torch.where(longer > 0, (longer - lengths) / longer, torch.zeros_like(lengths))
        here = slice(first, first + steps)
        logarithms = [share[here, None].log().clamp_min(NEVER).to(dtype) for share in (stop, go)]
        return logarithms[0], logarithms[1]

    def _after_the_end(self, choices: Tensor, over: Tensor) -> Tensor:
        """Behind the end there stands the end, for certain."""
        certain = torch.full_like(choices[0, 0], NEVER).index_fill(
            0, torch.tensor([self.vocab_size], device=choices.device), 0.0
        )
        return torch.where(over[..., None], certain, choices)


def packed(sequences: Sequence[Sequence[int]], vocab_size: int) -> Tensor:
    """Sequences of any lengths as rows with their ends, `(sequences, longest + 1)` of int.

    Raises:
        InputError: there is none, one is empty, or a symbol is not from 0 to `vocab_size - 1`.
    """
    if not sequences:
        raise InputError("sequences: expected at least one, got none")
    longest = max(map(len, sequences))
    rows = [[*sequence, *[vocab_size] * (longest + 1 - len(sequence))] for sequence in sequences]
    if any(not 0 <= symbol < vocab_size for sequence in sequences for symbol in sequence):
        raise InputError(f"sequences: expected symbols from 0 to {vocab_size - 1}, got others; leave the end out")
    return require_sequences(torch.tensor(rows), vocab_size)


def require_sequences(tokens: Tensor, vocab_size: int) -> Tensor:
    """`tokens`, if each row is a sequence and behind it nothing but the end.

    Raises:
        ShapeError: they are not `(batch, steps)`.
        InputError: a number is out of range, a sequence is empty, or a symbol stands behind an end.
    """
    if tokens.dim() != 2 or 0 in tokens.shape:
        raise ShapeError(f"tokens: expected (batch, steps), at least one of each, got {tuple(tokens.shape)}")
    if int(tokens.min()) < 0 or int(tokens.max()) > vocab_size:
        raise InputError(
            f"tokens: expected symbols from 0 to {vocab_size - 1} and {vocab_size} for the end, "
            f"got {int(tokens.min())} to {int(tokens.max())}"
        )
    end = tokens == vocab_size
    if bool(end[:, 0].any()):
        row = int(end[:, 0].int().argmax())
        raise InputError(f"tokens: expected sequences of at least one symbol, got an empty one in row {row}; drop it")
    if bool((end[:, :-1] & ~end[:, 1:]).any()):
        raise InputError("tokens: expected nothing but the end behind an end, got a symbol; pad with the end")
    return tokens


sequence_model = SequenceModel
