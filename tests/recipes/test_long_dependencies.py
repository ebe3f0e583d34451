"""What the recipes on long-term dependencies rest on: steps that are the layers', penalties and updates as defined."""

import pytest
import torch
from torch.nn.functional import cross_entropy
from torch.nn.utils import parameters_to_vector

from fathom import data, layers
from fathom.errors import InputError, UnknownNameError
from fathom.ops.jacobians import lyapunov_exponents, product_spectra
from fathom.recipes import adding_problem, gradient_clipping, hessian_free, jacobian_spectra, parity
from fathom.recipes.common import adding, contest

ROWS = "adding,length=7,examples=101"


# --- adding ---------------------------------------------------------------------------------------------------------


def test_an_lstm_learns_to_add_over_ten_steps():
    torch.manual_seed(0)
    train, test = (data.load("adding,length=10,examples=2000", split).tensors for split in ("train", "test"))
    config = adding_problem.Config(hidden_size=16, nets=("lstm",), data="adding,length=10")
    net = adding_problem.build(config, {"length": 10})["lstm"]
    optimizer = torch.optim.Adam(net.parameters(), lr=0.02)
    for _ in range(9):
        for x, y in zip(train["x"].split(50), train["y"].split(50), strict=True):
            optimizer.zero_grad()
            adding.squared_error(net(x), y).backward()
            optimizer.step()
    assert adding.squared_error(net(test["x"]), test["y"]) < 0.01
    assert adding.close(net(test["x"]), test["y"]) > 0.5


@pytest.mark.parametrize("source", ["0.3,0.5*,0.1", "0.3,1.5*,0.1*", "a*,0.2*", "", "0.1*,0.2*,0.3*"])
def test_two_numbers_must_be_starred(source):
    with pytest.raises(InputError, match=r"expected numbers from 0 to 1 with a star behind two of them, as in 0\.3"):
        adding.encode(source)


def test_starred_numbers_are_marked_ones():
    expected = torch.tensor([[[0.3, 0.0], [0.5, 1.0], [0.25, 1.0]]])
    torch.testing.assert_close(adding.encode("0.3, 0.5*,0.25*"), expected)


def test_other_data_and_nets_are_refused():
    with pytest.raises(InputError, match="time-machine: expected marked numbers, got text; give adding"):
        adding.load_splits(adding_problem.Config(data="time-machine"))
    with pytest.raises(UnknownNameError, match="unknown net 'lsmt'; did you mean 'lstm'"):
        adding_problem.Config(nets=("lsmt",))


# --- parity ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def bits():
    config = parity.Config(hidden_size=3, lengths=(2, 5), data="parity,length=7,examples=11")
    train, _ = parity.load_splits(config)
    return config, parity.build(config, train.about), train.tensors["x"], train.tensors["y"]


def test_a_net_reads_its_bits_alone_and_those_told_otherwise_begin_alike(bits):
    _, nets, x, y = bits
    logits = nets["rnn_every_5"](x)
    assert logits.shape == (11, 2, 5)
    torch.testing.assert_close(nets["rnn_end_5"](x), logits)
    other = x.clone()
    other[:, 5:] = 1 - other[:, 5:]
    torch.testing.assert_close(nets["rnn_every_5"](other), logits)
    torch.testing.assert_close(parity.end_loss(logits, y), cross_entropy(logits[:, :, 4], y[:, 4]))
    torch.testing.assert_close(parity.every_loss(logits, y), cross_entropy(logits, y[:, :5]))


def test_each_net_learns_from_its_own_loss(bits):
    config, nets, x, y = bits
    step = parity.Told(nets, config.reference, parity.end_loss, contest.Rule("sgd", 1.0), score=parity.end_accuracy)
    for name, loss in (("lstm_every_5", parity.every_loss), ("lstm_end_5", parity.end_loss)):
        before = parameters_to_vector(nets[name].parameters()).detach()
        parameters = list(nets[name].parameters())
        gradient = parameters_to_vector(torch.autograd.grad(loss(nets[name](x), y), parameters))
        step.update(name, x, y)
        torch.testing.assert_close(parameters_to_vector(parameters), before - gradient)


def test_solved_up_to_the_first_length_that_is_not():
    config = parity.Config(lengths=(2, 4, 8))
    accuracies = dict.fromkeys(config.titles, 1.0) | {"rnn_end_4": 0.6, "lstm_end_2": 0.9}
    assert parity.solved(config, accuracies) == {
        "solved_rnn_every": 8.0,
        "solved_rnn_end": 2.0,
        "solved_lstm_every": 8.0,
        "solved_lstm_end": 0.0,
    }


@pytest.mark.parametrize("lengths", [(), (0, 2), (4, 2), (2, 2)])
def test_lengths_must_rise(lengths):
    with pytest.raises(InputError, match="--lengths: expected whole numbers from 1 that rise"):
        parity.Config(lengths=lengths)


def test_a_length_longer_than_the_rows_is_refused():
    with pytest.raises(InputError, match=r"--lengths: expected at most 5, .* got 9; give parity,length=9"):
        parity.load_splits(parity.Config(lengths=(2, 9), data="parity,length=5"))


# --- clipping and the penalty ---------------------------------------------------------------------------------------


@pytest.fixture
def symbols():
    torch.manual_seed(0)
    config = gradient_clipping.Config(hidden_size=4, data="first-symbol,length=16,examples=5", gain=1.2)
    train, _ = gradient_clipping.gates.load_splits(config)
    return config, gradient_clipping.build(config, train.about).double(), train.tensors["x"], train.tensors["y"]


