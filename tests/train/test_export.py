import copy
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from fathom import layers
from fathom.errors import FathomError, InputError, UnknownNameError
from fathom.train import export as room
from fathom.train.export import EXAMPLES, Exportable, compare, export


def small(namespace=nn):
    torch.manual_seed(0)
    model = namespace.Sequential(
        namespace.Conv2d(2, 3, 3, padding=1, bias=False),
        namespace.BatchNorm2d(3),
        namespace.ReLU(),
        namespace.MaxPool2d(2),
        namespace.Dropout(0.5),
        namespace.Flatten(),
        namespace.Linear(3 * 2 * 3, 5),
    )
    model[1].running_mean.normal_()
    return model.eval()


def exportable(model, **changes):
    x = torch.rand(EXAMPLES, 2, 5, 7, generator=torch.Generator().manual_seed(1))
    settings = {
        "model": model,
        "inputs": {"x": x},
        "outputs": ("y",),
        "fresh": lambda: copy.deepcopy(model).apply(forget),
        "about": {"classes": ["a", "b"], "recipe": "small", "std": 0.5},
    }
    return Exportable(**settings | changes)


def forget(module):
    if hasattr(module, "reset_parameters"):
        module.reset_parameters()


def test_the_weights_carry_their_metadata_as_texts(tmp_path):
    from safetensors import safe_open

    done = export(exportable(small()), tmp_path / "w.safetensors", "safetensors")
    assert done.largest_difference == 0
    assert done.size == (tmp_path / "w.safetensors").stat().st_size
    with safe_open(tmp_path / "w.safetensors", "pt") as file:
        assert file.metadata() == {"format": "pt", "classes": '["a", "b"]', "recipe": "small", "std": "0.5"}


def test_tied_weights_are_written_under_both_names(tmp_path):
    from safetensors.torch import load_file

    model = nn.Sequential(nn.Linear(7, 7, bias=False), nn.Linear(7, 7, bias=False))
    model[1].weight = model[0].weight
    export(exportable(model.eval(), inputs={"x": torch.rand(11, 7)}), tmp_path / "w.safetensors", "safetensors")
    assert sorted(load_file(tmp_path / "w.safetensors")) == ["0.weight", "1.weight"]


@pytest.mark.slow
def test_a_program_of_bare_operations_runs_where_fathom_is_not(tmp_path):
    model = small(layers)
    export(exportable(model), tmp_path / "model.pt2", "torch")
    torch.save(torch.rand(4, 2, 5, 7), tmp_path / "x.pt")
    script = (
        "import sys, torch; sys.modules['fathom'] = None; "
        "program = torch.export.load('model.pt2').module(); "
        "torch.save(program(torch.load('x.pt')), 'y.pt')"
    )
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True, capture_output=True)
    with torch.no_grad():
        expected = model(torch.load(tmp_path / "x.pt"))
    torch.testing.assert_close(torch.load(tmp_path / "y.pt"), expected)


