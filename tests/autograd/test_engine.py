"""The walk back, versions, errors, transforms: what the engine promises beside the right numbers."""

import copy
import gc
import pickle
import subprocess
import sys
import weakref

import numpy as np
import pytest
import torch

import fathom.autograd as ag


def leaf(*shape, seed=0):
    return ag.Tensor(np.random.default_rng(seed).standard_normal(shape), requires_grad=True)


def test_import_leaves_torch_and_scipy_unloaded():
    code = (
        "import sys, fathom.autograd, fathom.autograd.nn, fathom.autograd.optim\n"
        "print([m for m in ('torch', 'scipy', 'pandas', 'fathom.errors') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_a_chain_of_twenty_thousand_operations_needs_no_recursion():
    x = ag.tensor(1.0, requires_grad=True)
    y = x
    for _ in range(20_000):
        y = y + 1
    y.backward()
    assert x.grad.item() == 1
    del y
    gc.collect()


def test_gradients_add_up_over_uses_and_over_backward_passes():
    x = leaf(3)
    (x * x + x).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), 2 * x.array + 1)
    before = x.grad.numpy().copy()
    x.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), before + 1)


def test_leaves_that_share_a_gradient_do_not_share_its_memory():
    x, y = leaf(3), leaf(3)
    seed = ag.ones(3, dtype=np.float64)
    (x + y).backward(seed)
    x.grad.zero_()
    assert y.grad.numpy().tolist() == seed.numpy().tolist() == [1, 1, 1]


def test_backward_frees_what_was_kept():
    x = leaf(1000)
    kept = weakref.ref((y := x.exp()).node)
    z = (y * y).sum()
    del y
    z.backward()
    assert kept().freed
    del z
    assert kept() is None  # by counting alone: there is no circle


def test_many_slices_of_one_tensor_gather_in_one_gradient():
    x = leaf(7, 3)
    total = sum((x[i] * (i + 1)).sum() for i in range(7)) + x[::2].sum() + x[[0, 0]].sum()
    total.backward()
    expected = np.repeat(np.arange(1.0, 8)[:, None], 3, 1)
    expected[::2] += 1
    expected[0] += 2
    np.testing.assert_array_equal(x.grad.numpy(), expected)


def test_no_grad_and_detach_leave_no_graph():
    x = leaf(2)
    with ag.no_grad():
        assert not (x * 2).requires_grad
        with ag.enable_grad():
            assert (x * 2).requires_grad
    assert not x.detach().requires_grad
    assert ag.is_grad_enabled()
    (x * x.detach()).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), x.array)


def test_grad_of_a_result_on_the_way_and_of_one_not_used():
    x, unused = leaf(2), leaf(2)
    middle = x.exp()
    loss = (middle * middle).sum()
    gradient, nothing = ag.grad(loss, (middle, unused), allow_unused=True)
    np.testing.assert_allclose(gradient.numpy(), 2 * middle.array)
    assert nothing is None
    assert x.grad is None


def test_higher_derivatives_of_a_power():
    x = ag.tensor(2.0, dtype=np.float64, requires_grad=True)
    y = x**5
    for factor, power in ((5, 4), (20, 3), (60, 2), (120, 1), (120, 0)):
        (y,) = ag.grad(y, x, create_graph=True)
        assert y.item() == pytest.approx(factor * 2**power)


def test_tangents_of_nested_calls_are_not_confused():
    """d/dx (x · d/dy (x + y)) is 1; an engine that mixes its tangents up says 2."""
    one = ag.tensor(1.0)
    inner = lambda x: x * ag.jvp(lambda y: x + y, (one,), (one,))[1]  # noqa: E731
    assert ag.jvp(inner, (one,), (one,))[1].item() == 1


def f(x):
    return (x.sigmoid() @ x.T.tanh()).exp().sum()


def test_jacobian_hessian_and_products_with_it_equal_torchs():
    x = leaf(2, 3)
    other = torch.tensor(x.array)
    g = lambda v: (v * v.sum(1, keepdim=True)).sigmoid()[:, 1:]  # noqa: E731
    expected = torch.autograd.functional.jacobian(g, other).numpy()
    for mode in ("reverse", "forward"):
        np.testing.assert_allclose(ag.jacobian(g, x, mode=mode).numpy(), expected, rtol=1e-10)
    hessian = torch.autograd.functional.hessian(f, other).numpy()
    np.testing.assert_allclose(ag.hessian(f, x).numpy(), hessian, rtol=1e-9, atol=1e-12)
    v = np.random.default_rng(1).standard_normal((2, 3))
    product = np.einsum("ijkl,kl->ij", hessian, v)
    np.testing.assert_allclose(ag.hvp(f, x, ag.Tensor(v)).numpy(), product, rtol=1e-9)
    twice = lambda p: ag.jvp(f, (p,), (ag.Tensor(v),))[1]  # noqa: E731
    assert ag.jvp(twice, (x.detach(),), (ag.Tensor(v),))[1].item() == pytest.approx((product * v).sum())


