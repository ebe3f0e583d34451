import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from fathom import layers

LENGTHS = torch.tensor([3, 7, 1, 5, 7])


def through(layer, x, sort):
    order = LENGTHS.argsort(descending=True, stable=True) if sort else torch.arange(len(LENGTHS))
    packed = pack_padded_sequence(x[:, order], LENGTHS[order], enforce_sorted=sort)
    outputs, state = layer(packed)
    padded, lengths = pad_packed_sequence(outputs)
    assert torch.equal(lengths, LENGTHS[order])
    return padded, state


@pytest.mark.parametrize("sort", [True, False])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("name", ["RNN", "GRU", "LSTM"])
def test_packed_rows_go_through_ours_as_through_torchs(name, bidirectional, sort):
    theirs = getattr(nn, name)(3, 5, num_layers=2, bidirectional=bidirectional).double()
    ours = getattr(layers, name)(3, 5, num_layers=2, bidirectional=bidirectional).double()
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(7, 5, 3, dtype=torch.float64)
    results = []
    for layer in (ours, theirs):
        given = x.clone().requires_grad_()
        outputs, state = through(layer, given, sort)
        loss = outputs.sin().sum() + sum(part.cos().sum() for part in (state if name == "LSTM" else (state,)))
        results.append([outputs, state, *torch.autograd.grad(loss, [given, *layer.parameters()])])
    torch.testing.assert_close(*results)
