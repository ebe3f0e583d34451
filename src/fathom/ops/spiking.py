"""Leaky integrate-and-fire neurons, simulated in steps of a millisecond, and what a read-out sees of their spikes."""

import math
from itertools import pairwise

import torch
from torch import Tensor

from fathom.errors import ShapeError


def integrate_and_fire(
    drive: Tensor,
    recurrent: Tensor,
    membrane: float = 30.0,
    synapse: float = 3.0,
    threshold: float = 1.0,
    rest: int = 3,
) -> Tensor:
    """The spikes of neurons that drive each other, `(steps, units, batch)` of 0 and 1.

    In each step the current decays and takes up what comes in, I' = I e^(-1/synapse) + drive + W s with the spikes s of
    the step before; the potential follows, v' = v e^(-1/membrane) + I'. A neuron with v' of at least `threshold`
    spikes, and v' is 0 for the `rest` steps after that.

    Args:
        drive: `(steps, units, batch)`, what the inputs' spikes add to the currents.
        recurrent: W, `(units, units)`, row to column; negative columns inhibit.
        membrane: time constant of the potential, in steps.
        synapse: time constant of the current, in steps.
        threshold: above 0.
        rest: steps without a spike after each, at least 0.

    Source: Maass, Natschläger and Markram 2002, "Real-time computing without stable states", whose synapses also tire;
    these do not.
    """
    if drive.dim() != 3 or recurrent.shape != (drive.shape[1], drive.shape[1]):
        raise ShapeError(
            f"drive, recurrent: expected (steps, units, batch) and (units, units), got {tuple(drive.shape)} and "
            f"{tuple(recurrent.shape)}"
        )
    decay, fade = math.exp(-1 / membrane), math.exp(-1 / synapse)
    spikes = torch.zeros_like(drive)
    current, potential, resting = (torch.zeros_like(drive[0]) for _ in range(3))
    before = spikes[0]
    for incoming, now in zip(drive, spikes, strict=True):
        current = current.mul_(fade).add_(incoming).add_(recurrent @ before)
        potential = potential.mul_(decay).add_(current).mul_(resting <= 0)
        torch.ge(potential, threshold, out=now)
        potential.mul_(1 - now)
        resting = (resting - 1).add_(now * (rest + 1)).clamp_(min=0)
        before = now
    return spikes


def traces(spikes: Tensor, constant: float = 30.0) -> Tensor:
    """Spikes blurred backwards in time, Σ e^(-age / constant) over those so far: `(steps, units, batch)`.

    Args:
        spikes: `(steps, units, batch)`.
        constant: in steps.
    """
    blurred, decay = spikes.clone(), math.exp(-1 / constant)
    for before, now in pairwise(blurred):
        now.add_(before, alpha=decay)
    return blurred


def liquid_column(
    shape: tuple[int, int, int],
    inhibitory: float,
    reach: float,
    strength: float,
    balance: float,
    generator: torch.Generator,
) -> Tensor:
    """Weights of neurons on a lattice, the likelier connected the nearer: `(units, units)`, row to column.

    A connection over a distance D is there with probability C e^(-(D / reach)²), C being 0.3 between excitatory
    neurons, 0.2 from those to inhibitory ones, 0.4 back, and 0.1 between inhibitory ones.

    Args:
        shape: neurons along each axis.
        inhibitory: share of the neurons whose weights are negative.
        reach: λ, in distances between neighbours.
        strength: mean size of an excitatory weight; each is even between 0 and twice that.
        balance: how many times as strong an inhibitory weight is.

    Source: Maass, Natschläger and Markram 2002, appendix B.
    """
    places = torch.cartesian_prod(*(torch.arange(size) for size in shape)).double()
    units = len(places)
    negative = torch.rand(units, generator=generator) < inhibitory
    chances = torch.tensor([[0.3, 0.4], [0.2, 0.1]], dtype=torch.float64)  # of row's kind from column's kind
    kinds = negative.long()
    likely = chances[kinds[:, None], kinds[None]] * (-(torch.cdist(places, places) / reach).square()).exp()
    there = torch.rand(units, units, generator=generator) < likely.fill_diagonal_(0)
    sizes = 2 * strength * torch.rand(units, units, generator=generator)
    return sizes * there * torch.where(negative, -balance, 1.0)[None]
