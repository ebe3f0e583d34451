"""Layers, losses, initialisers and optimisers beside torch's, from the same state dicts."""

import copy
import math

import numpy as np
import pytest
import torch
from torch import nn as tnn

import fathom.autograd as ag
from fathom.autograd import nn, optim
from fathom.autograd.nn import functional as F

IMAGES, ROWS, STEPS = (3, 4, 7, 8), (5, 4), (5, 3, 4)
LAYERS = {  # what builds the layer in either namespace, and the shape of its input
    "Identity": (lambda n: n.Identity(3, unused=1), ROWS),
    "Flatten": (lambda n: n.Flatten(), IMAGES),
    "Linear": (lambda n: n.Linear(4, 3), STEPS),
    "Linear without bias": (lambda n: n.Linear(4, 3, bias=False), ROWS),
    "Conv2d": (lambda n: n.Conv2d(4, 6, (3, 2), stride=2, padding=(1, 0), dilation=(1, 2), groups=2), IMAGES),
    "Conv2d 1x1": (lambda n: n.Conv2d(4, 5, 1, bias=False), IMAGES),
    "Conv2d depthwise": (lambda n: n.Conv2d(4, 8, 3, padding=1, groups=4), IMAGES),
    "ConvTranspose2d": (lambda n: n.ConvTranspose2d(4, 6, 3, 2, 1, 1, groups=2, dilation=2), IMAGES),
    "ConvTranspose2d with room for more windows": (
        lambda n: n.ConvTranspose2d(4, 3, 2, 1, 0, 2, dilation=3),
        IMAGES,
    ),
    "AvgPool2d": (lambda n: n.AvgPool2d((2, 3), 2, (1, 0)), IMAGES),
    "MaxPool2d": (lambda n: n.MaxPool2d(3, 2, 1), IMAGES),
    "AdaptiveAvgPool2d": (lambda n: n.AdaptiveAvgPool2d(1), IMAGES),
    "BatchNorm1d": (lambda n: n.BatchNorm1d(4), ROWS),
    "BatchNorm1d steps": (lambda n: n.BatchNorm1d(3, momentum=None), STEPS),
    "BatchNorm2d": (lambda n: n.BatchNorm2d(4, momentum=0.3), IMAGES),
    "BatchNorm2d plain": (lambda n: n.BatchNorm2d(4, affine=False, track_running_stats=False), IMAGES),
    "LayerNorm": (lambda n: n.LayerNorm(4), STEPS),
    "LayerNorm two axes": (lambda n: n.LayerNorm((3, 4), bias=False), STEPS),
    "RNN": (lambda n: n.RNN(4, 6, 2, bidirectional=True), STEPS),
    "RNN relu": (lambda n: n.RNN(4, 6, nonlinearity="relu", bias=False, batch_first=True), STEPS),
    "LSTM": (lambda n: n.LSTM(4, 6, 2, batch_first=True, bidirectional=True), STEPS),
    "GRU": (lambda n: n.GRU(4, 6, 2), STEPS),
    "TransformerEncoderLayer": (lambda n: n.TransformerEncoderLayer(4, 2, 7, 0.0, batch_first=True), STEPS),
    "TransformerEncoderLayer norm first": (
        lambda n: n.TransformerEncoderLayer(4, 2, 7, 0.0, "gelu", norm_first=True, bias=False),
        STEPS,
    ),
    "TransformerEncoder": (
        lambda n: n.TransformerEncoder(n.TransformerEncoderLayer(4, 1, 7, 0.0, batch_first=True), 2, n.LayerNorm(4)),
        STEPS,
    ),
    "Sequential": (lambda n: n.Sequential(n.Linear(4, 3), n.Sigmoid(), n.Dropout(0.0), n.Linear(3, 2)), ROWS),
    **{
        name: (lambda n, name=name: getattr(n, name)(), ROWS)
        for name in ("Sigmoid", "Tanh", "ReLU", "LeakyReLU", "GELU", "SiLU", "ELU", "Softplus")
    },
    "GELU tanh": (lambda n: n.GELU("tanh"), ROWS),
    "Softmax": (lambda n: n.Softmax(1), STEPS),
    "LogSoftmax": (lambda n: n.LogSoftmax(-1), STEPS),
}


