"""The builder's guide of the book, on the layers of torch and on ours: what a module is, by what it must do."""

import copy

import pytest
import torch
from torch import Tensor
from torch.nn.functional import mse_loss

from fathom import layers, models
from fathom.errors import RunFolderError
from fathom.layers import namespace
from fathom.train import load_checkpoint, save_checkpoint

RUNGS = ("torch", "scratch")
on_both_rungs = pytest.mark.parametrize("nn", [namespace(rung) for rung in RUNGS], ids=RUNGS)


def torch_leaves(model):
    """Layers of torch's own that compute something."""
    containers = (torch.nn.Sequential, torch.nn.ModuleList, torch.nn.ModuleDict)
    kinds = [type(module) for module in model.modules() if not isinstance(module, containers)]
    return [kind.__name__ for kind in kinds if kind.__module__.startswith("torch.nn")]


def x_of(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


# --- blocks ---------------------------------------------------------------------------------------------------------


def block(nn, features):
    return nn.Sequential(nn.Linear(features, 7), nn.ReLU(), nn.Linear(7, features), nn.ReLU())


@on_both_rungs
def test_blocks_hold_blocks(nn):
    nested = nn.Sequential()
    for number in range(3):
        nested.add_module(f"block {number}", block(nn, 5))
    model = nn.Sequential(nested, nn.Linear(5, 2))
    x = x_of(3, 5)
    y = x
    for number in range(3):
        for layer in nested[number]:
            y = layer(y)
    assert torch.equal(model(x), model[1](y))
    assert model[0][1][2].bias.shape == (5,)
    assert torch_leaves(model) == ([] if nn is layers else ["Linear", "ReLU"] * 6 + ["Linear"])


class Chain(torch.nn.Module):
    """A `Sequential` of one's own: the layers in order."""

    def __init__(self, *parts):
        super().__init__()
        for number, part in enumerate(parts):
            self.add_module(str(number), part)

    def forward(self, x: Tensor) -> Tensor:
        for part in self.children():
            x = part(x)
        return x


@on_both_rungs
def test_a_container_of_ones_own_equals_sequential(nn):
    ours, theirs = Chain(nn.Linear(5, 3), nn.Tanh()), nn.Sequential(nn.Linear(5, 3), nn.Tanh())
    theirs.load_state_dict(ours.state_dict())  # the same names
    assert torch.equal(ours(x_of(2, 5)), theirs(x_of(2, 5)))


class FixedAndLooping(torch.nn.Module):
    """Fixed random weights, one layer used twice, and a loop whose length depends on the numbers."""

    def __init__(self, nn):
        super().__init__()
        self.register_buffer("fixed", torch.rand(5, 5, generator=torch.Generator().manual_seed(0)))
        self.linear = nn.Linear(5, 5)
        self.turns = 0

    def forward(self, x: Tensor) -> Tensor:
        x = self.linear(x)
        x = torch.relu(x @ self.fixed + 1)
        x = self.linear(x)  # the same weights again
        self.turns = 0
        while x.abs().sum() > 1:
            x, self.turns = x / 2, self.turns + 1
        return x.sum()


@on_both_rungs
def test_a_block_may_have_fixed_weights_and_control_flow(nn):
    model = FixedAndLooping(nn)
    loss = model(x_of(2, 5))
    loss.backward()
    assert model.turns > 0
    assert [name for name, _ in model.named_parameters()] == ["linear.weight", "linear.bias"]
    assert "fixed" in model.state_dict()  # saved, though nothing learns it
    before = model.fixed.clone()
    torch.optim.SGD(model.parameters(), lr=0.1).step()
    assert torch.equal(model.fixed, before)


@on_both_rungs
def test_a_loop_is_differentiated_as_it_ran(nn):
    model, x = FixedAndLooping(nn).double(), x_of(2, 5).double().requires_grad_()
    assert torch.autograd.gradcheck(model, (x,))


# --- parameters -----------------------------------------------------------------------------------------------------


@on_both_rungs
def test_parameters_are_found_by_name(nn):
    model = nn.Sequential(nn.Linear(5, 3), nn.ReLU(), nn.Sequential(nn.Linear(3, 2), nn.ReLU()))
    named = dict(model.named_parameters())
    assert list(named) == ["0.weight", "0.bias", "2.0.weight", "2.0.bias"] == list(model.state_dict())
    assert {name: tuple(parameter.shape) for name, parameter in named.items()} == {
        "0.weight": (3, 5),
        "0.bias": (3,),
        "2.0.weight": (2, 3),
        "2.0.bias": (2,),
    }
    assert named["2.0.weight"] is model[2][0].weight is model.get_parameter("2.0.weight")
    assert model.get_submodule("2.0") is model[2][0]
    assert named["0.bias"].grad is None
    model(x_of(2, 5)).sum().backward()
    assert named["0.bias"].grad.shape == (3,)


@on_both_rungs
def test_each_layer_may_be_initialised_in_its_own_way(nn):
    model = nn.Sequential(nn.Linear(5, 3), nn.ReLU(), nn.Linear(3, 2))
    nn.init.xavier_uniform_(model[0].weight)
    nn.init.constant_(model[2].weight, 42)
    assert model[0].weight.abs().max() <= (6 / 8) ** 0.5
    assert torch.equal(model[2].weight, torch.full((2, 3), 42.0))
    with torch.no_grad():
        model[0].weight[0, 0] = 7.0  # by hand
    assert model.state_dict()["0.weight"][0, 0] == 7


@on_both_rungs
def test_tied_parameters_are_one_parameter(nn):
    shared = nn.Linear(3, 3)
    model = nn.Sequential(nn.Linear(5, 3), nn.ReLU(), shared, nn.ReLU(), shared, nn.Linear(3, 1))
    assert len(list(model.parameters())) == 6  # not 8
    with torch.no_grad():
        model[2].weight[0, 0] = 100.0
    assert torch.equal(model[2].weight, model[4].weight)


@on_both_rungs
def test_the_gradients_of_tied_parameters_add_up(nn):
    shared = nn.Linear(3, 3)
    tied = nn.Sequential(shared, nn.Tanh(), shared).double()
    apart = nn.Sequential(copy.deepcopy(shared), nn.Tanh(), copy.deepcopy(shared)).double()
    x = x_of(5, 3).double()
    tied(x).square().sum().backward()
    apart(x).square().sum().backward()
    torch.testing.assert_close(shared.weight.grad, apart[0].weight.grad + apart[2].weight.grad)
    torch.testing.assert_close(shared.bias.grad, apart[0].bias.grad + apart[2].bias.grad)


@on_both_rungs
def test_a_tied_weight_is_saved_once_and_comes_back_tied(nn, tmp_path):
    def build():
        model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
        model[1].weight = model[0].weight
        return model

    model, again = build(), build()
    path = tmp_path / "tied.safetensors"
    save_checkpoint(path, {"model": model.state_dict()})
    assert path.stat().st_size < 2000
    again.load_state_dict(load_checkpoint(path)["model"])
    assert again[0].weight is again[1].weight
    assert torch.equal(again(x_of(2, 3)), model(x_of(2, 3)))


# --- layers of one's own --------------------------------------------------------------------------------------------


class Centred(torch.nn.Module):
    """A layer without parameters: takes off the mean of each example."""

    def forward(self, x: Tensor) -> Tensor:
        return x - x.mean(dim=-1, keepdim=True)


class Dense(torch.nn.Module):
    """A layer with parameters: what Linear does, and a ReLU; weights `(in, out)`, as the book has them."""

    def __init__(self, in_features, out_features):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.randn(in_features, out_features))
        self.bias = torch.nn.Parameter(torch.zeros(out_features))

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x @ self.weight + self.bias)