def test_reverse_over_forward_equals_forward_over_reverse():
    x, v = leaf(2, 3), ag.Tensor(np.random.default_rng(1).standard_normal((2, 3)))
    (reverse,) = ag.grad(ag.jvp(f, (x,), (v,))[1], x)
    np.testing.assert_allclose(reverse.numpy(), ag.hvp(f, x, v).numpy(), rtol=1e-10)


# Changes in place.


def test_changes_in_place_carry_gradients():
    x = leaf(3)
    y = x * 2
    y.mul_(x).add_(1)
    y[0] = x[1] * 5
    y.sum().backward()
    other = torch.tensor(x.array, requires_grad=True)
    z = other * 2
    z = z.mul_(other).add_(1)
    z[0] = other[1] * 5
    z.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), other.grad.numpy())


def test_parameters_change_in_place_inside_no_grad():
    x = leaf(3)
    view = x.reshape(3, 1)
    with ag.no_grad():
        x.add_(1).mul_(2).copy_(np.zeros(3))
    (view * 3).sum().backward()
    assert view.array.tolist() == [[0], [0], [0]]
    assert x.grad.numpy().tolist() == [3, 3, 3]


def overwritten_input():
    x = leaf(3)
    y = x * 1
    z = y * y
    y.add_(1)
    z.sum().backward()


def overwritten_result():
    y = leaf(3).exp()
    y.mul_(2)
    y.sum().backward()


def overwritten_through_a_view():
    y = leaf(3) * 1
    z = y**2
    y.detach()[0] = 5.0
    z.sum().backward()


def stale_view():
    y = leaf(3) * 1
    view = y[:2]
    y.mul_(2)
    (view * 1).sum().backward()


def twice():
    y = leaf(3).exp().sum()
    y.backward()
    y.backward()


def through_checkpoint_twice():
    y = ag.checkpoint(lambda x: x.exp(), leaf(3)).sum()
    y.backward()
    y.backward()


ERRORS = {
    "broadcast": (lambda: leaf(2, 3) * leaf(4), ag.ShapeError, r"multiply: shapes \(2, 3\) and \(4,\).*reshape"),
    "matmul": (lambda: leaf(2, 3) @ leaf(4, 5), ag.ShapeError, r"matmul: shapes \(2, 3\) and \(4, 5\).*transpose"),
    "reshape": (lambda: leaf(2, 3).reshape(4, -1), ag.ShapeError, r"reshape: 6 elements of shape \(2, 3\)"),
    "dim": (lambda: leaf(2, 3).sum(2), ag.ShapeError, r"sum: dim 2 of a tensor with 2 axes; choose from -2 to 1"),
    "index": (lambda: leaf(2, 3)[5], IndexError, r"getitem: on shape \(2, 3\)"),
    "einsum": (lambda: ag.einsum("ii->i", leaf(2, 2)), ag.ShapeError, "none twice"),
    "concatenate": (lambda: ag.cat([leaf(2, 3), leaf(4)]), ag.ShapeError, r"concatenate: .*\(2, 3\) and \(4,\)"),
    "in place input": (overwritten_input, ag.GradientError, r"multiply: input [ab] of shape \(3,\) was changed.*clone"),
    "in place result": (overwritten_result, RuntimeError, r"exp: its result of shape \(3,\) was changed in place"),
    "in place by a view": (overwritten_through_a_view, ag.GradientError, "power: input x of shape"),
    "stale view": (stale_view, ag.GradientError, "take the view again"),
    "in place leaf": (lambda: leaf(3).add_(1), ag.GradientError, r"add_: in place on a leaf.*no_grad"),
    "in place view": (lambda: (leaf(3) * 1)[:2].mul_(2), ag.GradientError, "mul_: in place on a view"),
    "in place growth": (lambda: ag.zeros(3).add_(ag.zeros(2, 3)), ag.ShapeError, r"add_: .*\(3,\) cannot.*\(2, 3\)"),
    "freed": (twice, ag.GradientError, r"backward through exp \(3,\) a second time: .*retain_graph=True"),
    "freed checkpoint": (through_checkpoint_twice, ag.GradientError, "backward through checkpoint .* a second time"),
    "not scalar": (lambda: (leaf(3) * 2).backward(), ag.GradientError, r"shape \(3,\) is not a scalar.*sum\(\)"),
    "seed shape": (lambda: (leaf(3) * 2).backward(ag.ones(2)), ag.ShapeError, r"gradient of shape \(3,\).*got \(2,\)"),
    "no graph": (lambda: ag.zeros(1).backward(), ag.GradientError, "no recorded operation made"),
    "integers": (lambda: ag.tensor([1, 2], requires_grad=True), ag.DtypeError, r"int64 and shape \(2,\) has no grad"),
    "integer tangents": (lambda: ag.jvp(lambda x: x, (ag.tensor([1]),), (ag.tensor([1]),)), ag.GradientError, "int64"),
    "float index": (lambda: leaf(3)[ag.tensor([0.0])], ag.DtypeError, "getitem: an index must hold integers"),
    "unused": (lambda: ag.grad(leaf(2).sum(), leaf(2)), ag.GradientError, r"do not depend on an input of shape \(2,\)"),
    "numpy": (lambda: leaf(2).numpy(), ag.GradientError, r"detach\(\)\.numpy\(\)"),
    "item": (lambda: leaf(2).item(), ag.ShapeError, r"item: expected one element, got shape \(2,\)"),
    "truth": (lambda: bool(leaf(2) > 0), ag.ShapeError, "any"),
    "words": (lambda: ag.tensor("abc"), ag.DtypeError, "expected numbers"),
}  # fmt: skip


