"""The orthogonal recurrence against a loop with SciPy's exponential; how recurrences start that keep what they saw."""

import numpy as np
import pytest
import torch

from fathom import layers
from fathom.errors import InputError, ShapeError
from fathom.layers.orthogonal_rnn import OrthogonalRNN, mod_relu
from fathom.layers.recurrent_start import forget_bias_, gaussian_, identity_


@pytest.fixture
def layer():
    torch.manual_seed(0)
    made = OrthogonalRNN(3, 5).double()
    with torch.no_grad():
        made.turns.normal_()
        made.bias.normal_(std=0.3)
    return made


def test_it_is_the_recurrence_of_scipys_exponential(layer):
    linalg = pytest.importorskip("scipy.linalg")
    upper = np.zeros((5, 5))
    upper[np.triu_indices(5, 1)] = layer.turns.detach()
    turn = linalg.expm(upper - upper.T)
    x = torch.randn(2, 7, 3, dtype=torch.float64)
    outputs, last = layer(x)
    for row in range(2):
        h = np.zeros(5)
        for place in range(7):
            total = layer.weight_ih.detach().numpy() @ x[row, place].numpy() + turn @ h
            h = np.sign(total) * np.maximum(np.abs(total) + layer.bias.detach().numpy(), 0)
            np.testing.assert_allclose(outputs[row, place].detach(), h, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(last[0], outputs[:, -1])


def test_its_weights_are_orthogonal_whatever_is_learnt(layer):
    optimizer = torch.optim.SGD(layer.parameters(), lr=5.0)
    for _ in range(3):
        optimizer.zero_grad()
        layer(torch.randn(2, 7, 3, dtype=torch.float64))[0].square().mean().backward()
        optimizer.step()
    turn = layer.weight_hh
    torch.testing.assert_close(turn @ turn.T, torch.eye(5, dtype=torch.float64))


def test_as_it_starts_it_keeps_lengths_and_gradients():
    torch.manual_seed(0)
    layer = OrthogonalRNN(2, 7).double()
    start = torch.randn(1, 3, 7, dtype=torch.float64, requires_grad=True)
    _, last = layer(torch.zeros(3, 400, 2, dtype=torch.float64), start)
    torch.testing.assert_close(last.norm(dim=2), start.norm(dim=2))
    (gradient,) = torch.autograd.grad(last[..., 0].sum(), start)
    torch.testing.assert_close(gradient.norm(dim=2), torch.ones(1, 3, dtype=torch.float64))


def test_its_derivatives_are_right(layer):
    x = torch.randn(2, 3, 3, dtype=torch.float64, requires_grad=True)
    turns, weight = (getattr(layer, name).detach().requires_grad_() for name in ("turns", "weight_ih"))

    def answer(x, turns, weight):
        return torch.func.functional_call(layer, {"turns": turns, "weight_ih": weight}, (x,))[0]

    assert torch.autograd.gradcheck(answer, (x, turns, weight))


def test_modrelu_has_a_dead_zone_as_wide_as_its_bias():
    x = torch.tensor([-2.0, -0.5, 0.0, 0.5, 2.0])
    torch.testing.assert_close(mod_relu(x, torch.tensor(-1.0)), torch.tensor([-1.0, 0.0, 0.0, 0.0, 1.0]))
    torch.testing.assert_close(mod_relu(x, torch.tensor(0.0)), x)


def test_impossible_sizes_are_refused(layer):
    with pytest.raises(InputError, match="hidden_size: expected at least 2, a plane to turn in, got 1"):
        OrthogonalRNN(3, 1)
    with pytest.raises(ShapeError, match=r"input: expected \(batch, steps, 3\), got \(2, 3\)"):
        layer(torch.zeros(2, 3))


# --- starts ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("nn", [torch.nn, layers])
def test_from_the_identity_a_positive_state_stays(nn):
    layer = nn.RNN(2, 5, nonlinearity="relu", batch_first=True)
    identity_(layer)
    start = torch.rand(1, 3, 5)
    torch.testing.assert_close(layer(torch.zeros(3, 50, 2), start)[1], start)
    assert 0 < layer.weight_ih_l0.abs().max() < 0.01
    identity_(layer, scale=0.5)
    torch.testing.assert_close(layer(torch.zeros(3, 4, 2), start)[1], start / 16)


def test_a_normal_matrix_has_the_spectral_radius_asked_for():
    torch.manual_seed(0)
    layer = torch.nn.RNN(2, 400)
    for gain in (0.5, 1.5):
        gaussian_(layer, gain)
        radius = torch.linalg.eigvals(layer.weight_hh_l0.detach()).abs().max().item()
        assert radius == pytest.approx(gain, rel=0.08)


@pytest.mark.parametrize("nn", [torch.nn, layers])
def test_the_forget_gate_starts_where_asked(nn):
    layer = nn.LSTM(2, 5)
    forget_bias_(layer, 3.0)
    torch.testing.assert_close((layer.bias_ih_l0 + layer.bias_hh_l0)[5:10], torch.full((5,), 3.0))


def test_a_start_for_another_layer_is_refused():
    with pytest.raises(InputError, match="identity_: expected an RNN with nonlinearity='relu', got RNN"):
        identity_(torch.nn.RNN(2, 3))
    with pytest.raises(InputError, match="forget_bias_: expected an LSTM, got GRU"):
        forget_bias_(torch.nn.GRU(2, 3))