@on_both_rungs
def test_a_layer_without_parameters_joins_others(nn):
    model = nn.Sequential(nn.Linear(5, 7), Centred())
    torch.testing.assert_close(model(x_of(3, 5)).mean(dim=1), torch.zeros(3))
    assert list(Centred().parameters()) == []


@on_both_rungs
def test_a_layer_with_parameters_equals_the_ready_made_one(nn):
    dense, linear = Dense(5, 3), nn.Linear(5, 3)
    linear.load_state_dict({"weight": dense.weight.T, "bias": dense.bias})
    ready = nn.Sequential(linear, nn.ReLU())
    x = x_of(2, 5)
    torch.testing.assert_close(dense(x), ready(x))
    dense(x).sum().backward()
    ready(x).sum().backward()
    torch.testing.assert_close(dense.weight.grad, linear.weight.grad.T)


@on_both_rungs
def test_a_layer_of_ones_own_learns_within_a_model(nn):
    torch.manual_seed(0)
    model = nn.Sequential(Dense(2, 8), nn.Linear(8, 1))
    x = x_of(64, 2)
    y = x[:, :1] * x[:, 1:]
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    losses = []
    for _ in range(60):
        loss = mse_loss(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.3 * losses[0]


# --- deferred initialisation ----------------------------------------------------------------------------------------


def lazy(nn):
    return nn.Sequential(
        nn.LazyConv2d(3, 3, padding=1), nn.LazyBatchNorm2d(), nn.ReLU(), nn.Flatten(), nn.LazyLinear(2)
    )


@on_both_rungs
def test_shapes_are_found_when_the_first_batch_comes(nn):
    model = lazy(nn)
    assert all(torch.nn.parameter.is_lazy(parameter) for parameter in model[0].parameters())
    assert model(x_of(2, 5, 7, 4)).shape == (2, 2)
    shapes = {name: tuple(parameter.shape) for name, parameter in model.named_parameters()}
    assert shapes == {
        "0.weight": (3, 5, 3, 3),
        "0.bias": (3,),
        "1.weight": (3,),
        "1.bias": (3,),
        "4.weight": (2, 3 * 7 * 4),
        "4.bias": (2,),
    }
    assert not any(torch.nn.parameter.is_lazy(parameter) for parameter in model.parameters())


@on_both_rungs
def test_once_known_a_lazy_layer_is_the_usual_one(nn):
    model = lazy(nn)
    model(x_of(2, 5, 7, 4))
    plain = nn.Sequential(nn.Conv2d(5, 3, 3, padding=1), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten(), nn.Linear(84, 2))
    assert [type(layer) for layer in model] == [type(layer) for layer in plain]
    plain.load_state_dict(model.state_dict())
    x = x_of(2, 5, 7, 4, seed=1)
    assert torch.equal(model(x), plain(x))


@on_both_rungs
def test_a_lazy_layer_draws_what_the_usual_one_draws(nn):
    torch.manual_seed(0)
    late = nn.LazyLinear(3)
    late(x_of(2, 5))
    torch.manual_seed(0)
    assert torch.equal(late.weight, nn.Linear(5, 3).weight)


@on_both_rungs
def test_a_lazy_layer_may_be_loaded_before_it_has_seen_anything(nn):
    late, known = nn.LazyLinear(3), nn.Linear(5, 3)
    late.load_state_dict(known.state_dict())
    assert torch.equal(late(x_of(2, 5)), known(x_of(2, 5)))


@on_both_rungs
def test_a_second_batch_of_another_size_is_refused(nn):
    model = nn.Sequential(nn.LazyLinear(3))
    model(x_of(2, 5))
    with pytest.raises((RuntimeError, ValueError)):
        model(x_of(2, 4))


# --- saving and moving ----------------------------------------------------------------------------------------------


@on_both_rungs
def test_a_tensor_a_list_and_a_dict_come_back_from_a_file(nn, tmp_path):
    tree = {"x": torch.arange(4), "list": [torch.zeros(2), torch.ones(3)], "dict": {"a": torch.eye(2), "b": 3}}
    save_checkpoint(tmp_path / "tree.safetensors", tree)
    back = load_checkpoint(tmp_path / "tree.safetensors")
    assert torch.equal(back["x"], tree["x"])
    assert [part.tolist() for part in back["list"]] == [[0, 0], [1, 1, 1]]
    assert torch.equal(back["dict"]["a"], torch.eye(2))
    assert back["dict"]["b"] == 3


@pytest.mark.parametrize("saved", RUNGS)
@pytest.mark.parametrize("loaded", RUNGS)
def test_a_model_comes_back_from_its_file_on_any_rung(saved, loaded, tmp_path):
    model = models.create("mlp", in_features=5, hidden_sizes=(7,), num_classes=3, nn=namespace(saved))
    save_checkpoint(tmp_path / "mlp.safetensors", {"model": model.state_dict()})
    again = models.create("mlp", in_features=5, hidden_sizes=(7,), num_classes=3, nn=namespace(loaded))
    again.load_state_dict(load_checkpoint(tmp_path / "mlp.safetensors")["model"])
    torch.testing.assert_close(again(x_of(2, 5)), model(x_of(2, 5)))


@on_both_rungs
def test_a_file_of_another_model_is_refused(nn, tmp_path):
    save_checkpoint(tmp_path / "one.safetensors", {"model": nn.Linear(5, 3).state_dict()})
    with pytest.raises(RuntimeError, match="size mismatch for weight"):
        nn.Linear(4, 3).load_state_dict(load_checkpoint(tmp_path / "one.safetensors")["model"])
    with pytest.raises(RunFolderError, match=r"there is no checkpoint"):
        load_checkpoint(tmp_path / "another.safetensors")


@on_both_rungs
def test_a_model_may_be_laid_out_without_memory_and_filled_later(nn):
    with torch.device("meta"):
        plan = nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 3))
    assert plan(torch.empty(2, 5, device="meta")).shape == (2, 3)
    assert {parameter.device.type for parameter in plan.parameters()} == {"meta"}
    real = nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 3))
    plan = plan.to_empty(device="cpu")
    plan.load_state_dict(real.state_dict())
    assert torch.equal(plan(x_of(2, 5)), real(x_of(2, 5)))


@on_both_rungs
def test_tensors_on_two_devices_do_not_mix(nn):
    with pytest.raises((RuntimeError, NotImplementedError)):
        nn.Linear(5, 3).to("meta")(x_of(2, 5)).sum().item()


@on_both_rungs
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no cuda device on this machine")
def test_a_model_moves_to_an_accelerator_and_back(nn):
    model, x = nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 3)).double(), x_of(2, 5).double()
    here = model(x)
    there = model.to("cuda")(x.to("cuda"))
    assert there.device.type == "cuda"
    torch.testing.assert_close(there.cpu(), here)
    torch.testing.assert_close(model.to("cpu")(x), here)
