import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fathom.errors import InputError, UnknownNameError
from fathom.optim import convexity

seeds = st.integers(0, 2**32 - 1)
quick = settings(max_examples=25, deadline=None)

A = torch.tensor([[2.0, -0.5, 0.3], [0.1, 1.5, -0.7]], dtype=torch.float64)


def drawn(seed, *shape, scale=2.0):
    return scale * torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def weights(seed, *shape):
    return drawn(seed, *shape).softmax(dim=-1)


CONVEX = {
    "log-sum-exp": lambda x: x.logsumexp(-1),
    "length": lambda x: (x * x).sum(-1).sqrt(),
    "sum of magnitudes": lambda x: x.abs().sum(-1),
    "largest entry": lambda x: x.amax(-1),
    "quadratic form": lambda x: (2 * x * x).sum(-1) + x[..., 0] * x[..., 1] - x[..., 2],
    "fourth powers": lambda x: (x * x * x * x).sum(-1),
    "maximum of convex": lambda x: (x * x).sum(-1).maximum(x.logsumexp(-1)),
    "affine": lambda x: 3 * x[..., 0] - x[..., 1] + 1,
}
SMOOTH = ("log-sum-exp", "length", "quadratic form", "fourth powers")
NOT_CONVEX = {
    "cube": lambda x: (x * x * x).sum(-1),
    "sine": lambda x: x.sin().sum(-1),
    "saddle": lambda x: x[..., 0] * x[..., 0] - x[..., 1] * x[..., 1],
    "concave": lambda x: -x.logsumexp(-1),
    "least of convex": lambda x: ((x - 1) ** 2).sum(-1).minimum(((x + 1) ** 2).sum(-1)),
}

every_convex = pytest.mark.parametrize("name", CONVEX)
every_other = pytest.mark.parametrize("name", NOT_CONVEX)


def ball(points):
    return points.norm(dim=-1) <= 1.5


def halfspace(points):
    return points @ A[0] <= 0.7


def ring(points):
    return (points.norm(dim=-1) <= 2) & (points.norm(dim=-1) >= 1)


# --- sets -----------------------------------------------------------------------------------------------------------


@quick
@given(seeds)
def test_no_segment_leaves_a_convex_set_or_an_intersection_of_convex_sets(seed):
    a, b = drawn(seed, 2, 211, 3, scale=0.7)
    sets = [ball, halfspace, convexity.sublevel(CONVEX["log-sum-exp"], 1.2)]
    both = convexity.intersection(*sets)
    assert (both(a) & both(b)).any()
    for contains in (*sets, both):
        assert not convexity.leaves(contains, a, b).any()


def test_some_segments_leave_a_ring_and_a_union_of_two_balls():
    a, b = drawn(0, 2, 211, 3)

    def moved(points):
        return ball(points - 3)

    for contains in (ring, convexity.union(ball, moved), convexity.sublevel(NOT_CONVEX["sine"], 0.2)):
        assert convexity.leaves(contains, a, b).any()


def test_a_segment_that_ends_outside_is_no_counterexample():
    a, b = torch.tensor([[-1.5, 0.0], [0.0, 1.5], [-3.0, 0.0]]), torch.tensor([[1.5, 0.0], [0.0, 1.6], [1.5, 0.0]])
    assert convexity.leaves(ring, a, b).tolist() == [True, False, False]


def test_segments_go_from_end_to_end_in_even_steps():
    found = convexity.segments(torch.tensor([[0.0, 1.0]]), torch.tensor([[4.0, -1.0]]), steps=5)
    expected = [[[0.0, 1.0], [1.0, 0.5], [2.0, 0.0], [3.0, -0.5], [4.0, -1.0]]]
    assert found.tolist() == expected


@every_convex
@quick
@given(seed=seeds, level=st.floats(-2, 6))
def test_the_sublevel_sets_of_a_convex_function_are_convex(name, seed, level):
    a, b = drawn(seed, 2, 53, 3)
    assert not convexity.leaves(convexity.sublevel(CONVEX[name], level + 1e-9), a, b).any()


def test_a_function_with_convex_sublevel_sets_need_not_be_convex():
    def root(x):
        return x.abs().sum(-1).sqrt()

    a, b = drawn(3, 2, 101, 1)
    assert not any(convexity.leaves(convexity.sublevel(root, level), a, b).any() for level in (0.3, 0.9, 1.7))
    assert convexity.jensen_gap(root, torch.tensor([[1.0], [4.0]])) < 0


# --- Jensen, first and second order ---------------------------------------------------------------------------------


