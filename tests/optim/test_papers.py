"""Rules that torch lacks, and the book's forms, beside their equations written out number by number."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from fathom import optim

STEPS = 100
SHAPES = ((3, 5), (7,), (), (2,))
CURVATURE = np.linspace(0.05, 4.0, 25)
RATES = [0.05 / (1 + 0.02 * t) for t in range(STEPS)]  # another rate at each step: where it stands in an equation shows


def starts():
    """Four arrays; the last starts at zero, where a norm is no help."""
    rng = np.random.default_rng(3)
    arrays = [rng.standard_normal(shape) for shape in SHAPES]
    arrays[-1][:] = 0
    return arrays


def slopes(arrays, t):
    """Gradients of a quadratic in all the numbers, and some noise that both sides see."""
    flat = np.concatenate([np.ravel(array) for array in arrays])
    noise = np.random.default_rng(t).standard_normal(25)
    whole = CURVATURE * (flat - 1.5) + 0.3 * noise
    return [part.reshape(shape) for part, shape in zip(np.split(whole, [15, 22, 23]), SHAPES, strict=True)]


def transcribed(update):
    """Where `update(x, g, memory, lr, t)` takes the arrays; it changes them number by number, memory is its own."""
    arrays, memories = starts(), [{} for _ in SHAPES]
    for t in range(STEPS):
        for x, g, memory in zip(arrays, slopes(arrays, t), memories, strict=True):
            update(x.reshape(-1), g.reshape(-1), memory, RATES[t], t + 1)
    return arrays


def ours(build, foreach):
    parameters = [nn.Parameter(torch.from_numpy(array)) for array in starts()]
    optimizer = build(parameters, foreach=foreach)
    for t in range(STEPS):
        for parameter, g in zip(parameters, slopes([p.detach().numpy() for p in parameters], t), strict=True):
            parameter.grad = torch.from_numpy(np.asarray(g))
        optimizer.param_groups[0]["lr"] = RATES[t]
        optimizer.step()
    return [parameter.detach().numpy() for parameter in parameters]


def memory_of(memory, names, x):
    return [memory.setdefault(name, [0.0] * len(x)) for name in names]


def yogi(decay=0.0, first=0.0, correct=False):
    """Zaheer et al. 2018, algorithm 2."""
    beta1, beta2, epsilon = 0.9, 0.99, 1e-3

    def update(x, g, memory, lr, t):
        (m,) = memory_of(memory, ["m"], x)
        v = memory.setdefault("v", [first] * len(x))
        for i in range(len(x)):
            slope = g[i] + decay * x[i]
            m[i] = beta1 * m[i] + (1 - beta1) * slope
            v[i] = v[i] - (1 - beta2) * np.sign(v[i] - slope**2) * slope**2
            top = m[i] / (1 - beta1**t) if correct else m[i]
            under = v[i] / (1 - beta2**t) if correct else v[i]
            x[i] = x[i] - lr * top / (math.sqrt(under) + epsilon)

    return update


def lars(decay, adapt=True):
    """You, Gitman and Ginsburg 2017, algorithm 1."""
    momentum, coefficient = 0.9, 0.02

    def update(x, g, memory, lr, t):
        (v,) = memory_of(memory, ["v"], x)
        size, slope = math.sqrt(sum(number**2 for number in x)), math.sqrt(sum(number**2 for number in g))
        local = coefficient * size / (slope + decay * size) if size and adapt else 1.0
        for i in range(len(x)):
            v[i] = momentum * v[i] + lr * local * (g[i] + decay * x[i])
            x[i] = x[i] - v[i]

    return update


def lamb(decay, low=0.0, high=math.inf, adapt=True):
    """You et al. 2020, algorithm 2."""
    beta1, beta2, epsilon = 0.9, 0.99, 1e-6

    def update(x, g, memory, lr, t):
        m, v, r = memory_of(memory, ["m", "v", "r"], x)
        for i in range(len(x)):
            m[i] = beta1 * m[i] + (1 - beta1) * g[i]
            v[i] = beta2 * v[i] + (1 - beta2) * g[i] ** 2
            r[i] = m[i] / (1 - beta1**t) / (math.sqrt(v[i] / (1 - beta2**t)) + epsilon) + decay * x[i]
        size = min(max(math.sqrt(sum(number**2 for number in x)), low), high)
        ratio = size / math.sqrt(sum(number**2 for number in r)) if size and adapt else 1.0
        for i in range(len(x)):
            x[i] = x[i] - lr * ratio * r[i]

    return update


def adagrad():
    """The book's AdaGrad."""
    epsilon = 1e-6

    def update(x, g, memory, lr, t):
        (s,) = memory_of(memory, ["s"], x)
        for i in range(len(x)):
            s[i] = s[i] + g[i] ** 2
            x[i] = x[i] - lr / math.sqrt(s[i] + epsilon) * g[i]

    return update


