"""Sequences from a step function, token after token: greedy, by sampling, with a beam, or all that there are.

This room knows no model.
"""

from fathom.decoding.beam import beam
from fathom.decoding.exhaustive import exhaustive
from fathom.decoding.hypotheses import PENALTIES, Hypotheses
from fathom.decoding.sampling import Sampler, generate, greedy, probabilities
from fathom.decoding.step import Step
from fathom.ops.nests import Fixed, pick

__all__ = [
    "PENALTIES",
    "Fixed",
    "Hypotheses",
    "Sampler",
    "Step",
    "beam",
    "exhaustive",
    "generate",
    "greedy",
    "pick",
    "probabilities",
]