@every_convex
@quick
@given(seed=seeds)
def test_jensens_gap_of_a_convex_function_is_never_negative(name, seed):
    points = drawn(seed, 7, 5, 3)
    for shares in (None, weights(seed + 1, 7, 5), weights(seed + 1, 5)):
        gap = convexity.jensen_gap(CONVEX[name], points, shares)
        assert gap.shape == (7,)
        assert (gap >= -1e-9).all()


@every_other
def test_jensens_gap_of_another_function_is_negative_somewhere(name):
    assert (convexity.jensen_gap(NOT_CONVEX[name], drawn(1, 101, 2, 3)) < -0.01).any()


def test_jensens_gap_of_samples_is_the_variance_for_a_square_and_known_for_the_exponential():
    x = drawn(5, 20_011, 1, scale=1.0)
    square = convexity.jensen_gap(lambda x: x.square().sum(-1), x)
    assert square.item() == pytest.approx(x.var(correction=0).item())
    exponential = convexity.jensen_gap(lambda x: x.exp().sum(-1), x)
    assert exponential.item() == pytest.approx(math.exp(0.5) - 1, abs=0.06)  # three standard errors


def test_jensens_gap_of_minus_the_logarithm_of_odds_is_the_relative_entropy():
    p, q = weights(1, 5), weights(2, 5)
    gap = convexity.jensen_gap(lambda x: -x.log().sum(-1), (q / p)[:, None], p)
    assert gap.item() == pytest.approx((p * (p / q).log()).sum().item())


@pytest.mark.parametrize("bad", [[0.5, 0.6], [1.5, -0.5]])
def test_jensens_weights_must_be_those_of_a_mean(bad):
    with pytest.raises(InputError, match="jensen_gap: expected weights"):
        convexity.jensen_gap(CONVEX["length"], drawn(0, 2, 3), torch.tensor(bad, dtype=torch.float64))


@every_convex
@quick
@given(seed=seeds)
def test_a_convex_function_lies_above_its_tangent_planes(name, seed):
    x, y = drawn(seed, 2, 11, 3)
    assert (convexity.first_order_gap(CONVEX[name], x, y) >= -1e-9).all()


@every_other
def test_another_function_lies_below_one_of_its_tangent_planes(name):
    x, y = drawn(2, 2, 101, 3)
    assert (convexity.first_order_gap(NOT_CONVEX[name], x, y) < -0.01).any()


def test_the_first_order_gap_of_half_a_square_is_half_the_squared_distance_and_of_log_sum_exp_the_relative_entropy():
    x, y = drawn(4, 2, 7, 3)
    found = convexity.first_order_gap(lambda v: v.square().sum(-1) / 2, x, y)
    torch.testing.assert_close(found, (x - y).square().sum(-1) / 2)
    p, q = x.softmax(-1), y.softmax(-1)
    found = convexity.first_order_gap(CONVEX["log-sum-exp"], x, y)
    torch.testing.assert_close(found, (p * (p / q).log()).sum(-1))


@pytest.mark.parametrize("name", SMOOTH)
@quick
@given(seed=seeds)
def test_a_convex_function_curves_upwards_everywhere(name, seed):
    assert (convexity.curvatures(CONVEX[name], drawn(seed, 11, 3)) >= -1e-9).all()


@pytest.mark.parametrize("name", ["cube", "sine", "saddle", "concave"])  # the fifth bends down in its ridge alone
def test_another_function_curves_downwards_somewhere(name):
    assert (convexity.curvatures(NOT_CONVEX[name], drawn(2, 101, 3))[:, 0] < -0.01).any()


@pytest.mark.parametrize("name", [*SMOOTH, "cube", "sine", "saddle", "concave"])
def test_the_hessian_of_our_engine_is_that_of_torch(name):
    function, x = (CONVEX | NOT_CONVEX)[name], drawn(6, 2, 5, 3)
    ours, theirs = (convexity.hessian(function, x, rung) for rung in ("numpy", "torch"))
    assert ours.shape == (2, 5, 3, 3)
    torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(convexity.curvatures(function, x, "numpy"), convexity.curvatures(function, x))


def test_the_hessian_of_a_quadratic_form_is_its_matrix_and_that_of_log_sum_exp_a_covariance():
    matrix = A.T @ A
    x = drawn(7, 5, 3)
    found = convexity.hessian(lambda v: (v * (v @ matrix)).sum(-1) / 2, x)
    torch.testing.assert_close(found, matrix.expand(5, 3, 3))
    p = x.softmax(-1)
    covariance = torch.diag_embed(p) - p[:, :, None] * p[:, None, :]
    torch.testing.assert_close(convexity.hessian(CONVEX["log-sum-exp"], x), covariance)


def test_an_unknown_rung_is_answered_with_the_nearest():
    with pytest.raises(UnknownNameError, match="did you mean 'numpy'"):
        convexity.hessian(CONVEX["length"], drawn(0, 3), "nunpy")
