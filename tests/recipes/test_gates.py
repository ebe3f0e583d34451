"""Gates read from a model are those that its next state is made of; what nets of each cell learn of recall tasks."""

import math

import pytest
import torch

from fathom import data, layers
from fathom.errors import InputError
from fathom.recipes import fill_in_the_blank, gates, gradient_by_lag
from fathom.recipes.common import rivals
from fathom.recipes.common.gates import gates_over


def test_a_grus_gates_give_its_next_state():
    torch.manual_seed(0)
    layer = torch.nn.GRU(3, 5, batch_first=True).double()
    x = torch.randn(1, 7, 3, dtype=torch.float64)
    found = gates_over(layer, x, "gru")
    outputs = layer(x)[0][0]
    before = torch.cat([torch.zeros(1, 5, dtype=torch.float64), outputs[:-1]])
    own = x[0] @ layer.weight_ih_l0[10:].T + layer.bias_ih_l0[10:]
    kept = before @ layer.weight_hh_l0[10:].T + layer.bias_hh_l0[10:]
    candidate = (own + found["reset"] * kept).tanh()
    torch.testing.assert_close((1 - found["update"]) * candidate + found["update"] * before, outputs)


@pytest.mark.parametrize("nn", [torch.nn, layers])
def test_an_lstms_gates_give_its_cell(nn):
    torch.manual_seed(0)
    layer = nn.LSTM(3, 5, batch_first=True).double()
    x = torch.randn(1, 4, 3, dtype=torch.float64)
    found = gates_over(layer, x, "lstm")
    outputs = layer(x)[0][0]
    before = torch.cat([torch.zeros(1, 5, dtype=torch.float64), outputs[:-1]])
    sums = x[0] @ layer.weight_ih_l0.T + layer.bias_ih_l0 + before @ layer.weight_hh_l0.T + layer.bias_hh_l0
    cell = torch.zeros(5, dtype=torch.float64)
    for step in range(4):
        cell = found["forget"][step] * cell + found["input"][step] * sums[step, 10:15].tanh()
        torch.testing.assert_close(found["output"][step] * cell.tanh(), outputs[step])


def test_open_gates_remember_for_as_long_as_said():
    torch.manual_seed(0)
    layer = torch.nn.LSTM(3, 500)
    gates.open_gates(layer, 50)
    forget = layer.bias_ih_l0[500:1000] + layer.bias_hh_l0[500:1000]
    assert forget.min() >= 0
    assert forget.max() <= math.log(49)
    assert forget.exp().mean().item() == pytest.approx(25, rel=0.1)
    torch.testing.assert_close(layer.bias_ih_l0[:500], -forget)


def test_a_gru_learns_the_first_symbol():
    torch.manual_seed(0)
    train = data.load("first-symbol,length=16,examples=1000")
    x, y = train.tensors["x"], train.tensors["y"]
    config = gates.Config(hidden_size=16)
    net = rivals.reader(config, 13, 4, answer=-1, cell="gru")
    optimizer = torch.optim.Adam(net.parameters(), lr=0.02)
    for _ in range(60):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(net(x), y).backward()
        optimizer.step()
    test = data.load("first-symbol,length=16", "test")
    assert (net(test.tensors["x"]).argmax(1) == test.tensors["y"]).float().mean() > 0.95


@pytest.mark.parametrize(("symbols", "got"), [("", "none"), ("auq", "'q'")])
def test_symbols_it_does_not_know_are_told(symbols, got):
    about = data.load("first-symbol").about
    with pytest.raises(InputError, match=rf"symbols: expected some of abcd!\|_uvwxyz side by side, got {got}"):
        gates.encode(about, symbols)


def test_other_data_than_symbols_are_refused():
    with pytest.raises(InputError, match="got text; give first-symbol, marked-symbol, since-the-break"):
        gates.load_splits(gates.Config(data="time-machine"))


# --- the gradient by lag --------------------------------------------------------------------------------------------


def test_an_rnns_gradient_is_the_product_of_its_steps_jacobians():
    torch.manual_seed(0)
    net = rivals.reader(gates.Config(hidden_size=3), 5, 5, cell="rnn").double()
    tokens, target = torch.randint(5, (1, 6)), torch.randint(5, (1,))
    found = gradient_by_lag.gradient_norms(net, tokens, target)
    states = net.tagger.recurrent(net.encode(tokens))[0][0]
    logits = net.tagger.output(states[-1])
    error = logits.softmax(0) - torch.eye(5, dtype=torch.float64)[target[0]]
    gradient = error @ net.tagger.output.weight
    for lag in range(6):
        assert found[lag].item() == pytest.approx(gradient.norm().item())
        gradient = gradient * (1 - states[5 - lag] ** 2) @ net.tagger.recurrent.weight_hh_l0


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_a_gradient_by_lag_is_the_slope_of_the_loss_in_the_state(cell):
    torch.manual_seed(0)
    net = rivals.reader(gates.Config(hidden_size=3), 5, 5, cell=cell).double()
    tokens, target = torch.randint(5, (1, 6)), torch.randint(5, (1,))
    x = net.encode(tokens)
    _, state = net.tagger(x[:, :3])
    flat = torch.cat([part.flatten() for part in (state if cell == "lstm" else (state,))]).detach()

    def loss(row):
        parts = tuple(part.view(1, 1, 3) for part in row.split(3))
        logits = net.tagger(x[:, 3:], parts if cell == "lstm" else parts[0])[0][:, -1]
        return torch.nn.functional.cross_entropy(logits, target).item()

    slopes = []
    for number in range(len(flat)):
        step = torch.zeros_like(flat)
        step[number] = 1e-6
        slopes.append((loss(flat + step) - loss(flat - step)) / 2e-6)
    expected = torch.tensor(slopes).norm().item()
    assert gradient_by_lag.gradient_norms(net, tokens, target)[3].item() == pytest.approx(expected, rel=1e-5)


# --- blanks ---------------------------------------------------------------------------------------------------------


def test_each_net_sees_its_side_of_the_blank_alone():
    torch.manual_seed(0)
    config = fill_in_the_blank.Config(hidden_size=3, steps=7)
    nets = fill_in_the_blank.build(config, {"vocab": list("abcd")})
    tokens = torch.randint(4, (1, 7))
    tokens[0, 3] = 4
    for place in range(7):
        other = tokens.clone()
        other[0, place] = (tokens[0, place] + 1) % 4
        changed = {name: bool((net(tokens) - net(other)).abs().max() > 0) for name, net in nets.items()}
        assert changed == {"both": True, "left": place <= 3, "right": place >= 3}


def test_a_blank_hides_what_is_asked():
    config = fill_in_the_blank.Config(steps=5, stride=2)
    train, _ = fill_in_the_blank.load_splits(config)
    text = data.load("time-machine").tensors["x"].long()
    x, y = train.tensors["x"], train.tensors["y"]
    assert (x[:, 2] == 28).all()
    assert torch.equal(y[:3], text[[2, 4, 6]])
    assert torch.equal(x[1, [0, 1, 3, 4]], text[[2, 3, 5, 6]])


def test_a_text_needs_one_blank():
    about = {"vocab": ["<unk>", "a", "b"], "letters": False, "unit": "char"}
    config = fill_in_the_blank.Config(steps=7)
    assert fill_in_the_blank.encode(about, config, "ab_b").tolist() == [[0, 1, 2, 3, 2, 0, 0]]
    for source in ("ab", "a_b_"):
        with pytest.raises(InputError, match="expected a text with one _ for what is missing"):
            fill_in_the_blank.encode(about, config, source)