def rmsprop():
    """The book's RMSProp."""
    gamma, epsilon = 0.9, 1e-6

    def update(x, g, memory, lr, t):
        (s,) = memory_of(memory, ["s"], x)
        for i in range(len(x)):
            s[i] = gamma * s[i] + (1 - gamma) * g[i] ** 2
            x[i] = x[i] - lr / math.sqrt(s[i] + epsilon) * g[i]

    return update


def built(kind, **options):
    return lambda parameters, foreach: kind(parameters, lr=1.0, foreach=foreach, **options)


BETAS = {"betas": (0.9, 0.99)}
LARS = {"momentum": 0.9, "trust_coefficient": 0.02}
BOOK = {"eps_under_root": True, "eps": 1e-6}
PAPERS = {
    "Yogi": (yogi(), built(optim.Yogi, **BETAS)),
    "Yogi with weight decay and a first square": (
        yogi(0.1, first=0.5),
        built(optim.Yogi, weight_decay=0.1, initial_accumulator_value=0.5, **BETAS),
    ),
    "Yogi of the book": (yogi(correct=True), built(optim.Yogi, bias_correction=True, **BETAS)),
    "LARS": (lars(0.0), built(optim.LARS, **LARS)),
    "LARS with weight decay": (lars(0.1), built(optim.LARS, weight_decay=0.1, **LARS)),
    "LARS that does not adapt": (lars(0.1, adapt=False), built(optim.LARS, weight_decay=0.1, adapt=False, **LARS)),
    "LAMB": (lamb(0.0), built(optim.LAMB, weight_decay=0.0, **BETAS)),
    "LAMB with weight decay": (lamb(0.1), built(optim.LAMB, weight_decay=0.1, **BETAS)),
    "LAMB between bounds": (lamb(0.1, 0.3, 2.0), built(optim.LAMB, weight_decay=0.1, bounds=(0.3, 2.0), **BETAS)),
    "LAMB that does not adapt": (lamb(0.1, adapt=False), built(optim.LAMB, weight_decay=0.1, adapt=False, **BETAS)),
    "AdaGrad of the book": (adagrad(), built(optim.Adagrad, **BOOK)),
    "RMSProp of the book": (rmsprop(), built(optim.RMSprop, alpha=0.9, **BOOK)),
}


@pytest.mark.parametrize("foreach", [False, True], ids=["one by one", "together"])
@pytest.mark.parametrize("name", PAPERS)
def test_a_hundred_steps_equal_the_equations(name, foreach):
    equations, build = PAPERS[name]
    for mine, theirs in zip(ours(build, foreach), transcribed(equations), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-9)


@pytest.mark.parametrize(("kind", "options"), [(optim.Adagrad, {}), (optim.RMSprop, {"alpha": 0.9})])
def test_where_epsilon_stands_makes_a_difference(kind, options):
    under = ours(built(kind, eps=1e-6, eps_under_root=True, **options), False)
    outside = ours(built(kind, eps=1e-6, **options), False)
    assert max(abs(a - b).max() for a, b in zip(under, outside, strict=True)) > 1e-7
