"""Sequences from a step function, token after token: greedy and by sampling; this room knows no model."""

from fathom.decoding.sampling import Sampler, generate, greedy, probabilities
from fathom.decoding.step import Step

__all__ = ["Sampler", "Step", "generate", "greedy", "probabilities"]