def tensors_of(y):
    return [t for part in y for t in tensors_of(part)] if isinstance(y, tuple) else [y]


def close(a, b, **tolerances):
    np.testing.assert_allclose(a, b.detach().numpy(), **{"rtol": 1e-9, "atol": 1e-11, **tolerances})


@pytest.mark.filterwarnings("ignore:enable_nested_tensor")
@pytest.mark.parametrize("name", LAYERS)
def test_layers_equal_torchs_in_value_gradients_and_state(name):
    make, shape = LAYERS[name]
    torch.manual_seed(0)
    twin, layer = make(tnn).double(), make(nn).double()
    assert list(layer.state_dict()) == list(twin.state_dict())
    layer.load_state_dict(twin.state_dict())
    x = np.random.default_rng(1).standard_normal(shape)
    for training in (True, False):
        layer.train(training)
        twin.train(training)
        mine, other = ag.Tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
        ours, theirs = tensors_of(layer(mine)), tensors_of(twin(other))
        for a, b in zip(ours, theirs, strict=True):
            close(a.array, b)
        twin.zero_grad()
        layer.zero_grad()
        sum((a**3).sum() for a in ours).backward()
        sum((b**3).sum() for b in theirs).backward()
        close(mine.grad.array, other.grad)
        for (key, a), (_, b) in zip(layer.named_parameters(), twin.named_parameters(), strict=True):
            np.testing.assert_allclose(a.grad.array, b.grad.numpy(), rtol=1e-9, atol=1e-10, err_msg=key)
        for (key, a), b in zip(layer.state_dict().items(), twin.state_dict().values(), strict=True):
            np.testing.assert_allclose(a, b.numpy(), rtol=1e-12, err_msg=key)


@pytest.mark.parametrize("batch_first", [True, False])
def test_attention_with_masks_and_other_keys_equals_torchs(batch_first):
    torch.manual_seed(0)
    twin, layer = (n.MultiheadAttention(6, 2, batch_first=batch_first).double() for n in (tnn, nn))
    layer.load_state_dict(twin.state_dict())
    rng = np.random.default_rng(0)
    query, key = rng.standard_normal((3, 5, 6)), rng.standard_normal((3, 7, 6))
    padding = np.arange(7) >= np.array([7, 4, 2])[:, None]
    blocked = np.triu(np.ones((5, 7), bool), 3)
    arrays = [query, key, key] if batch_first else [x.swapaxes(0, 1) for x in (query, key, key)]
    ours = layer(*map(ag.Tensor, arrays), key_padding_mask=ag.Tensor(padding), attn_mask=ag.Tensor(blocked))
    theirs = twin(
        *map(torch.tensor, arrays), key_padding_mask=torch.tensor(padding), attn_mask=torch.tensor(blocked)
    )  # fmt: skip
    for a, b in zip(ours, theirs, strict=True):
        close(a.array, b)
    heads = layer(*map(ag.Tensor, arrays), average_attn_weights=False)[1]
    close(heads.array, twin(*map(torch.tensor, arrays), average_attn_weights=False)[1])
    added = rng.standard_normal((5, 7))
    close(
        layer(*map(ag.Tensor, arrays), attn_mask=ag.Tensor(added))[0].array,
        twin(*map(torch.tensor, arrays), attn_mask=torch.tensor(added))[0],
    )


@pytest.mark.parametrize("name", ["RNN", "LSTM", "GRU"])
def test_recurrent_layers_start_from_a_given_state(name):
    torch.manual_seed(0)
    twin, layer = (getattr(n, name)(4, 6, 2).double() for n in (tnn, nn))
    layer.load_state_dict(twin.state_dict())
    rng = np.random.default_rng(0)
    x, states = rng.standard_normal((5, 3, 4)), rng.standard_normal((2, 2, 3, 6))
    mine = ag.Tensor(states[0]) if name != "LSTM" else tuple(map(ag.Tensor, states))
    other = torch.tensor(states[0]) if name != "LSTM" else tuple(map(torch.tensor, states))
    for a, b in zip(tensors_of(layer(ag.Tensor(x), mine)), tensors_of(twin(torch.tensor(x), other)), strict=True):
        close(a.array, b)


