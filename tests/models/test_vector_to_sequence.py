"""What the context does by each way, and samples that come as often as they should."""

import itertools

import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits, pad

from fathom.errors import UnknownNameError
from fathom.models.vector_to_sequence import WAYS, VectorToSequence


def net_of(way, features=3):
    torch.manual_seed(0)
    return VectorToSequence(2, features, way, 5).double()


@pytest.mark.parametrize("way", WAYS)
def test_it_is_its_equation_step_by_step(way):
    net, context = net_of(way), torch.randn(2, 2, dtype=torch.float64)
    before = torch.randn(2, 7, 3, dtype=torch.float64)
    layer, found = net.recurrent, []
    h = context @ net.start.weight.T if way in ("state", "both") else torch.zeros(2, 5, dtype=torch.float64)
    for place in range(7):
        x = torch.cat([before[:, place], context], dim=1) if way in ("input", "both") else before[:, place]
        h = (x @ layer.weight_ih_l0.T + layer.bias_ih_l0 + h @ layer.weight_hh_l0.T + layer.bias_hh_l0).tanh()
        found.append(net.output(h))
    torch.testing.assert_close(net(context, before)[0], torch.stack(found, dim=1), rtol=1e-12, atol=1e-12)


def test_only_without_a_way_the_context_changes_nothing():
    for way in WAYS:
        net, before = net_of(way), torch.zeros(1, 7, 3, dtype=torch.float64)
        one, other = (net(torch.full((1, 2), value, dtype=torch.float64), before)[0] for value in (0.0, 1.0))
        assert torch.equal(one, other) == (way == "none")


@pytest.mark.parametrize("way", ["state", "input"])
def test_samples_come_as_often_as_their_likelihood_says(way):
    net, count = net_of(way, features=2), 20_000
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.mul_(3)
    rows = torch.tensor(list(itertools.product([0.0, 1.0], repeat=4)), dtype=torch.float64).view(16, 2, 2)
    context = torch.tensor([[0.7, -1.1]], dtype=torch.float64)
    logits = net(context.expand(16, 2), pad(rows, (0, 0, 1, 0))[:, :-1])[0]
    shares = (-binary_cross_entropy_with_logits(logits, rows, reduction="none").sum((1, 2))).exp()
    assert abs(shares.sum().item() - 1) < 1e-12
    drawn = net.sample(context.expand(count, 2), 2, torch.Generator().manual_seed(0))
    found = torch.stack([(drawn == row).flatten(1).all(dim=1).double().mean() for row in rows])
    assert ((found - shares).abs() < 4.5 * (shares * (1 - shares) / count).sqrt() + 1e-9).all()


def test_another_way_is_refused():
    with pytest.raises(UnknownNameError, match="did you mean 'state'"):
        net_of("stat")
