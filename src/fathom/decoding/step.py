"""What a model must offer to be decoded."""

from typing import Any, Protocol

from torch import Tensor


class Step(Protocol):
    """One step further: tokens `(batch, steps)` of int and a state (None at first) to the logits `(batch, vocab)` of
    the token after the last, and the state with which to go on.
    """

    def __call__(self, tokens: Tensor, state: Any) -> tuple[Tensor, Any]:
        """Take the tokens in, say what may follow."""