LOSSES = {
    "CrossEntropyLoss": {"label_smoothing": 0.1, "ignore_index": 1},
    "MSELoss": {"reduction": "sum"},
    "L1Loss": {},
    "HuberLoss": {"delta": 0.5},
    "BCEWithLogitsLoss": {},
}


@pytest.mark.parametrize("name", LOSSES)
def test_losses_equal_torchs(name):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((5, 3))
    y = rng.integers(0, 3, 5) if name == "CrossEntropyLoss" else rng.random((5, 3))
    mine, other = ag.Tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    a = getattr(nn, name)(**LOSSES[name])(mine, ag.Tensor(y))
    b = getattr(tnn, name)(**LOSSES[name])(other, torch.tensor(y))
    a.backward()
    b.backward()
    close(a.item(), b)
    close(mine.grad.array, other.grad)


def test_positive_weights_of_the_binary_loss_equal_torchs():
    rng = np.random.default_rng(0)
    x, y, w, p = rng.standard_normal((4, 3)), rng.random((4, 3)), rng.random(3), rng.random(3)
    a = nn.BCEWithLogitsLoss(ag.Tensor(w), pos_weight=ag.Tensor(p))(ag.Tensor(x), ag.Tensor(y))
    b = tnn.BCEWithLogitsLoss(torch.tensor(w), pos_weight=torch.tensor(p))(torch.tensor(x), torch.tensor(y))
    close(a.array, b)


def test_embedding_equals_torchs_and_its_padding_row_learns_nothing():
    twin, layer = tnn.Embedding(5, 3, padding_idx=1).double(), nn.Embedding(5, 3, padding_idx=1).double()
    assert not layer.weight.array[1].any()
    layer.load_state_dict(twin.state_dict())
    index = np.array([[0, 1, 4], [4, 4, 1]])
    y, expected = layer(ag.Tensor(index)), twin(torch.tensor(index))
    close(y.array, expected)
    (y**2).sum().backward()
    (expected**2).sum().backward()
    close(layer.weight.grad.array, twin.weight.grad)


def test_dropout_keeps_the_mean_and_does_nothing_in_evaluation():
    x = ag.ones(1000, requires_grad=True)
    y = F.dropout(x, 0.25, generator=np.random.default_rng(0))
    assert set(np.round(y.array, 5)) == {0.0, np.float32(1.33333)}
    assert abs(y.mean().item() - 1) < 0.1
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.array, y.array)
    assert nn.Dropout(0.9).eval()(x) is x


def test_a_state_dict_with_other_keys_or_shapes_is_refused():
    layer = nn.Sequential(nn.Linear(2, 3))
    with pytest.raises(ag.ShapeError, match=r"missing keys \['0.bias'\], unexpected keys \['1.bias'\]"):
        layer.load_state_dict({"0.weight": np.zeros((3, 2)), "1.bias": np.zeros(3)})
    with pytest.raises(ag.ShapeError, match=r"0.weight: expected shape \(3, 2\), got \(2, 3\)"):
        layer.load_state_dict({"0.weight": np.zeros((2, 3)), "0.bias": np.zeros(3)})
    layer.load_state_dict({"0.weight": np.ones((3, 2))}, strict=False)
    assert layer[0].weight.array.tolist() == [[1, 1]] * 3


def test_modules_list_their_parts_as_torchs_do():
    def build(n):
        inner = n.ModuleDict({"a": n.Linear(2, 2), "b": n.ModuleList([n.ReLU(), n.BatchNorm1d(2)])})
        return n.Sequential(n.Identity(), inner, n.Flatten())

    mine, other = build(nn), build(tnn)
    assert [name for name, _ in mine.named_modules()] == [name for name, _ in other.named_modules()]
    assert [name for name, _ in mine.named_parameters()] == [name for name, _ in other.named_parameters()]
    assert [name for name, _ in mine.named_buffers()] == [name for name, _ in other.named_buffers()]
    assert not any(part.training for part in mine.eval().modules())
    assert len(mine[:2]) == 2
    assert "(a): Linear(in_features=2, out_features=2, bias=True)" in repr(mine)
    tied = nn.Sequential(mine[1]["a"], mine[1]["a"])
    assert len(list(tied.parameters())) == 2
    twin = copy.deepcopy(tied)
    twin[0].weight.array[...] = 7
    assert twin[1].weight.array[0, 0] == 7
    assert tied[0].weight.array[0, 0] != 7


