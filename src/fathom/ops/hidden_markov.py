"""Hidden Markov models: what a chain of unseen states was, from what was seen on both sides of each step.

All probabilities are natural logarithms. A chain starts in state i with P(i), goes from i to j with P(j | i), and shows
at each step something whose probability depends on its state alone.

Source: Rabiner 1989, "A tutorial on hidden Markov models"; Dive into Deep Learning, "Bidirectional Recurrent Neural
Networks".
"""

import torch
from torch import Tensor

from fathom.errors import ShapeError


def forward_messages(start: Tensor, transition: Tensor, seen: Tensor) -> Tensor:
    """ln P(all that was seen up to each step, and the state there), `(steps, states)`: dynamic programming forwards.

    Args:
        start: `(states,)`, ln P of the first state.
        transition: `(states, states)`, ln P of the column's state after the row's.
        seen: `(steps, states)`, ln P of what was seen at each step if the state was this one.

    Raises:
        ShapeError: the three do not fit.
    """
    _check(start, transition, seen)
    messages = [start + seen[0]]
    for evidence in seen[1:]:
        messages.append((messages[-1][:, None] + transition).logsumexp(dim=0) + evidence)
    return torch.stack(messages)


def backward_messages(start: Tensor, transition: Tensor, seen: Tensor) -> Tensor:
    """ln P(all that was seen after each step, given the state there), `(steps, states)`; arguments as above."""
    _check(start, transition, seen)
    messages = [torch.zeros_like(start)]
    for evidence in seen[1:].flip(0):
        messages.append((transition + evidence + messages[-1]).logsumexp(dim=1))
    return torch.stack(messages[::-1])


def forward_backward(start: Tensor, transition: Tensor, seen: Tensor) -> tuple[Tensor, Tensor]:
    """P of each state at each step given all that was seen, `(steps, states)`, and ln P of all that was seen.

    Arguments as of `forward_messages`.
    """
    both = forward_messages(start, transition, seen) + backward_messages(start, transition, seen)
    total = both[0].logsumexp(dim=0)
    return (both - total).exp(), total


def viterbi(start: Tensor, transition: Tensor, seen: Tensor) -> tuple[Tensor, Tensor]:
    """The likeliest chain of states, `(steps,)` of int, and ln P of it and of what was seen.

    Arguments as of `forward_messages`. Source: Viterbi 1967.
    """
    _check(start, transition, seen)
    best, came_from = start + seen[0], []
    for evidence in seen[1:]:
        best, origin = (best[:, None] + transition).max(dim=0)
        best = best + evidence
        came_from.append(origin)
    chain = [best.argmax()]
    for origin in came_from[::-1]:
        chain.append(origin[chain[-1]])
    return torch.stack(chain[::-1]), best.max()


def _check(start: Tensor, transition: Tensor, seen: Tensor) -> None:
    states = len(start) if start.dim() == 1 else 0
    fits = states and transition.shape == (states, states) and seen.dim() == 2 and seen.shape[1] == states and len(seen)
    if not fits:
        shapes = ", ".join(str(tuple(tensor.shape)) for tensor in (start, transition, seen))
        raise ShapeError(f"hidden Markov model: expected (states,), (states, states), (steps, states), got {shapes}")
