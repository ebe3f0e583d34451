"""Jacobians against autograd's own, products against NumPy's, exponents against eigenvalues and known theory."""

import math

import numpy as np
import pytest
import torch

from fathom.errors import InputError, ShapeError
from fathom.ops.jacobians import along, lyapunov_exponents, mean_field_exponent, product_spectra


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_each_steps_jacobian_is_autograds():
    weight, products, start = random(5, 5), random(7, 5, seed=1), random(5, seed=2)

    def step(product, h):
        return (product + h @ weight.T).tanh()

    states, found = along(step, products, start)
    h = start
    for product, state, jacobian in zip(products, states, found, strict=True):
        expected = torch.autograd.functional.jacobian(lambda h, p=product: step(p[None], h[None])[0], h)
        torch.testing.assert_close(jacobian, expected)
        torch.testing.assert_close(jacobian, (1 - state**2)[:, None] * weight)
        h = step(product[None], h[None])[0]
        torch.testing.assert_close(state, h)


def test_spectra_are_those_of_numpys_products():
    factors = random(6, 5, 5)
    product = np.eye(5)
    for factor, logs in zip(factors.numpy(), product_spectra(factors).numpy(), strict=True):
        product = factor @ product
        np.testing.assert_allclose(logs, np.log(np.linalg.svd(product, compute_uv=False)), rtol=1e-9)


def test_a_product_of_thousands_neither_overflows_nor_vanishes():
    factors = torch.stack([10.0 * torch.eye(3), 0.1 * torch.eye(3)]).double()
    grown = product_spectra(factors[:1].expand(2000, 3, 3))[-1]
    shrunk = product_spectra(factors[1:].expand(2000, 3, 3))[-1]
    torch.testing.assert_close(grown, torch.full((3,), 2000 * math.log(10)).double())
    torch.testing.assert_close(shrunk, -grown)


def test_a_product_of_nothing_left_is_zero():
    factors = torch.stack([random(3, 3), torch.zeros(3, 3).double(), random(3, 3)])
    assert (product_spectra(factors)[1:] == -math.inf).all()


def test_orthogonal_steps_have_singular_values_of_one_for_ever():
    turn = torch.linalg.qr(random(7, 7))[0]
    assert product_spectra(turn.expand(300, 7, 7)).abs().max() < 1e-9


def test_exponents_of_one_matrix_are_the_logarithms_of_its_eigenvalues():
    weight = random(5, 5)
    weight = weight + weight.T  # no two of one modulus, as complex pairs would have
    moduli = np.sort(np.abs(np.linalg.eigvalsh(weight.numpy())))[::-1]
    found = lyapunov_exponents(weight.expand(3000, 5, 5), burn_in=1500)
    np.testing.assert_allclose(found, np.log(moduli), rtol=1e-6)
    torch.testing.assert_close(lyapunov_exponents(weight.expand(3000, 5, 5), count=2, burn_in=1500), found[:2])


def test_exponents_of_independent_normal_matrices_are_newmans():
    size, steps = 5, 4000
    found = lyapunov_exponents(random(steps, size, size))
    theory = [0.5 * (math.log(2) + torch.digamma(torch.tensor((size - i) / 2)).item()) for i in range(size)]
    spread = [0.5 * torch.polygamma(1, torch.tensor((size - i) / 2)).sqrt().item() for i in range(size)]
    for exponent, expected, deviation in zip(found.tolist(), theory, spread, strict=True):
        assert abs(exponent - expected) < 4 * deviation / steps**0.5


def test_below_the_critical_scale_theory_is_the_logarithm_and_above_it_is_chaos():
    assert mean_field_exponent(0.5) == pytest.approx(math.log(0.5))
    assert mean_field_exponent(1.0) == pytest.approx(0, abs=1e-6)
    near = mean_field_exponent(1.05, iterations=500)
    assert 0 < near < 0.05
    assert mean_field_exponent(1.5) > near


def test_a_wide_chaotic_net_has_the_exponent_of_theory():
    size, gain = 300, 3.0
    weight, h = gain / size**0.5 * random(size, size), random(size, seed=1)
    frame, total = torch.linalg.qr(random(size, 2, seed=2))[0], 0.0
    for step in range(400):
        h = (weight @ h).tanh()
        frame, stretched = torch.linalg.qr((1 - h**2)[:, None] * (weight @ frame))
        total += stretched[0, 0].abs().log().item() if step >= 100 else 0.0
    assert total / 300 == pytest.approx(mean_field_exponent(gain), abs=0.06)  # finite size: about 1 / √300


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: product_spectra(torch.zeros(3, 4, 5)), r"jacobians: expected \(steps, size, size\), got \(3, 4, 5\)"),
        (lambda: lyapunov_exponents(torch.zeros(0, 2, 2)), r"jacobians: expected \(steps, size, size\)"),
        (lambda: along(lambda p, h: h, torch.zeros(2, 3, 4), torch.zeros(4)), "take one sequence"),
    ],
)
def test_other_shapes_are_refused(call, message):
    with pytest.raises(ShapeError, match=message):
        call()


def test_settings_out_of_range_are_refused():
    with pytest.raises(InputError, match="burn_in: expected from 0 to 2, one step less than there are, got 3"):
        lyapunov_exponents(torch.eye(2).expand(3, 2, 2), burn_in=3)
    with pytest.raises(InputError, match="gain: expected above 0, got 0"):
        mean_field_exponent(0.0)
