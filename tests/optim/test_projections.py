import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize

from fathom.errors import InputError
from fathom.optim import projections

DIM = 5
CENTRE = torch.tensor([0.3, -1.0, 0.5, 0.0, 2.0], dtype=torch.float64)
NORMAL = torch.tensor([1.0, -2.0, 0.5, 0.3, 0.7], dtype=torch.float64)
LOW = torch.tensor([-1.0, 0.0, -math.inf, -0.2, 0.5], dtype=torch.float64)
HIGH = torch.tensor([1.0, 0.7, 0.4, math.inf, 0.5], dtype=torch.float64)


def both(x):
    parts = [lambda v: projections.project_ball(v, 1.5), lambda v: projections.project_halfspace(v, NORMAL, -0.4)]
    return projections.project_intersection(x, parts, rounds=120)


PROJECTIONS = {
    "ball": lambda x: projections.project_ball(x, 1.3),
    "ball elsewhere": lambda x: projections.project_ball(x, 0.8, CENTRE),
    "box": lambda x: projections.project_box(x, LOW, HIGH),
    "half-space": lambda x: projections.project_halfspace(x, NORMAL, 0.4),
    "probabilities": projections.project_simplex,
    "simplex": lambda x: projections.project_simplex(x, 3.0),
    "ball and half-space": both,
}
SLACK = {"ball and half-space": 1e-4}  # its rounds are cut

every_projection = pytest.mark.parametrize("name", PROJECTIONS)
quick = settings(max_examples=15, deadline=None)
points = st.tuples(st.integers(0, 2**32 - 1), st.sampled_from([0.1, 1.0, 5.0])).map(
    lambda drawn: drawn[1] * torch.randn(
        7, DIM, generator=torch.Generator().manual_seed(drawn[0]), dtype=torch.float64
    )
)  # fmt: skip


@every_projection
@quick
@given(x=points)
def test_a_point_of_the_set_stays(name, x):
    once = PROJECTIONS[name](x)
    torch.testing.assert_close(PROJECTIONS[name](once), once, atol=SLACK.get(name, 1e-12), rtol=1e-9)


@every_projection
@quick
@given(x=points, y=points)
def test_no_two_points_move_apart(name, x, y):
    before, after = (x - y).norm(dim=-1), (PROJECTIONS[name](x) - PROJECTIONS[name](y)).norm(dim=-1)
    assert (after <= before * (1 + 1e-12) + SLACK.get(name, 1e-12)).all()


@every_projection
@quick
@given(x=points, y=points)
def test_the_way_to_the_nearest_point_makes_no_acute_angle_with_the_set(name, x, y):
    nearest, members = PROJECTIONS[name](x), PROJECTIONS[name](y)
    towards = ((x - nearest)[:, None] * (members[None] - nearest[:, None])).sum(dim=-1)
    assert (towards <= SLACK.get(name, 1e-10) * (1 + x.abs().max() ** 2)).all()


@every_projection
@quick
@given(x=points, y=points)
def test_no_sampled_point_of_the_set_is_nearer(name, x, y):
    nearest = PROJECTIONS[name](x)
    around = PROJECTIONS[name](torch.cat([y, *(nearest + scale * y for scale in (1e-3, 0.1))]))
    best = torch.cdist(x, around).min(dim=1).values
    assert ((x - nearest).norm(dim=-1) <= best + SLACK.get(name, 1e-9)).all()


@quick
@given(x=points)
def test_each_set_holds_its_projections(x):
    found = {name: project(x) for name, project in PROJECTIONS.items()}
    assert (found["ball"].norm(dim=-1) <= 1.3 + 1e-12).all()
    assert ((found["ball elsewhere"] - CENTRE).norm(dim=-1) <= 0.8 + 1e-12).all()
    assert ((found["box"] >= LOW) & (found["box"] <= HIGH)).all()
    assert (found["half-space"] @ NORMAL <= 0.4 + 1e-9).all()
    for name, total in (("probabilities", 1.0), ("simplex", 3.0)):
        assert (found[name] >= 0).all()
        torch.testing.assert_close(found[name].sum(dim=-1), torch.full((7,), total, dtype=torch.float64))
    assert (found["ball and half-space"].norm(dim=-1) <= 1.5 + 1e-4).all()
    assert (found["ball and half-space"] @ NORMAL <= -0.4 + 1e-4).all()


@pytest.mark.parametrize("total", [0.3, 1.0, 7.0])
def test_the_simplex_projection_is_the_one_whose_threshold_a_root_finder_finds(total):
    x = torch.randn(11, 7, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    for row, found in zip(x, projections.project_simplex(x, total), strict=True):
        threshold = optimize.brentq(
            lambda t, row=row: (row - t).clamp(min=0).sum().item() - total, row.min() - total, row.max(), xtol=1e-14
        )
        torch.testing.assert_close(found, (row - threshold).clamp(min=0), atol=1e-10, rtol=0)


def test_dykstra_finds_what_a_general_solver_finds_and_alternating_projections_do_not():
    x = torch.tensor([2.0, -1.5, 0.3, -1.0, 0.4], dtype=torch.float64)
    solved = optimize.minimize(
        lambda v: ((v - x.numpy()) ** 2).sum(),
        x.numpy(),
        method="SLSQP",
        options={"ftol": 1e-15, "maxiter": 500},
        constraints=[
            {"type": "ineq", "fun": lambda v: 1.5**2 - v @ v},
            {"type": "ineq", "fun": lambda v: -0.4 - v @ NORMAL.numpy()},
        ],
    ).x
    torch.testing.assert_close(both(x), torch.from_numpy(solved), atol=1e-6, rtol=0)
    alternating = x
    for _ in range(400):
        alternating = projections.project_halfspace(projections.project_ball(alternating, 1.5), NORMAL, -0.4)
    assert (alternating - both(x)).norm() > 0.01


def test_projecting_on_a_ball_is_clipping_a_gradient_by_its_norm():
    gradient = torch.nn.Parameter(torch.zeros(5))
    gradient.grad = torch.tensor([3.0, 0.0, -4.0, 1.0, 2.0])
    expected = projections.project_ball(gradient.grad.clone(), 2.0)
    torch.nn.utils.clip_grad_norm_([gradient], 2.0)
    torch.testing.assert_close(gradient.grad, expected, atol=2e-6, rtol=0)  # theirs adds 1e-6 to the norm


def test_a_ball_of_radius_zero_is_its_centre():
    x = torch.tensor([[1.0, 2.0], [0.0, 0.0]])
    assert projections.project_ball(x, 0.0).tolist() == [[0.0, 0.0], [0.0, 0.0]]
    assert projections.project_ball(x, 0.0, torch.tensor([0.0, 0.0])).tolist() == [[0.0, 0.0], [0.0, 0.0]]


@pytest.mark.parametrize(
    ("project", "message"),
    [
        (lambda x: projections.project_ball(x, -1.0), "project_ball: expected a radius of at least 0, got -1.0"),
        (lambda x: projections.project_ball(x, math.nan), "project_ball: expected a radius"),
        (lambda x: projections.project_box(x, 1.0, 0.0), "project_box: expected low <= high"),
        (lambda x: projections.project_simplex(x, 0.0), "project_simplex: expected a total above 0"),
    ],
)
def test_sets_that_are_empty_are_refused(project, message):
    with pytest.raises(InputError, match=message):
        project(torch.ones(3))
