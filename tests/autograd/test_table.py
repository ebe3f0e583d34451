"""Every operation of the table: its derivatives against finite differences, forward mode against reverse mode."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fathom.autograd as ag
from fathom.autograd.operations.indexing import SLOT
from fathom.autograd.table import RECORDED, TABLE

WINDOWS = {"stride": (1, 2), "padding": (1, 0), "dilation": (2, 1)}
CONV = {**WINDOWS, "groups": 2}
POOL = {"kernel": (2, 3), "stride": (2, 1), "padding": (1, 0)}
PICK = {**POOL, "dilation": (1, 2)}


class Numbers:
    """Arrays for an operation: shapes from the drawn sizes, values from the drawn seed."""

    def __init__(self, seed, a, b, c):
        self.rng, self.a, self.b, self.c = np.random.default_rng(seed), a, b, c

    def normal(self, *shape):
        return self.rng.standard_normal(shape)

    def positive(self, *shape):
        return self.rng.uniform(0.5, 2, shape)

    def apart(self, *shape):
        """All different by at least 0.1, and from 0, so that no kink is near."""
        size = int(np.prod(shape))
        return ((self.rng.permutation(2 * size)[:size] - size + 0.5) * 0.2).reshape(shape)

    def below(self, high, *shape):
        return self.rng.integers(0, high, shape)

    def mask(self, *shape):
        return self.rng.random(shape) < 0.5

    @property
    def shape(self):
        return self.a, self.b, self.c

    @property
    def pair(self):
        """Two that broadcast."""
        return self.normal(*self.shape), self.normal(self.b, 1)

    @property
    def images(self):
        return self.normal(self.a, 4, 5 + self.b, 6 + self.c)


def one(make="normal", **params):
    return lambda n: ([getattr(n, make)(*n.shape)], params)


def two(make="normal", **params):
    return lambda n: ([getattr(n, make)(*n.shape), getattr(n, make)(n.b, 1)], params)


def slope(**params):
    """A gradient and a value of one shape."""
    return lambda n: ([n.normal(*n.shape), n.normal(*n.shape)], params)


def conv_result(n):
    return 5 + n.b, (3 + n.c) // 2 + 1


def pooled(n):
    return (5 + n.b + 2 - 2) // 2 + 1, 6 + n.c - 4


CASES = {
    "add": two(),
    "subtract": two(),
    "multiply": two(),
    "divide": two("positive"),
    "negative": one(),
    "power": one("positive", exponent=2.5),
    "power_of_two_arrays": two("positive"),
    "power_slope_in_exponent": lambda n: ([n.normal(*n.shape), n.positive(*n.shape)], {}),
    "maximum": lambda n: (np.split(n.apart(2, *n.shape), 2), {}),
    "minimum": lambda n: (np.split(n.apart(2, *n.shape), 2), {}),
    "where": lambda n: ([n.mask(*n.shape), *n.pair], {}),
    "remainder": lambda n: ([n.apart(*n.shape) + 0.01, np.full((1,), 3.0)], {}),
    **{name: one() for name in ("exp", "expm1", "sin", "cos", "erf", "sigmoid", "tanh", "softplus", "clone")},
    **{name: one("positive") for name in ("log", "log1p", "sqrt")},
    **{name: one("apart") for name in ("abs", "relu")},
    "sigmoid_slope": slope(),
    "tanh_slope": slope(),
    "relu_slope": lambda n: ([n.normal(*n.shape), n.apart(*n.shape)], {}),
    "leaky": lambda n: ([n.normal(*n.shape), n.apart(*n.shape)], {"negative_slope": 0.1}),
    "leaky_relu": one("apart", negative_slope=0.1),
    "clamp": one("apart", low=-0.4, high=0.6),
    "cast": one(dtype=np.float64),
    "sum": one(dim=(0, 2), keepdim=False),
    "mean": one(dim=(1,), keepdim=True),
    "amax": one("apart", dim=(0, 1), keepdim=False),
    "cumsum": one(dim=1),
    "logsumexp": one(dim=(1, 2), keepdim=False),
    "softmax": one(dim=1),
    "log_softmax": one(dim=2),
    "softmax_slope": slope(dim=1),
    "cross_entropy": lambda n: ([n.normal(n.a, n.b), n.below(n.b, n.a)], {}),
    "cross_entropy_slope": lambda n: ([n.normal(n.a), n.normal(n.a, n.b), n.below(n.b, n.a)], {}),
    "reshape": lambda n: ([n.normal(*n.shape)], {"shape": (n.c, n.a * n.b)}),
    "expand": lambda n: ([n.normal(n.b, 1)], {"shape": n.shape}),
    "sum_to": lambda n: ([n.normal(*n.shape)], {"shape": (n.b, 1)}),
    "permute": one(dims=(2, 0, 1)),
    "flip": one(dim=(0, 2)),
    "concatenate": lambda n: ([n.normal(n.a, n.b), n.normal(n.a, n.c), n.normal(n.a, 1)], {"dim": 1}),
    "pad": one(widths=((1, 0), (0, 2), (1, 1)), value=3.0),
    "getitem": lambda n: ([n.normal(*n.shape), n.below(n.b, 5)], {"key": (slice(None), SLOT)}),
    "put": lambda n: (
        [n.normal(n.a, 5, n.c), n.below(n.b, 5)],
        {"key": (slice(None), SLOT), "shape": n.shape},
    ),
    "gather": lambda n: ([n.normal(*n.shape), n.below(n.b, n.a, 7, n.c)], {"dim": 1}),
    "scatter_add": lambda n: ([n.normal(n.a, 7, n.c), n.below(n.b, n.a, 7, n.c)], {"dim": 1, "size": n.b}),
    "matmul": lambda n: ([n.normal(n.a, 2, n.b), n.normal(1, n.b, n.c)], {}),
    "linear": lambda n: ([n.normal(2, n.a, n.b), n.normal(n.c, n.b), n.normal(n.c)], {}),
    "linear_weight": lambda n: ([n.normal(2, n.a, n.b), n.normal(2, n.a, n.c)], {}),
    "einsum": lambda n: (
        [n.normal(n.a, n.b), n.normal(n.b, n.c, 2), n.normal(n.c)],
        {"equation": "ij,jkl,k->ki"},
    ),
    "embedding": lambda n: ([n.below(n.a, n.b, 2), n.normal(n.a, n.c)], {}),
    "embedding_gradient": lambda n: ([n.below(n.a, n.b, 2), n.normal(n.b, 2, n.c)], {"rows": n.a}),
    "conv2d": lambda n: ([n.images, n.normal(6, 2, 2, 3), n.normal(6)], CONV),
    "conv2d_weight": lambda n: ([n.images, n.normal(n.a, 6, *conv_result(n))], {**CONV, "kernel": (2, 3)}),
    "conv_transpose2d": lambda n: (
        [n.normal(n.a, 6, *conv_result(n)), n.normal(6, 2, 2, 3)],
        {**CONV, "size": (5 + n.b, 6 + n.c)},
    ),
    "avg_pool2d": lambda n: ([n.images], POOL),
    "avg_pool2d_spread": lambda n: (
        [n.normal(n.a, 4, (5 + n.b) // 2 + 1, 4 + n.c)],
        {**POOL, "size": (5 + n.b, 6 + n.c)},
    ),
    "max_pool2d": lambda n: ([n.apart(n.a, 4, 5 + n.b, 6 + n.c)], PICK),
    "pick": lambda n: ([n.images, n.below(6, n.a, 4, *pooled(n))], PICK),
    "pick_spread": lambda n: (
        [n.normal(n.a, 4, *pooled(n)), n.below(6, n.a, 4, *pooled(n))],
        {**PICK, "size": (5 + n.b, 6 + n.c)},
    ),
    "project": slope(dim=(0, 2)),
    "normalise": one(dim=(0, 2), eps=0.1),
    "inverse_deviation": one(dim=(1, 2), eps=0.1),
}
DIFFERENTIABLE = {name for name, operation in TABLE.items() if any(operation.derivatives)}
sizes = st.integers(1, 4)


def test_every_operation_with_a_derivative_has_a_case():
    assert set(CASES) == DIFFERENTIABLE


def places(name, inputs):
    return [i for i in range(len(inputs)) if TABLE[name].derivative(i) is not None]


def numerically(forward, inputs, i, tangent, step=1e-6):
    """The change of the result along a tangent of one input, by a central difference."""
    moved = [[x + sign * step * tangent if j == i else x for j, x in enumerate(inputs)] for sign in (1, -1)]
    return (np.asarray(forward(*moved[0])) - np.asarray(forward(*moved[1]))) / (2 * step)


@pytest.mark.parametrize("name", sorted(CASES))
@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), a=sizes, b=sizes, c=sizes)
def test_derivatives_are_those_of_finite_differences_in_both_modes(name, seed, a, b, c):
    numbers = Numbers(seed, a, b, c)
    inputs, params = CASES[name](numbers)
    apply = getattr(RECORDED, name)
    tensors = [ag.Tensor(x) for x in inputs]
    for i in places(name, inputs):
        tangent = numbers.normal(*inputs[i].shape)

        def function(x, i=i):
            return apply(*tensors[:i], x, *tensors[i + 1 :], **params)

        expected = numerically(lambda *x: TABLE[name].forward(*x, **params), inputs, i, tangent)
        _, forward = ag.jvp(function, (tensors[i],), (ag.Tensor(tangent),))
        np.testing.assert_allclose(forward.numpy(), expected, rtol=2e-5, atol=2e-6)

        y, pull = ag.vjp(function, tensors[i])
        g = numbers.normal(*y.shape)
        (gradient,) = pull(ag.Tensor(g))
        assert gradient.shape == inputs[i].shape
        np.testing.assert_allclose(
            np.sum(gradient.numpy() * tangent), np.sum(g * forward.numpy()), rtol=1e-9, atol=1e-9
        )


@pytest.mark.parametrize("name", sorted(CASES))
def test_the_recorded_reading_gives_the_same_gradients_and_can_be_derived_again(name):
    numbers = Numbers(7, 2, 3, 4)
    inputs, params = CASES[name](numbers)
    tensors = [ag.Tensor(x) for x in inputs]
    for i in places(name, inputs):
        x = ag.Tensor(inputs[i], requires_grad=True)
        y = getattr(RECORDED, name)(*tensors[:i], x, *tensors[i + 1 :], **params)
        seed = ag.Tensor(numbers.normal(*y.shape))
        (plain,) = ag.grad(y, x, seed, retain_graph=True)
        (recorded,) = ag.grad(y, x, seed, create_graph=True)
        np.testing.assert_allclose(recorded.detach().numpy(), plain.numpy(), rtol=1e-12, atol=1e-14)

        v = ag.Tensor(numbers.normal(*x.shape))

        def gradient(point, i=i, seed=seed):
            out = getattr(RECORDED, name)(*tensors[:i], point, *tensors[i + 1 :], **params)
            return ag.grad(out, point, seed, create_graph=True)[0]

        _, forward = ag.jvp(gradient, (ag.Tensor(inputs[i], requires_grad=True),), (v,))
        if not recorded.requires_grad:
            np.testing.assert_array_equal(forward.numpy(), 0)
            continue
        (reverse,) = ag.grad(recorded, x, v, allow_unused=True)  # the Hessian is symmetric
        expected = np.zeros(x.shape) if reverse is None else reverse.numpy()
        np.testing.assert_allclose(forward.detach().numpy(), expected, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("name", sorted(set(CASES) - {"cast"}))
def test_float32_stays_float32_forward_and_backward(name):
    numbers = Numbers(11, 3, 2, 4)
    inputs, params = CASES[name](numbers)
    results = []
    for dtype in (np.float32, np.float64):
        cast = [x.astype(dtype) if x.dtype.kind == "f" else x for x in inputs]
        leaves = [ag.Tensor(x, requires_grad=i in places(name, inputs)) for i, x in enumerate(cast)]
        y = getattr(RECORDED, name)(*leaves, **params)
        y.backward(ag.Tensor(np.ones(y.shape, dtype)))
        results.append([y.detach().numpy(), *(x.grad.numpy() for x in leaves if x.requires_grad)])
        assert {x.dtype for x in results[-1]} == {np.dtype(dtype)}
    for single, double in zip(*results, strict=True):
        np.testing.assert_allclose(single, double, rtol=2e-4, atol=2e-4)