def test_tied_parameters_add_their_gradients_up():
    layer = nn.Linear(3, 3, bias=False).double()
    x = ag.Tensor(np.random.default_rng(0).standard_normal((2, 3)))
    layer(layer(x)).sum().backward()
    first, second = nn.Linear(3, 3, bias=False).double(), nn.Linear(3, 3, bias=False).double()
    for part in (first, second):
        part.load_state_dict(layer.state_dict())
    second(first(x)).sum().backward()
    np.testing.assert_allclose(layer.weight.grad.array, first.weight.grad.array + second.weight.grad.array)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: nn.Linear(4, 2)(ag.zeros(3, 5)), r"linear: expected 4 features in the last axis, got input \(3, 5\)"),
        (lambda: nn.Conv2d(3, 2, 3)(ag.zeros(1, 4, 8, 8)), r"conv2d: expected an input of shape \(batch, 3, height"),
        (lambda: nn.Conv2d(3, 2, 9)(ag.zeros(1, 3, 8, 8)), r"conv2d: a kernel of \(9, 9\) does not fit"),
        (lambda: nn.MaxPool2d(2)(ag.zeros(3, 8, 8)), r"max_pool2d: expected an input of shape \(batch, channels"),
        (lambda: nn.BatchNorm2d(3)(ag.zeros(2, 4, 5, 5)), "BatchNorm2d: expected 4 axes with 3 channels"),
        (lambda: nn.LayerNorm(3)(ag.zeros(2, 4)), r"layer_norm: expected the last axes to be \(3,\)"),
        (lambda: nn.Embedding(3, 2)(ag.tensor([3])), "embedding: numbers must be from 0 to 2, got 3"),
        (lambda: nn.Embedding(3, 2)(ag.tensor([0.0])), "embedding: expected whole numbers, got float32"),
        (lambda: nn.Linear(2, 2)(ag.zeros(1, 2, dtype=np.float64)), "linear: input of float64 .* weight of float32"),
        (lambda: F.cross_entropy(ag.zeros(2, 3), ag.tensor([0, 3])), "class numbers must be from 0 to 2, got 3"),
        (lambda: F.cross_entropy(ag.zeros(2, 3), ag.tensor([0])), r"got \(2, 3\) and \(1,\)"),
        (lambda: F.mse_loss(ag.zeros(2, 1), ag.zeros(2)), r"mse_loss: expected a target of shape \(2, 1\)"),
        (lambda: nn.GRU(4, 5)(ag.zeros(2, 3, 6)), r"GRU: expected an input of shape \(steps, batch, 4\)"),
        (lambda: optim.SGD([], lr=1.0), "SGD: got no parameters"),
    ],
)
def test_bad_input_to_layers_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(
    ("name", "spread"),
    [
        ("xavier_uniform_", math.sqrt(2 / 250)),
        ("xavier_normal_", math.sqrt(2 / 250)),
        ("kaiming_uniform_", math.sqrt(2 / 150)),
        ("kaiming_normal_", math.sqrt(2 / 150)),
        ("normal_", 1.0),
        ("uniform_", 1 / math.sqrt(12)),
    ],
)
def test_initialisers_have_the_spread_of_their_formula(name, spread):
    weight = nn.Parameter(np.zeros((100, 150)))
    getattr(nn.init, name)(weight, generator=np.random.default_rng(0))
    assert weight.array.std() == pytest.approx(spread, rel=0.02)


def test_orthogonal_and_constant_initialisers():
    for shape in ((3, 5), (5, 3)):
        weight = nn.init.orthogonal_(nn.Parameter(np.zeros(shape)), gain=2.0).array
        product = weight @ weight.T if shape[0] < shape[1] else weight.T @ weight
        np.testing.assert_allclose(product, 4 * np.eye(3), atol=1e-12)
    weight = nn.Parameter(np.zeros((2, 2)))
    assert nn.init.ones_(weight).array.sum() == 4
    assert nn.init.constant_(weight, 0.5).array.sum() == 2
    for name in ("relu", "tanh", "leaky_relu", "linear"):
        assert nn.init.calculate_gain(name) == pytest.approx(tnn.init.calculate_gain(name))


