"""Optimisers on the engine: torch's formulas, states and names."""

from fathom.autograd.optim.adam import Adam
from fathom.autograd.optim.optimizer import Optimizer
from fathom.autograd.optim.sgd import SGD

__all__ = ["SGD", "Adam", "Optimizer"]