@pytest.mark.slow
@pytest.mark.parametrize("namespace", [nn, layers], ids=["torch", "scratch"])
def test_onnx_answers_alike_on_every_rung(namespace, tmp_path):
    pytest.importorskip("onnxscript")
    onnxruntime = pytest.importorskip("onnxruntime")
    model = small(namespace)
    done = export(exportable(model), tmp_path / "model.onnx", "onnx")
    assert done.largest_difference < 1e-5
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    assert session.get_modelmeta().custom_metadata_map["classes"] == '["a", "b"]'
    for batch in (1, 2, 13):
        x = torch.rand(batch, 2, 5, 7)
        (found,) = session.run(["y"], {"x": x.numpy()})
        with torch.no_grad():
            torch.testing.assert_close(torch.from_numpy(found), model(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (layers.Conv1d(2, 3, 3), (2, 7)),
        (layers.Conv2d(2, 4, 3, stride=2, padding=1, groups=2), (2, 5, 7)),
        (layers.AvgPool2d(2), (2, 5, 7)),
        (layers.AdaptiveAvgPool2d(3), (2, 5, 7)),
        (layers.GroupNorm(1, 2), (2, 5, 7)),
        (layers.LayerNorm(7), (5, 7)),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else "",
)
def test_layers_from_scratch_can_be_traced_for_any_batch(layer, shape):
    batch = torch.export.Dim("batch")
    with torch.no_grad():
        program = torch.export.export(layer.eval(), (torch.rand(2, *shape),), dynamic_shapes=({0: batch},)).module()
        x = torch.rand(5, *shape)
        torch.testing.assert_close(program(x), layer(x))


def test_one_hot_can_be_traced_for_any_batch():
    class OneHot(nn.Module):
        def forward(self, x):
            return layers.functional.one_hot(x, 7)

    given = torch.tensor([3, 0])
    program = torch.export.export(OneHot(), (given,), dynamic_shapes=({0: torch.export.Dim("batch")},)).module()
    x = torch.tensor([6, 1, 0])
    torch.testing.assert_close(program(x), nn.functional.one_hot(x, 7))


# --- what must not be written -----------------------------------------------------------------------------------------


def test_a_file_that_answers_otherwise_is_not_kept(tmp_path, monkeypatch):
    def spoilt(what, file):
        file.write_bytes(b"weights")
        return lambda x: what.model(x) + torch.tensor([0, 0, 0.01, 0, 0]), "nobody"

    monkeypatch.setattr(room, "FORMATS", {"torch": spoilt})
    with pytest.raises(FathomError, match=r"answers otherwise: y is off by 0\.01, expected at most 0\.0001") as caught:
        export(exportable(small()), tmp_path / "model.pt2", "torch")
    assert caught.value.exit_code == 1
    assert list(tmp_path.iterdir()) == []


def test_an_exporter_that_fails_midway_leaves_nothing_and_says_one_line(tmp_path, monkeypatch):
    def half(what, file):
        file.write_bytes(b"half")
        raise RuntimeError("no such\noperation")

    monkeypatch.setattr(room, "FORMATS", {"onnx": half})
    with pytest.raises(FathomError, match=r"--format onnx: the model could not be exported \(no such operation\); try"):
        export(exportable(small()), tmp_path / "model.onnx", "onnx")
    assert list(tmp_path.iterdir()) == []


def test_an_answer_is_compared_in_every_example_and_batch_size():
    model = small()
    what = exportable(model)
    last = what.inputs["x"][-1]

    def off_in_the_last(x):
        return model(x) + 0.5 * (x == last).all(dim=(1, 2, 3))[:, None]

    def fixed_to_batches_of_three(x):
        return model(x[:3])

    with torch.no_grad():
        difference, largest = compare(what, model)
        assert difference == 0
        assert largest == pytest.approx(model(what.inputs["x"]).abs().max().item())
        with pytest.raises(FathomError, match=r"off by 0\.5"):
            compare(what, off_in_the_last)
        with pytest.raises(FathomError, match=r"gives y \(3, 5\), expected \(7, 5\)"):
            compare(what, fixed_to_batches_of_three)
        with pytest.raises(FathomError, match="off by nan"):
            compare(what, lambda x: model(x) * float("nan"))


def test_an_answer_may_differ_relative_to_its_largest_number():
    model = nn.Linear(7, 3)
    what = exportable(model, inputs={"x": 1e6 * torch.rand(EXAMPLES, 7)})
    with torch.no_grad():
        assert compare(what, lambda x: model(x) * (1 + 5e-5))[0] > 1
        with pytest.raises(FathomError, match="answers otherwise"):
            compare(what, lambda x: model(x) * (1 + 5e-4))


def test_more_weights_than_one_onnx_file_holds_are_refused(tmp_path, monkeypatch):
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    monkeypatch.setattr(room, "MOST_BYTES", 100)
    with pytest.raises(InputError, match="--format onnx: expected at most 2 GiB of weights"):
        export(exportable(small()), tmp_path / "model.onnx", "onnx")


def test_an_unknown_format_is_named(tmp_path):
    with pytest.raises(UnknownNameError, match="unknown format 'onxx'; did you mean 'onnx'"):
        export(exportable(small()), tmp_path / "model.onnx", "onxx")


def test_a_state_whose_batch_is_its_second_axis_is_cut_there(tmp_path):
    class Step(nn.Module):
        def __init__(self):
            super().__init__()
            self.cell = nn.GRU(3, 5, num_layers=2, batch_first=True)

        def forward(self, x, state):
            y, state = self.cell(x[:, None], state)
            return y[:, 0], state

    model = Step().eval()
    inputs = {"x": torch.rand(EXAMPLES, 3), "state": torch.rand(2, EXAMPLES, 5)}
    what = exportable(model, inputs=inputs, outputs=("y", "next"), batch_axes={"state": 1}, inner="cell")
    assert what.shapes == {"x": ["batch", 3], "state": [2, "batch", 5]}
    assert [tuple(part.shape) for part in what.batch(4, 7)] == [(7, 3), (2, 7, 5)]
    export(what, tmp_path / "step.safetensors", "safetensors")
    from safetensors.torch import load_file

    assert set(load_file(Path(tmp_path / "step.safetensors"))) == set(model.cell.state_dict())
