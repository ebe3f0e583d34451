"""An end-to-end memory network: a question looks at the sentences of a story again and again, and answers.

Source: Sukhbaatar, Szlam, Weston and Fergus 2015, arXiv 1503.08895, sections 2 and 4.1, adjacent tying.

    story (batch, sentences, words) ── A_k, position, time ──> keys m_i   ── C_k, position, time ──> values c_i
    question (batch, words) ── B, position ──> u_1
    hop k: p = softmax(u_k · m_i), o = Σ p_i c_i, u_(k+1) = u_k + o
    answer = softmax(W u_(hops + 1))            A_(k+1) = C_k, B = A_1, Wᵀ = C_hops
"""

from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fathom.errors import ShapeError
from fathom.models.model import Model
from fathom.models.parts import at_least, check_choice

NAMES = ("memory_network",)
ENCODINGS = ("position", "bag")


class MemoryNetwork(Model):
    """Stories with a question to a word.

    While the attribute `linear` is true, the softmax over the sentences is left out: the paper's linear start, section
    4.2, without which the later hops may learn nothing.

    Args:
        vocab_size: how many words there are; word 0 fills up and says nothing.
        hops: how often the memory is looked at.
        embedding_size: features of a sentence.
        memory: sentences that it has room for.
        encoding: `position` weights a word's features by where it stands (equation in section 4.1), `bag` does not.
        nn: the namespace of layers.

    Raises:
        InputError: a size below 1, or no such encoding.
    """

    def __init__(
        self,
        vocab_size: int,
        hops: int = 3,
        embedding_size: int = 20,
        memory: int = 50,
        encoding: str = "position",
        *,
        nn: Any = torch.nn,
    ) -> None:
        super().__init__()
        at_least(1, vocab_size=vocab_size, hops=hops, embedding_size=embedding_size, memory=memory)
        check_choice("encoding", encoding, ENCODINGS)
        self.memory, self.encoding, self.linear = memory, encoding, False
        self.embeddings = nn.ModuleList(nn.Embedding(vocab_size, embedding_size) for _ in range(hops + 1))
        self.times = nn.ModuleList(nn.Embedding(memory, embedding_size) for _ in range(hops + 1))
        for table in (*self.embeddings, *self.times):
            nn.init.normal_(table.weight, 0.0, 0.2)  # the paper's 0.1 leaves later hops of 32 features asleep
        self.constant("steps", np.arange(memory))

    def example(self) -> tuple[Tensor, ...]:
        """Inputs of one example, of the usual shape."""
        return (torch.zeros(1, self.memory + 1, 7, dtype=torch.long),)

    def forward(self, x: Any) -> Any:
        """Map `(batch, sentences + 1, words)` of int, the question last, to logits `(batch, vocab_size)`.

        Raises:
            ShapeError: there is no sentence, or the story is longer than the memory.
        """
        return self.attend(x)[0]

    def attend(self, x: Any) -> tuple[Any, Any]:
        """The logits, and where each hop looked, `(batch, hops, sentences)`; empty rows are left out."""
        self._check(x)
        counts, lengths = (x != 0), (x != 0).sum(dim=2, keepdim=True)
        weights = self._position(x.shape[2], lengths) * counts[..., None]
        sentences = x.shape[1] - 1
        steps: Any = self.steps
        ages = steps[:sentences].flip(0)  # the last sentence is of age 0
        empty = ~counts[:, :-1].any(dim=2)
        read = [(table(x) * weights).sum(dim=2) for table in self.embeddings]
        memories = [rows[:, :-1] + time(ages) for rows, time in zip(read, self.times, strict=True)]
        u, looks = read[0][:, -1], []
        for keys, values in pairwise(memories):
            scores = (keys @ u[..., None])[..., 0]
            masked = scores.masked_fill(empty, 0.0) if self.linear else scores.masked_fill(empty, -1e9).softmax(dim=1)
            looks.append(masked)
            u = u + (looks[-1][:, None] @ values)[:, 0]
        return u @ self.embeddings[-1].weight.T, torch.stack(looks, dim=1)

    def _position(self, words: int, lengths: Any) -> Any:
        """What word j of J counts for feature k of d: (1 - j/J) - (k/d) (1 - 2j/J); `(batch, sentences, words, d)`."""
        size = self.embeddings[0].weight.shape[1]
        dtype, device = self.embeddings[0].weight.dtype, lengths.device
        if self.encoding == "bag":
            return torch.ones(*lengths.shape[:2], words, size, dtype=dtype, device=device)
        j = torch.arange(1, words + 1, dtype=dtype, device=device) / lengths.clamp_min(1)
        k = torch.arange(1, size + 1, dtype=dtype, device=device) / size
        return (1 - j)[..., None] - k * (1 - 2 * j)[..., None]

    def _check(self, x: Any) -> None:
        if x.dim() != 3 or x.shape[1] < 2:
            expected = "(batch, sentences + 1, words), the question last"
            raise ShapeError(f"x: expected a story and a question as {expected}, got {tuple(x.shape)}")
        if x.shape[1] - 1 > self.memory:
            raise ShapeError(
                f"x: expected at most {self.memory} sentences, the size of the memory, got {x.shape[1] - 1}; "
                "shorten the story or build the model with a larger memory"
            )


memory_network = MemoryNetwork
