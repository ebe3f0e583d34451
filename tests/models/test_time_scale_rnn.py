"""Nets on several time scales against torch's RNN and against each equation step by step."""

import pytest
import torch

from fathom import models
from fathom.errors import InputError, UnknownNameError


def build(kind, hidden_size=7, **options):
    torch.manual_seed(0)
    net = models.create(
        "time_scale_rnn", in_features=3, num_classes=2, kind=kind, hidden_size=hidden_size, **options
    ).double()
    return net, torch.randn(5, 13, 3, dtype=torch.float64)


def by_torch(net, x):
    rnn = torch.nn.RNN(3, net.hidden_size, batch_first=True).double()
    rnn.load_state_dict(
        {
            "weight_ih_l0": net.input.weight,
            "weight_hh_l0": net.recurrent.weight,
            "bias_ih_l0": net.input.bias,
            "bias_hh_l0": torch.zeros(net.hidden_size, dtype=torch.float64),
        }
    )
    return rnn(x)[0]


@pytest.mark.parametrize(("kind", "options"), [("plain", {}), ("clockwork", {"slowest": 1})])
def test_on_one_time_scale_it_is_torchs_rnn(kind, options):
    net, x = build(kind, **options)
    torch.testing.assert_close(net.states(x), by_torch(net, x))


@pytest.mark.parametrize("kind", ["leaky", "learned"])
def test_a_leaky_unit_goes_its_share_of_the_way(kind):
    net, x = build(kind, slowest=32)
    assert net.time_constants[[0, -1]].tolist() == pytest.approx([1.05, 32], rel=1e-5)
    h = torch.zeros(5, 7, dtype=torch.float64)
    for step in range(13):
        u = net.input(x[:, step]) + h @ net.recurrent.weight.T
        h = h + (u.tanh() - h) / net.time_constants
        torch.testing.assert_close(net.states(x)[:, step], h)


def test_only_learnt_time_constants_are_parameters():
    assert "log_excess" in dict(build("learned")[0].named_parameters())
    assert "log_excess" in dict(build("leaky")[0].named_buffers())


def test_a_connection_through_time_comes_from_so_many_steps_back():
    net, x = build("skip", delay=4)
    states = [torch.zeros(5, 7, dtype=torch.float64)] * 4
    for step in range(13):
        near, far = net.recurrent.weight.split(7, dim=1)
        states.append((net.input(x[:, step]) + states[-1] @ near.T + states[step] @ far.T).tanh())
    torch.testing.assert_close(net.states(x), torch.stack(states[4:], dim=1))


def test_a_clocked_module_moves_at_its_period_and_hears_only_the_slower():
    net, x = build("clockwork", hidden_size=9, slowest=4)
    assert net.periods.tolist() == [1, 1, 1, 2, 2, 2, 4, 4, 4]
    h, period = torch.zeros(5, 9, dtype=torch.float64), net.periods.tolist()
    for step in range(13):
        new = h.clone()
        for unit in range(9):
            if step % period[unit] == 0:
                heard = [other for other in range(9) if period[other] >= period[unit]]
                weights = net.recurrent.weight[unit, heard]
                new[:, unit] = (net.input(x[:, step])[:, unit] + h[:, heard] @ weights).tanh()
        h = new
        torch.testing.assert_close(net.states(x)[:, step], h)
    assert net.num_weights == sum(part.numel() for part in net.parameters()) - 27


def test_sizes_that_can_not_be_are_told():
    with pytest.raises(InputError, match="hidden_size: expected at least 7, a unit for each period, got 5"):
        build("clockwork", hidden_size=5, slowest=64)
    with pytest.raises(UnknownNameError, match="unknown kind of time scale 'leakey'; did you mean 'leaky'"):
        build("leakey")