OPTIMISERS = {
    "SGD": {"lr": 0.1},
    "SGD momentum": {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.01, "dampening": 0.2},
    "SGD nesterov": {"lr": 0.1, "momentum": 0.9, "nesterov": True},
    "Adam": {"lr": 0.05, "betas": (0.8, 0.95), "weight_decay": 0.1, "eps": 1e-6},
}


@pytest.mark.parametrize("name", OPTIMISERS)
def test_optimisers_take_torchs_steps_and_resume_from_their_state(name):
    rng = np.random.default_rng(0)
    start, target = rng.standard_normal((5, 3)), rng.standard_normal((5, 3))
    mine, other = nn.Parameter(start.copy()), tnn.Parameter(torch.tensor(start))
    kind, options = name.split()[0], OPTIMISERS[name]
    ours = getattr(optim, kind)([mine], **options)
    theirs = getattr(torch.optim, kind)([other], **options)
    for step in range(8):
        ours.zero_grad()
        theirs.zero_grad()
        F.mse_loss(mine.tanh(), ag.Tensor(target)).backward()
        tnn.functional.mse_loss(other.tanh(), torch.tensor(target)).backward()
        ours.step()
        theirs.step()
        close(mine.array, other)
        if step == 3:  # a new one goes on from the state
            state = copy.deepcopy(ours.state_dict())
            ours = getattr(optim, kind)([mine], lr=99.0)
            ours.load_state_dict(state)


def test_groups_have_options_of_their_own():
    a, b = nn.Parameter(np.ones(2)), nn.Parameter(np.ones(2))
    optimizer = optim.SGD([{"params": [a]}, {"params": [b], "lr": 0.5}], lr=0.1)
    (a.sum() + b.sum()).backward()
    optimizer.step()
    np.testing.assert_allclose((a.array[0], b.array[0]), (0.9, 0.5))
    assert [group["lr"] for group in optimizer.state_dict()["param_groups"]] == [0.1, 0.5]


def test_clipping_shrinks_all_gradients_by_one_factor_as_torchs():
    x = np.random.default_rng(0).standard_normal(5)
    mine, other = nn.Parameter(x), tnn.Parameter(torch.tensor(x))
    (mine**2).sum().backward()
    (other**2).sum().backward()
    assert nn.clip_grad_norm_([mine], 1.0) == pytest.approx(tnn.utils.clip_grad_norm_([other], 1.0).item())
    close(mine.grad.array, other.grad)


def lenet(n):
    return n.Sequential(
        n.Conv2d(1, 6, 5, padding=2),
        n.Sigmoid(),
        n.AvgPool2d(2, 2),
        n.Conv2d(6, 16, 5),
        n.Sigmoid(),
        n.AvgPool2d(2, 2),
        n.Flatten(),
        n.Linear(400, 120),
        n.Sigmoid(),
        n.Linear(120, 10),
    )


def test_ten_steps_of_lenet_give_torchs_losses():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((8, 1, 28, 28)), rng.integers(0, 10, 8)
    torch.manual_seed(0)
    twin, network = lenet(tnn).double(), lenet(nn).double()
    network.load_state_dict(twin.state_dict())
    ours, theirs = optim.SGD(network.parameters(), 0.5), torch.optim.SGD(twin.parameters(), 0.5)
    for _ in range(10):
        ours.zero_grad()
        theirs.zero_grad()
        loss = F.cross_entropy(network(ag.Tensor(x)), ag.Tensor(y))
        expected = tnn.functional.cross_entropy(twin(torch.tensor(x)), torch.tensor(y))
        loss.backward()
        expected.backward()
        ours.step()
        theirs.step()
        assert loss.item() == pytest.approx(expected.item(), rel=1e-11)


def test_convolution_in_many_blocks_equals_convolution_in_one(monkeypatch):
    from fathom.autograd.operations import windows

    layer = nn.Conv2d(3, 4, 3, stride=2, padding=1).double()
    x = ag.randn(2, 3, 9, 11, dtype=np.float64, requires_grad=True)
    results = []
    for size in (windows.BLOCK_BYTES, 1000, 1):
        monkeypatch.setattr(windows, "BLOCK_BYTES", size)
        y = layer(x)
        results.append([y.array, *(g.array for g in ag.grad((y**2).sum(), (x, layer.weight)))])
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-13)
