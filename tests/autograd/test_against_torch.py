"""torch as the judge of values, gradients, second derivatives, kinks and dtypes."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import fathom.autograd as ag
from fathom.autograd.nn import functional as F

SAME_NAME = {  # expressions that read the same for both
    "arithmetic": lambda x, y: (x + 2) * y - 3 / (y * y + 1) + (-x) ** 3,
    "reversed": lambda x, y: 2 - x + 2 * y + 1 / (x * x + 1),
    "powers": lambda x, y: x.abs() ** 1.5 + 2 ** (x * 0.1),
    "broadcast": lambda x, y: x[:, None] * y[None] + x[0],
    "matmul": lambda x, y: x @ y.transpose(0, 1),
    "vectors": lambda x, y: (x[0] @ y[1]) * (x @ y[0]) + x[0] @ y.T.sum(1)[None].repeat(x.shape[1], 1)[:, 0],
    "elementwise": lambda x, y: x.exp().log1p().sqrt() * y.tanh().sigmoid().sin().cos() + x.erf().expm1(),
    "relu": lambda x, y: x.relu() * y.clamp(-0.5, 0.5) + y.clamp(min=0.1) + x.clamp(max=0.3),
    "sums": lambda x, y: x.sum(0) + y.sum((0, 1)) + x.mean(-1, keepdim=True).sum() + y.mean(),
    "variance": lambda x, y: x.var(0) + y.std(0) + x.var(-1, correction=0, keepdim=True).sum(0),
    "largest": lambda x, y: x.max(1).values + y.amax(1) - x.min(1).values * y.amin(1) + x.max() + y.min(),
    "both": lambda x, y: x.maximum(y) * x.minimum(y),
    "softmax": lambda x, y: x.softmax(-1) * y.log_softmax(0) + x.logsumexp(1, keepdim=True),
    "cumsum": lambda x, y: x.cumsum(1) * y.cumsum(0),
    "norm": lambda x, y: x.norm() * y.square(),
    "shape": lambda x, y: x.reshape(-1, 1).view(1, -1).flatten().unsqueeze(-1).squeeze(-1) * y.T.flatten(),
    "axes": lambda x, y: x.unsqueeze(0).permute(2, 0, 1).transpose(0, 2).squeeze(1) * y.flip(0),
    "expand": lambda x, y: x[:1].expand(-1, -1).expand(2, *x.shape)[1] * y,
    "repeat": lambda x, y: x.repeat(2, 1)[: x.shape[0]] * y.repeat(1, 2)[:, 1 : 1 + x.shape[1]],
    "slices": lambda x, y: x[1:, ::2] * y[:-1, ::2] + x[-1, 0],
    "new axes": lambda x, y: x[..., None, :] * y[:, None],
    "integers": lambda x, y: x[[0, 1, 0]] * y[[1, 1, 0]],
    "unbind": lambda x, y: x.unbind(1)[0] * y.split(1, 1)[1][:, 0] + sum(y.chunk(2, 1)[0].unbind(1)),
    "masked": lambda x, y: x.masked_fill(y > 0, 2.0) * (x[y > 0].sum() + 1),
    "unflatten": lambda x, y: x.flatten().unflatten(0, (1, -1)) * y.reshape(-1),
}


def leaves(rng, *shapes):
    arrays = [rng.standard_normal(shape) for shape in shapes]
    ours = [ag.Tensor(x.copy(), requires_grad=True) for x in arrays]
    theirs = [torch.tensor(x, requires_grad=True) for x in arrays]
    return ours, theirs


def assert_same(ours, theirs, **tolerances):
    expected = theirs.detach().numpy()
    assert ours.shape == expected.shape
    np.testing.assert_allclose(ours.detach().numpy(), expected, **{"rtol": 1e-10, "atol": 1e-11, **tolerances})


@pytest.mark.parametrize("name", SAME_NAME)
@settings(max_examples=4, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), rows=st.integers(2, 4), columns=st.integers(2, 5))
def test_values_gradients_and_second_derivatives_equal_torchs(name, seed, rows, columns):
    rng = np.random.default_rng(seed)
    ours, theirs = leaves(rng, (rows, columns), (rows, columns))
    y, expected = SAME_NAME[name](*ours), SAME_NAME[name](*theirs)
    assert_same(y, expected)
    g = rng.standard_normal(y.shape)
    first = ag.grad(y, ours, ag.Tensor(g), create_graph=True, allow_unused=True)
    wanted = torch.autograd.grad(expected, theirs, torch.tensor(g), create_graph=True, materialize_grads=True)
    for a, b in zip(first, wanted, strict=True):
        if a is not None:
            assert_same(a, b)
    total = sum((a * a).sum() for a in first if a is not None)
    expected_total = sum((b * b).sum() for b in wanted)
    if not total.requires_grad:
        return
    second = ag.grad(total, ours, allow_unused=True)
    wanted = torch.autograd.grad(expected_total, theirs, materialize_grads=True)
    for a, b in zip(second, wanted, strict=True):
        assert_same(ag.zeros_like(ours[0]) if a is None else a, b, rtol=1e-8, atol=1e-8)


FUNCTIONAL = {
    "linear": (((3, 5), (2, 5), (2,)), {}),
    "conv2d": (((2, 4, 7, 8), (6, 2, 3, 2), (6,)), {"stride": (2, 1), "padding": (1, 2), "dilation": 2, "groups": 2}),
    "conv_transpose2d": (
        ((2, 4, 3, 5), (4, 3, 3, 2), (6,)),
        {"stride": (2, 3), "padding": 1, "output_padding": (1, 2), "groups": 2, "dilation": (1, 2)},
    ),
    "avg_pool2d": (((2, 3, 7, 8),), {"kernel_size": (3, 2), "stride": (2, 3), "padding": 1}),
    "max_pool2d": (((2, 3, 7, 8),), {"kernel_size": (3, 2), "stride": 2, "padding": 1, "dilation": (1, 2)}),
    "adaptive_avg_pool2d": (((2, 3, 7, 8),), {"output_size": (3, 5)}),
    "layer_norm": (((2, 3, 4, 5), (4, 5), (4, 5)), {"normalized_shape": (4, 5)}),
    "leaky_relu": (((3, 4),), {"negative_slope": 0.2}),
    "elu": (((3, 4),), {"alpha": 0.7}),
    "gelu": (((3, 4),), {}),
    "silu": (((3, 4),), {}),
    "softplus": (((3, 4),), {"beta": 2.0, "threshold": 1.0}),
    "mse_loss": (((3, 4), (3, 4)), {}),
    "l1_loss": (((3, 4), (3, 4)), {"reduction": "sum"}),
    "huber_loss": (((3, 4), (3, 4)), {"delta": 0.7}),
    "smooth_l1_loss": (((3, 4), (3, 4)), {"beta": 0.5}),
    "binary_cross_entropy_with_logits": (((3, 4), (3, 4)), {}),
    "scaled_dot_product_attention": (((2, 3, 5), (2, 4, 5), (2, 4, 7)), {}),
}


@pytest.mark.parametrize("name", FUNCTIONAL)
def test_functional_equals_torchs_to_the_second_derivative(name):
    shapes, options = FUNCTIONAL[name]
    ours, theirs = leaves(np.random.default_rng(5), *shapes)
    kwargs = dict(options)
    if name == "layer_norm":
        y = F.layer_norm(ours[0], kwargs["normalized_shape"], *ours[1:])
        expected = torch.nn.functional.layer_norm(theirs[0], kwargs["normalized_shape"], *theirs[1:])
    else:
        y = getattr(F, name)(*ours, **kwargs)
        expected = getattr(torch.nn.functional, name)(*theirs, **kwargs)
    assert_same(y, expected)
    first = ag.grad((y * y).sum(), ours, create_graph=True)
    wanted = torch.autograd.grad((expected * expected).sum(), theirs, create_graph=True)
    for a, b in zip(first, wanted, strict=True):
        assert_same(a, b, rtol=1e-9)
    second = ag.grad(sum((a * a).sum() for a in first), ours)
    wanted = torch.autograd.grad(sum((b * b).sum() for b in wanted), theirs)
    for a, b in zip(second, wanted, strict=True):
        assert_same(a, b, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("training", [True, False])
def test_batch_norm_and_its_running_statistics_equal_torchs(training):
    ours, theirs = leaves(np.random.default_rng(2), (5, 3, 2, 4), (3,), (3,))
    means, variances = np.arange(3.0), np.arange(1.0, 4.0)
    mine = ag.tensor(means, dtype=np.float64), ag.tensor(variances, dtype=np.float64)
    others = torch.tensor(means), torch.tensor(variances)
    y = F.batch_norm(ours[0], *mine, *ours[1:], training=training)
    expected = torch.nn.functional.batch_norm(theirs[0], *others, *theirs[1:], training=training)
    assert_same(y, expected)
    (y**3).sum().backward()
    (expected**3).sum().backward()
    for a, b in zip((*[x.grad for x in ours], *mine), (*[x.grad for x in theirs], *others), strict=True):
        assert_same(a, b)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"reduction": "sum"},
        {"reduction": "none"},
        {"ignore_index": 2},
        {"label_smoothing": 0.2},
        {"label_smoothing": 0.2, "ignore_index": 1, "weighted": True},
        {"weighted": True, "reduction": "none", "label_smoothing": 0.1},
        {"soft": True, "label_smoothing": 0.1, "weighted": True},
    ],
    ids=str,
)
@pytest.mark.parametrize("extra", [(), (2, 3)])
def test_cross_entropy_equals_torchs_with_every_option(options, extra):
    rng = np.random.default_rng(3)
    ours, theirs = leaves(rng, (4, 5, *extra))
    options = dict(options)
    target = rng.integers(0, 5, (4, *extra))
    if options.pop("soft", False):
        target = rng.dirichlet(np.ones(5), (4, *extra))
        target = np.moveaxis(target, -1, 1)
    weight = rng.random(5) if options.pop("weighted", False) else None
    mine = F.cross_entropy(ours[0], ag.Tensor(target), None if weight is None else ag.Tensor(weight), **options)
    other = torch.nn.functional.cross_entropy(
        theirs[0], torch.tensor(target), None if weight is None else torch.tensor(weight), **options
    )
    assert_same(mine, other)
    (mine * mine).sum().backward()
    (other * other).sum().backward()
    assert_same(ours[0].grad, theirs[0].grad)


KINKS = {
    "abs": (lambda x: x.abs(), [-1.0, 0.0, 2.0]),
    "relu": (lambda x: x.relu(), [-1.0, 0.0, 2.0]),
    "sign": (lambda x: x.sign() * x, [-1.0, 0.0, 2.0]),
    "clamp": (lambda x: x.clamp(-1, 1), [-1.0, 1.0, 0.0, 3.0]),
    "max with ties": (lambda x: x.max(), [2.0, 1.0, 2.0, 2.0]),
    "amax with ties": (lambda x: x.amax(0), [2.0, 1.0, 2.0]),
    "amin with ties": (lambda x: x.amin(0), [1.0, 1.0, 2.0]),
    "max along an axis with ties": (lambda x: x.max(0)[0], [2.0, 1.0, 2.0]),
    "min along an axis with ties": (lambda x: x.min(0)[0], [1.0, 2.0, 1.0]),
    "maximum of equals": (lambda x: x.maximum(x * 0 + 1), [1.0, 0.0, 3.0]),
    "minimum of equals": (lambda x: x.minimum(x * 0 + 1), [1.0, 0.0, 3.0]),
    "0 to the power 0": (lambda x: x**0, [0.0, 1.0]),
    "square at 0": (lambda x: x**2, [0.0, -1.0]),
    "sqrt at 0": (lambda x: x.sqrt(), [0.0, 4.0]),
    "pooling with ties": (lambda x: F.max_pool2d(x.reshape(1, 1, 2, 2), 2), [1.0, 1.0, 0.0, 1.0]),
}


@pytest.mark.parametrize("name", KINKS)
def test_derivatives_at_kinks_are_torchs(name):
    function, values = KINKS[name]
    mine = ag.tensor(values, requires_grad=True)
    other = torch.tensor(values, requires_grad=True)
    function(mine).sum().backward()
    if name == "pooling with ties":
        torch.nn.functional.max_pool2d(other.reshape(1, 1, 2, 2), 2).sum().backward()
    else:
        function(other).sum().backward()
    np.testing.assert_array_equal(mine.grad.numpy(), other.grad.numpy())


@pytest.mark.parametrize("name", ["leaky_relu", "elu", "huber_loss", "softplus"])
def test_functional_kinks_are_torchs(name):
    values = np.array([-1.0, 0.0, 1.0, 20.0, 21.0, -50.0, 1000.0])
    mine, other = ag.tensor(values, requires_grad=True), torch.tensor(values, requires_grad=True)
    more = () if name != "huber_loss" else (ag.zeros(7, dtype=np.float64),)
    others = () if name != "huber_loss" else (torch.zeros(7, dtype=torch.float64),)
    getattr(F, name)(mine, *more).sum().backward()
    getattr(torch.nn.functional, name)(other, *others).sum().backward()
    assert_same(mine.grad, other.grad)


def test_erf_is_exact_to_the_last_digits():
    x = np.concatenate([np.linspace(-7, 7, 20_001), [0.84375, 1.25, 1 / 0.35, 6.0, -0.0, np.inf, -np.inf]])
    np.testing.assert_allclose(ag.Tensor(x).erf().numpy(), torch.special.erf(torch.tensor(x)).numpy(), atol=2.3e-16)
    assert np.isnan(ag.tensor(float("nan")).erf().item())


DTYPES = [torch.bool, torch.int32, torch.int64, torch.float32, torch.float64]


@pytest.mark.parametrize("second", DTYPES, ids=str)
@pytest.mark.parametrize("first", DTYPES, ids=str)
@pytest.mark.parametrize("shapes", [((2,), (2,)), ((2,), ()), ((), (2,))], ids=str)
def test_dtypes_are_promoted_as_by_torch(first, second, shapes):
    a, b = (torch.ones(shape, dtype=dtype) for shape, dtype in zip(shapes, (first, second), strict=True))
    mine = [ag.Tensor(x.numpy()) for x in (a, b)]
    for combine in (lambda x, y: x * y, lambda x, y: x / y, lambda x, y: x + 1, lambda x, y: x * 2.5):
        assert str(combine(*mine).dtype) == str(combine(a, b).dtype).removeprefix("torch.")


@pytest.mark.parametrize(
    ("equation", "shapes"),
    [
        ("ij,jk->ik", ((2, 3), (3, 5))),
        ("bij,bjk", ((2, 3, 5), (2, 5, 7))),
        ("i,j->ij", ((2,), (3,))),
        ("ij->j", ((2, 3),)),
        ("ij->", ((2, 3),)),
        ("...i,...i->...", ((2, 3, 5), (2, 3, 5))),
        ("ab,bc,cd->da", ((2, 3), (3, 5), (5, 7))),
        ("ij,k->ik", ((2, 3), (5,))),
    ],
)
def test_einsum_equals_torchs(equation, shapes):
    ours, theirs = leaves(np.random.default_rng(1), *shapes)
    y, expected = ag.einsum(equation, *ours), torch.einsum(equation, *theirs)
    assert_same(y, expected)
    (y * y).sum().backward()
    (expected * expected).sum().backward()
    for a, b in zip(ours, theirs, strict=True):
        assert_same(a.grad, b.grad)