@pytest.mark.parametrize("name", ERRORS)
def test_errors_are_one_line_that_names_operation_shapes_and_way_out(name):
    function, kind, message = ERRORS[name]
    with pytest.raises(kind, match=message) as caught:
        function()
    assert "\n" not in str(caught.value)


def test_a_graph_that_was_retained_can_be_walked_again():
    x = leaf(3)
    y = x.exp().sum()
    y.backward(retain_graph=True)
    y.backward()
    np.testing.assert_allclose(x.grad.numpy(), 2 * np.exp(x.array))


def test_the_anomaly_check_names_the_first_operation_that_made_nan():
    x = ag.tensor([1.0, -1.0], requires_grad=True)
    with (
        ag.detect_anomaly(),
        pytest.raises(ag.AnomalyError, match=r"log made the first NaN in its forward pass: 1 of 2"),
    ):
        (x.log() * 2).sum()
    zero = ag.tensor([0.0], requires_grad=True)
    with (
        ag.detect_anomaly(),
        pytest.raises(ag.AnomalyError, match=r"sqrt called at .*test_engine.py:\d+ made the first"),
    ):
        (zero.sqrt() * 0).sum().backward()
    (zero.sqrt() * 0).sum().backward()  # outside nothing is looked for
    assert np.isnan(zero.grad.item())


def test_a_tensor_shows_itself_and_survives_copy_and_pickle():
    x = ag.tensor([[1.0, 2.0]], requires_grad=True)
    assert repr(x) == "tensor([[1., 2.]], requires_grad=True)"
    assert repr(x.exp()).endswith("from exp)")
    assert repr(ag.tensor([1, 2])) == "tensor([1, 2])"
    for other in (copy.deepcopy(x), pickle.loads(pickle.dumps(x))):
        assert other.requires_grad
        assert other.tolist() == x.tolist()


def test_creation_functions_have_torchs_shapes_and_dtypes():
    pad = torch.nn.functional.pad
    made = {
        "zeros": (ag.zeros(2, 3), torch.zeros(2, 3)),
        "tuple": (ag.ones((2, 3)), torch.ones((2, 3))),
        "arange": (ag.arange(2, 9, 3), torch.arange(2, 9, 3)),
        "floats": (ag.arange(0.0, 1.0, 0.25), torch.arange(0.0, 1.0, 0.25)),
        "linspace": (ag.linspace(0, 1, 5), torch.linspace(0, 1, 5)),
        "eye": (ag.eye(3), torch.eye(3)),
        "full": (ag.full((2,), 3), torch.full((2,), 3)),
        "list": (ag.tensor([1.5, 2]), torch.tensor([1.5, 2])),
        "numbers": (ag.tensor([True]), torch.tensor([True])),
        "stack": (ag.stack([ag.eye(2), ag.zeros(2, 2)], 1), torch.stack([torch.eye(2), torch.zeros(2, 2)], 1)),
        "cat": (ag.cat([ag.tensor([1]), ag.tensor([1.5])]), torch.cat([torch.tensor([1]), torch.tensor([1.5])])),
        "where": (ag.where(ag.arange(3) > 1, 1.0, 0.0), torch.where(torch.arange(3) > 1, 1.0, 0.0)),
        "triu": (ag.triu(ag.ones(3, 3), 1), torch.triu(torch.ones(3, 3), 1)),
        "tril": (ag.tril(ag.ones(3, 3)), torch.tril(torch.ones(3, 3))),
        "pad": (ag.pad(ag.ones(2, 2), (1, 0, 0, 2), 7.0), pad(torch.ones(2, 2), (1, 0, 0, 2), value=7)),
    }  # fmt: skip
    for name, (mine, other) in made.items():
        np.testing.assert_array_equal(mine.numpy(), other.numpy(), err_msg=name)
        assert str(mine.dtype) == str(other.dtype).removeprefix("torch."), name
    assert ag.randn(2, 3, generator=np.random.default_rng(1)).tolist() == ag.randn(
        2, 3, generator=np.random.default_rng(1)
    ).tolist()  # fmt: skip
