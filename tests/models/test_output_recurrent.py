"""Recurrence from the output: all steps at once under a teacher equal one after the other by the equations."""

import pytest
import torch
from torch.nn.functional import one_hot

from fathom.errors import InputError
from fathom.models.output_recurrent import OutputRecurrent


def net_of(**options):
    torch.manual_seed(0)
    return OutputRecurrent(3, 5, 7, **options).double()


def given():
    torch.manual_seed(1)
    return torch.randn(2, 11, 3, dtype=torch.float64), torch.randint(6, (2, 11))


def by_equations(net, x, before):
    """h = tanh(U x + W h + R y + b), a step after the other."""
    h, logits = torch.zeros(2, 7, dtype=torch.float64), []
    for place in range(x.shape[1]):
        inputs = x[:, place]
        if net.from_output:
            inputs = torch.cat([inputs, one_hot(before[:, place], 6)[:, :5].double()], dim=1)
        if net.from_hidden:
            layer = net.hidden
            h = inputs @ layer.weight_ih_l0.T + layer.bias_ih_l0 + h @ layer.weight_hh_l0.T + layer.bias_hh_l0
        else:
            h = inputs @ net.hidden.weight.T + net.hidden.bias
        h = h.tanh()
        logits.append(h @ net.output.weight.T + net.output.bias)
    return torch.stack(logits, dim=1)


@pytest.mark.parametrize(("from_hidden", "from_output"), [(False, True), (True, False), (True, True)])
def test_all_steps_at_once_equal_one_after_the_other(from_hidden, from_output):
    net, (x, before) = net_of(from_hidden=from_hidden, from_output=from_output), given()
    torch.testing.assert_close(net(x, before)[0], by_equations(net, x, before), rtol=1e-12, atol=1e-12)


def test_given_every_output_it_goes_as_under_a_teacher():
    net, (x, before) = net_of(from_hidden=True), given()
    torch.testing.assert_close(net.by_itself(x, before, given=11), net(x, before)[0], rtol=1e-12, atol=1e-12)


def test_by_itself_it_is_fed_with_what_it_said():
    net, (x, before) = net_of(from_hidden=True), given()
    logits = net.by_itself(x, before, given=2)
    said = logits.argmax(dim=2)
    fed = torch.cat([before[:, :3], said[:, 2:-1]], dim=1)
    torch.testing.assert_close(logits, net(x, fed)[0], rtol=1e-12, atol=1e-12)


def test_cut_the_values_are_the_same_and_no_gradient_goes_back_in_time():
    net, (x, before) = net_of(from_hidden=True), given()
    x.requires_grad_()
    logits = net.by_itself(x, before, given=11, cut=True)
    torch.testing.assert_close(logits, net(x, before)[0], rtol=1e-12, atol=1e-12)
    (slope,) = torch.autograd.grad(logits[:, 6].sum(), x)
    assert slope[:, 6].abs().min() > 0
    assert slope[:, :6].abs().max() == 0


def test_without_a_way_back_it_is_refused():
    with pytest.raises(InputError, match="from_hidden, from_output: expected at least one, got none"):
        net_of(from_output=False)
