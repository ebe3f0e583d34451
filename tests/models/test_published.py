import re
from collections import OrderedDict

import pytest
import torch
from safetensors.torch import save_file

from fathom import autograd, models
from fathom.errors import DataError, InputError
from fathom.models.published import load_published, read_weights


@pytest.fixture
def weights():
    torch.manual_seed(0)
    model = models.create("resnet20_cifar")
    model.bn1.running_mean.uniform_()
    return model.state_dict()


def equal(model, weights):
    state = model.state_dict()
    return state.keys() == weights.keys() and all(torch.equal(state[name], weights[name]) for name in weights)


def test_a_file_of_torchs_is_loaded(weights, tmp_path):
    torch.save(weights, tmp_path / "weights.pth")
    model = models.load_published("resnet20_cifar", tmp_path / "weights.pth")
    assert equal(model, weights)
    assert not model.training


def test_a_file_in_torchs_old_format_is_loaded(weights, tmp_path):
    torch.save(OrderedDict(weights), tmp_path / "weights.pth", _use_new_zipfile_serialization=False)
    assert equal(load_published("resnet20_cifar", tmp_path / "weights.pth"), weights)


def test_safetensors_are_loaded_into_a_given_model(weights, tmp_path):
    save_file(weights, tmp_path / "weights.safetensors")
    model = models.create("resnet20_cifar")
    assert load_published(model, str(tmp_path / "weights.safetensors")) is model
    assert equal(model, weights)


@pytest.mark.parametrize("rung", ["scratch", "numpy"])
def test_every_rung_takes_them(rung, weights, tmp_path):
    torch.save(weights, tmp_path / "weights.pth")
    model = load_published(models.on_rung("resnet20_cifar", rung), tmp_path / "weights.pth")
    theirs = load_published("resnet20_cifar", tmp_path / "weights.pth")
    x = torch.rand(2, 3, 8, 8)
    ours = model(autograd.from_numpy(x.numpy()) if rung == "numpy" else x)
    torch.testing.assert_close(torch.from_numpy(ours.detach().numpy()), theirs(x).detach(), rtol=1e-4, atol=1e-4)


def test_old_files_lack_the_counts_of_batches(weights, tmp_path):
    old = {name: tensor for name, tensor in weights.items() if not name.endswith("num_batches_tracked")}
    torch.save(old, tmp_path / "weights.pth")
    assert equal(load_published("resnet20_cifar", tmp_path / "weights.pth"), weights)


def test_densenets_old_names_are_understood(tmp_path):
    torch.manual_seed(0)
    weights = models.create("densenet121", num_classes=3).state_dict()
    old = {re.sub(r"(denselayer\d+\.(?:norm|conv))([12])\.", r"\1.\2.", name): w for name, w in weights.items()}
    assert "features.denseblock1.denselayer1.norm.1.weight" in old
    assert "features.transition1.norm.weight" in old
    torch.save(old, tmp_path / "weights.pth")
    assert equal(load_published("densenet121", tmp_path / "weights.pth", num_classes=3), weights)


def test_auxiliary_heads_are_left_out_where_the_model_has_none(weights, tmp_path):
    torch.save({**weights, "aux1.fc.weight": torch.zeros(3), "AuxLogits.fc.bias": torch.zeros(3)}, tmp_path / "a.pth")
    assert equal(load_published("resnet20_cifar", tmp_path / "a.pth"), weights)


def test_other_shapes_are_named(weights, tmp_path):
    torch.save(weights, tmp_path / "weights.pth")
    with pytest.raises(InputError) as raised:
        load_published("resnet20_cifar", tmp_path / "weights.pth", in_channels=1, num_classes=7)
    assert str(raised.value) == (
        f"{tmp_path / 'weights.pth'}: expected the weights of this model, but conv1.weight is (16, 3, 3, 3) instead of "
        "(16, 1, 3, 3); fc.weight is (10, 64) instead of (7, 64); fc.bias is (10,) instead of (7,)"
    )


def test_other_names_are_named_and_counted(weights, tmp_path):
    torch.save(weights, tmp_path / "weights.pth")
    with pytest.raises(InputError, match=r"but layer1\.3\.conv1\.weight is missing; .*, and \d+ more$"):
        load_published("resnet32_cifar", tmp_path / "weights.pth")
    del weights["bn1.weight"]
    torch.save({**weights, "head.weight": torch.zeros(2)}, tmp_path / "weights.pth")
    with pytest.raises(InputError, match=r"but bn1\.weight is missing; head\.weight is not in the model$"):
        load_published("resnet20_cifar", tmp_path / "weights.pth")


def test_a_model_that_the_file_does_not_fit_stays_as_it_was(weights, tmp_path):
    torch.save({**weights, "fc.bias": torch.zeros(3)}, tmp_path / "weights.pth")
    model = models.create("resnet20_cifar")
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with pytest.raises(InputError, match=r"fc\.bias is \(3,\) instead of \(10,\)"):
        load_published(model, tmp_path / "weights.pth")
    assert equal(model, before)
    assert model.training


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_damaged_file_is_refused(suffix, weights, tmp_path):
    path = tmp_path / f"weights{suffix}"
    for content in (b"", b"no weights at all"):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"expected a file of weights alone, but .*; get it again$"):
            read_weights(path)
    torch.save(weights, path) if suffix == ".pth" else save_file(weights, path)
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(DataError, match="expected a file of weights alone, but"):
        read_weights(path)


@pytest.mark.parametrize("content", [b"hello", b"\x89PNG", b"{}", b"# fathom"])
def test_any_other_file_is_one_clear_line(content, tmp_path):
    (tmp_path / "other.pth").write_bytes(content)
    with pytest.raises(DataError, match=r"weights alone, but it is none, or damaged; get it again$"):
        read_weights(tmp_path / "other.pth")


def test_an_exported_program_is_told_how_to_become_weights(tmp_path):
    program = torch.export.export(torch.nn.Linear(2, 2), (torch.ones(1, 2),))
    torch.export.save(program, tmp_path / "model.pt2")
    with pytest.raises(DataError, match=r"it is a program; export it with --format safetensors$"):
        read_weights(tmp_path / "model.pt2")


def test_code_in_a_file_is_not_run(tmp_path):
    class Harmful:
        def __reduce__(self):
            return (tmp_path / "harm").touch, ()

    torch.save({"weight": Harmful()}, tmp_path / "weights.pth")
    with pytest.raises(DataError, match="expected a file of weights alone"):
        read_weights(tmp_path / "weights.pth")
    assert not (tmp_path / "harm").exists()


def test_what_is_no_state_dict_is_refused(weights, tmp_path):
    torch.save({"epoch": 3, "model": weights}, tmp_path / "weights.pth")
    with pytest.raises(DataError, match="expected tensors by name, got an entry 'epoch'; save the state dict alone"):
        read_weights(tmp_path / "weights.pth")
    torch.save([1, 2], tmp_path / "weights.pth")
    with pytest.raises(DataError, match="expected tensors by name, got list"):
        read_weights(tmp_path / "weights.pth")


def test_no_file_is_said(tmp_path):
    with pytest.raises(DataError, match="expected a file of weights, found none"):
        load_published("resnet20_cifar", tmp_path / "weights.pth")
