"""The echo state net: only its read-out learns, and what it continues is what it would say step by step."""

import pytest
import torch

from fathom import models
from fathom.errors import InputError, UnknownNameError
from fathom.ops.reservoir import spectral_radius


def build(**options):
    torch.manual_seed(0)
    return models.create("echo_state_network", hidden_size=11, density=0.5, **options).double()


def test_only_the_read_out_is_learnt():
    net = build(in_features=2, num_outputs=3)
    assert {name for name, _ in net.named_parameters()} == {"readout.weight", "readout.bias"}
    assert spectral_radius(net.recurrent) == pytest.approx(0.9, rel=1e-6)


def test_a_series_in_two_parts_gives_what_it_gives_in_one():
    net, x = build(), torch.randn(3, 17, 1, dtype=torch.float64)
    whole, end = net(x)
    first, state = net(x[:, :5])
    second, last = net(x[:, 5:], state)
    torch.testing.assert_close(torch.cat([first, second], dim=1), whole)
    torch.testing.assert_close(last, end)


def test_what_it_continues_is_fed_back():
    net, x = build(leak=0.7), torch.randn(3, 9, 1, dtype=torch.float64)
    seen = x
    for _ in range(5):
        seen = torch.cat([seen, net(seen)[0][:, -1:]], dim=1)
    torch.testing.assert_close(net.continued(x, 5), seen[:, 9:])


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"leak": 0.0}, InputError, "leak: expected a number above 0 and at most 1, got 0"),
        ({"kind": "ortogonal"}, UnknownNameError, "unknown kind of reservoir 'ortogonal'; did you mean 'orthogonal'"),
        ({"spectral_radius": -1.0}, InputError, "radius: expected a finite number from 0, got -1"),
    ],
)
def test_what_can_not_be_is_told(options, error, message):
    with pytest.raises(error, match=message):
        build(**options)