def test_the_penaltys_gradient_is_that_of_its_definition(symbols):
    _, nets, x, y = symbols
    net = nets["omega"]
    layer = net.tagger.recurrent
    inputs = net.encode(x).transpose(0, 1) @ layer.weight_ih_l0.T + layer.bias_ih_l0 + layer.bias_hh_l0
    before = [inputs[0]]
    for product in inputs[1:]:
        before.append(before[-1].tanh() @ layer.weight_hh_l0.T + product)
    loss = cross_entropy(net.tagger.output(before[-1].tanh()), y)
    gradients = torch.autograd.grad(loss, before)
    weight = layer.weight_hh_l0.detach().requires_grad_()
    total = 0.0
    for a, after in zip(before, gradients[1:], strict=False):
        back = (after @ weight) * (1 - a.detach().tanh() ** 2)
        total = total + (back.norm(dim=1) / after.norm(dim=1) - 1).square().sum() / len(y)
    value, gradient = gradient_clipping.penalty_gradient(net, x, y)
    assert value == pytest.approx(total.item())
    torch.testing.assert_close(gradient, torch.autograd.grad(total, weight)[0])


def test_each_net_is_clipped_in_its_own_way(symbols):
    config, nets, x, y = symbols
    step = gradient_clipping.Clipping(nets, cross_entropy, config)
    gradients = {}
    for name, net in nets.items():
        for parameter in net.parameters():
            parameter.grad = torch.full_like(parameter, 10.0)
        step.amend(name, x, y)
        gradients[name] = parameters_to_vector([parameter.grad for parameter in net.parameters()])
    assert (gradients["plain"] == 10).all()
    assert (gradients["value"] == config.element).all()
    assert gradients["norm"].norm().item() == pytest.approx(config.clip)
    assert gradients["norm"].std() < 1e-12  # one direction still
    assert gradients["omega"].norm().item() == pytest.approx(config.clip)
    assert gradients["omega"].std() > 1e-6
    assert step.greatest["plain"] == pytest.approx(10 * len(gradients["plain"]) ** 0.5)


# --- Hessian-free ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rung", ["torch", "scratch"])
def test_a_net_as_a_function_of_its_parameters_is_the_net(rung):
    torch.manual_seed(0)
    net = adding.net(hessian_free.Config(hidden_size=3, rung=rung), "rnn").double()
    x = data.load(ROWS).tensors["x"].double()
    outputs, states = hessian_free.on_parameters(net, x)(parameters_to_vector(net.parameters()))
    torch.testing.assert_close(outputs, net(x))
    expected = net.recurrent(x)[0].transpose(0, 1)
    torch.testing.assert_close(states.square().sum(), expected.square().sum(dim=(0, 2)).mean())


def test_a_hessian_free_update_comes_at_every_so_manieth_batch_and_lowers_the_loss():
    torch.manual_seed(0)
    config = hessian_free.Config(hidden_size=3, every=3, curvature=50, data=ROWS)
    train, _ = adding.load_splits(config)
    x, y = train.tensors["x"], train.tensors["y"]
    nets = hessian_free.build(config, train.about)
    race, losses = hessian_free.Race(nets, adding.squared_error, config), []
    for _ in range(7):
        losses.append(race.update("hf", x, y)[0])
    assert losses[0] > losses[1] == losses[2] == losses[3] > losses[4] == losses[5] == losses[6]


# --- Jacobians ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("nn", [torch.nn, layers])
@pytest.mark.parametrize("cell", ["rnn", "relu", "gru", "lstm", "orthogonal"])
def test_the_steps_of_a_layer_are_the_layers(cell, nn):
    torch.manual_seed(0)
    layer = adding.LastAnswer(cell, 5, nn=nn).recurrent.double()
    x = torch.randn(1, 7, 2, dtype=torch.float64)
    products, step, size = jacobian_spectra.steps_of(layer)
    state, outputs = torch.zeros(1, size, dtype=torch.float64), []
    for product in products(x[0]):
        state = step(product[None], state)
        outputs.append(state[0, :5])
    torch.testing.assert_close(torch.stack(outputs), layer(x)[0][0])


def test_a_product_is_the_derivative_of_the_last_state_by_the_first():
    torch.manual_seed(0)
    layer = torch.nn.GRU(2, 3, batch_first=True)
    x = torch.randn(6, 2)
    steps = jacobian_spectra.jacobians(layer, x)
    whole = torch.autograd.functional.jacobian(
        lambda h: layer.double()(x[None].double(), h[None, None])[1][0, 0], torch.zeros(3, dtype=torch.float64)
    )
    torch.testing.assert_close(torch.linalg.multi_dot(list(steps.flip(0))), whole)
    torch.testing.assert_close(product_spectra(steps)[-1], torch.linalg.svdvals(whole).log())


@pytest.mark.parametrize("gain", [0.5, 1.5])
def test_without_an_input_a_linear_net_grows_as_its_spectral_radius(gain):
    weight, steps, _ = jacobian_spectra.without_input(gain, seed=0)
    moduli = torch.linalg.eigvals(weight).abs().log().sort(descending=True).values
    found = lyapunov_exponents(steps, count=2, burn_in=100)
    assert found.sum().item() == pytest.approx(moduli[:2].sum().item(), abs=0.03)  # a complex pair turns
