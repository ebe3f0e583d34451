"""Each depth computes what its equation says."""

import pytest
import torch

from fathom.errors import UnknownNameError
from fathom.models.deep_recurrent import DEPTHS, DeepRecurrent


def net_of(depth):
    torch.manual_seed(0)
    return DeepRecurrent(3, 5, depth, 7).double()


def rnn_step(layer, x, h, number=0):
    weights = [getattr(layer, f"{name}_l{number}") for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
    return (x @ weights[0].T + h @ weights[1].T + weights[2] + weights[3]).tanh()


def one_step(net, x, states):
    """The states of a step and its outputs, by the equations of the module's docstring."""
    h = states[0]
    if net.depth in ("transition", "skip"):
        inner = (net.input(x) + h @ net.hidden.weight.T).tanh()
        shortcut = h @ net.shortcut.weight.T if net.depth == "skip" else 0
        return [(net.between(inner) + shortcut).tanh()]
    x = net.before(x).tanh() if net.depth == "input" else x
    found = [rnn_step(net.recurrent, x, h)]
    if net.depth == "stack":
        found.append(rnn_step(net.recurrent, found[0], states[1], 1))
    return found


@pytest.mark.parametrize("depth", DEPTHS)
def test_it_is_its_equation_step_by_step(depth):
    net = net_of(depth)
    x = torch.randn(2, 5, 3, dtype=torch.float64)
    states, expected = [torch.zeros(2, 7, dtype=torch.float64)] * 2, []
    for place in range(5):
        states = one_step(net, x[:, place], states)
        top = states[-1]
        if depth == "output":
            top = (top @ net.output[0].weight.T + net.output[0].bias).tanh()
        last = net.output[2] if depth == "output" else net.output
        expected.append(top @ last.weight.T + last.bias)
    outputs, state = net(x)
    torch.testing.assert_close(outputs, torch.stack(expected, dim=1), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(state, torch.stack(states), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("depth", DEPTHS)
def test_it_goes_on_from_a_state(depth):
    net = net_of(depth)
    x = torch.randn(2, 5, 3, dtype=torch.float64)
    first, state = net(x[:, :2])
    second, _ = net(x[:, 2:], state)
    torch.testing.assert_close(torch.cat([first, second], dim=1), net(x)[0], rtol=1e-12, atol=1e-12)


def test_another_depth_is_refused():
    with pytest.raises(UnknownNameError, match="did you mean 'skip'"):
        net_of("skipp")
