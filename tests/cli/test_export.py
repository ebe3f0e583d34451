import importlib.util
import json
import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image

from fathom.cli import main
from fathom.records import RunFolder

SIDE = 28


@pytest.fixture(scope="module")
def colour_run(tmp_path_factory):
    """LeNet on 21 noisy pictures in three colours, and the folder of these pictures."""
    root = tmp_path_factory.mktemp("colours")
    generator = torch.Generator().manual_seed(0)
    for name, shade in {"blue": (20, 30, 220), "green": (10, 200, 30), "red": (210, 20, 40)}.items():
        (root / "all" / name).mkdir(parents=True)
        for index in range(7):
            noise = torch.randint(0, 35, (SIDE, SIDE, 3), generator=generator)
            pixels = (noise + torch.tensor(shade)).byte()
            Image.fromarray(pixels.numpy()).save(root / "all" / name / f"{index}.png")
    words = ["train", "lenet", "--data", f"images:{root / 'all'},channels=3", "--quiet", "--out", str(root / "run")]
    assert main([*words, "--optimizer", "adam", "--lr", "0.01", "--batch-size", "5", "--epochs", "3"]) == 0
    return root / "run", root / "all"


@pytest.fixture(scope="module")
def onnx_file(colour_run, tmp_path_factory):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    file = tmp_path_factory.mktemp("onnx") / "colours.onnx"
    assert main(["export", str(colour_run[0]), "--out", str(file), "--quiet"]) == 0
    return file


def by_hand(paths):
    """The pictures as the metadata ask for them: `(batch, channels, height, width)`, bytes divided by 255."""
    pixels = [torch.frombuffer(bytearray(Image.open(path).tobytes()), dtype=torch.uint8) for path in paths]
    return torch.stack(pixels).reshape(-1, SIDE, SIDE, 3).permute(0, 3, 1, 2) / 255


def predicted(run, paths, capsys):
    """What `fathom predict` says of these files: `(batch, classes)`, classes in alphabetical order."""
    assert main(["predict", str(run), *map(str, paths), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["predictions"]
    return torch.tensor([[probability for _, probability in sorted(e["probabilities"].items())] for e in found])


@pytest.mark.slow
def test_onnxruntime_by_hand_says_what_predict_says(colour_run, onnx_file, capsys):
    import onnxruntime

    run, pictures = colour_run
    paths = sorted(pictures.glob("*/*.png"))[::2]
    session = onnxruntime.InferenceSession(onnx_file)
    (logits,) = session.run(None, {"pixels": by_hand(paths).contiguous().numpy()})
    expected = predicted(run, paths, capsys)
    torch.testing.assert_close(torch.from_numpy(logits).softmax(1), expected, rtol=1e-4, atol=1e-5)
    assert len(set(expected.argmax(1).tolist())) > 1  # else any constant would do


@pytest.mark.slow
def test_the_onnx_file_is_one_file_of_any_batch_size_and_knows_its_classes(onnx_file):
    import onnxruntime

    session = onnxruntime.InferenceSession(onnx_file)
    (given,) = session.get_inputs()
    metadata = session.get_modelmeta().custom_metadata_map
    assert (given.name, given.shape) == ("pixels", ["batch", 3, SIDE, SIDE])
    assert json.loads(metadata["classes"]) == ["blue", "green", "red"]
    assert "from 0 to 1" in metadata["input"]
    assert [path.name for path in onnx_file.parent.iterdir()] == ["colours.onnx"]


@pytest.mark.slow
def test_the_exported_program_says_what_predict_says(colour_run, capsys):
    run, pictures = colour_run
    assert main(["export", str(run), "--format", "torch", "--out", "colours.pt2", "--quiet"]) == 0
    capsys.readouterr()
    paths = sorted(pictures.glob("*/*.png"))[::3]
    extra = {"fathom.json": ""}
    program = torch.export.load("colours.pt2", extra_files=extra)
    with torch.inference_mode():
        probabilities = program.module()(by_hand(paths)).softmax(1)
    torch.testing.assert_close(probabilities, predicted(run, paths, capsys), rtol=1e-4, atol=1e-5)
    assert json.loads(extra["fathom.json"])["classes"] == ["blue", "green", "red"]


def test_the_weights_go_into_the_model_that_their_metadata_name(colour_run, capsys):
    from safetensors import safe_open
    from safetensors.torch import load_file

    from fathom import models

    run, pictures = colour_run
    assert main(["export", str(run), "--format", "safetensors", "--out", "colours.safetensors"]) == 0
    assert "checked by torch" in capsys.readouterr().out
    with safe_open("colours.safetensors", "pt") as file:
        metadata = file.metadata()
    model = models.create(metadata["model"], **json.loads(metadata["arguments"])).eval()
    model.load_state_dict(load_file("colours.safetensors"))
    paths = sorted(pictures.glob("*/*.png"))[::3]
    with torch.inference_mode():
        probabilities = model(by_hand(paths)).softmax(1)
    torch.testing.assert_close(probabilities, predicted(run, paths, capsys))


def test_json_is_one_document_with_the_check_and_all_that_a_user_must_know(colour_run, capsys):
    assert main(["export", str(colour_run[0]), "--format", "safetensors", "--out", "w.safetensors", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["file"] == "w.safetensors"
    assert found["bytes"] == Path("w.safetensors").stat().st_size
    assert found["inputs"] == {"pixels": ["batch", 3, SIDE, SIDE]}
    assert found["outputs"] == ["logits"]
    assert found["checked"]["largest_difference"] <= 1e-4
    assert found["checked"]["real"] is True
    assert found["metadata"]["classes"] == ["blue", "green", "red"]


def test_without_its_data_a_run_is_checked_on_generated_examples(colour_run, capsys):
    shutil.copytree(colour_run[0], "run")
    settings = Path("run/config.json")
    settings.write_text(settings.read_text().replace(str(colour_run[1]), "/nowhere"))
    assert main(["export", "run", "--format", "safetensors", "--quiet"]) == 0
    out, err = capsys.readouterr()
    assert "11 generated examples" in out
    assert err == ""
    assert Path("run/model.safetensors").is_file()


@pytest.mark.slow
def test_a_language_model_goes_on_token_by_token_as_predict_does(capsys):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    Path("text.txt").write_text("the cat sat on the mat and the dog ate the hat " * 30)
    words = ["train", "char-lstm", "--data", "text:text.txt", "--epochs", "12", "--hidden-size", "23", "--out", "run"]
    assert main([*words, "--optimizer", "adam", "--lr", "0.02", "--batch-size", "4", "--quiet"]) == 0
    assert main(["export", "run", "--quiet"]) == 0
    capsys.readouterr()
    session = onnxruntime.InferenceSession("run/model.onnx")
    vocab = json.loads(session.get_modelmeta().custom_metadata_map["vocab"])
    states = {name: torch.zeros(1, 1, 23).numpy() for name in ("hidden", "cell")}
    written, prefix = "the d", "the d"
    for place in range(len(prefix) + 19):
        token = torch.tensor([vocab.index(written[place])]).numpy()
        logits, hidden, cell = session.run(["logits", "next_hidden", "next_cell"], {"tokens": token, **states})
        states = {"hidden": hidden, "cell": cell}
        if place >= len(prefix) - 1:
            written += vocab[int(logits[0].argmax())]
    assert main(["predict", "run", prefix, "--length", "20", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["predictions"][0]["label"] == written
    assert len(set(written[len(prefix) :])) > 3


# --- what can't be ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["nowhere"], "nowhere is not a run folder (is no folder)"),
        (["RUN", "--format", "onxx"], "unknown format 'onxx'; did you mean 'onnx'?"),
        (["RUN", "--format", "pickle"], "unknown format 'pickle'; there are: onnx, safetensors, torch"),
        (["RUN", "--out", "model.pt2"], "--out: expected a name that ends in .onnx for --format onnx, got model.pt2"),
        (["RUN", "--out", "deep/model.onnx"], "--out: expected a folder that exists, but deep does not; make it"),
        (["RUN", "--out", "there.onnx"], "there.onnx is there already; give --out another name, or remove it"),
        (["RUN", "--fromat", "onnx"], "unknown flag of fathom export '--fromat'; did you mean '--format'?"),
        ([], "export: expected RUN, got nothing; write for example: fathom export runs/lenet-TIME"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_word_is_one_line_and_exit_2(words, line, colour_run, capsys):
    Path("there.onnx").write_bytes(b"mine")
    assert main(["export", *(str(colour_run[0]) if word == "RUN" else word for word in words)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert line in err
    assert err.count("\n") == 1
    assert [path.name for path in Path().iterdir()] == ["there.onnx"]
    assert Path("there.onnx").read_bytes() == b"mine"


def test_a_run_without_a_checkpoint_is_named(colour_run, capsys):
    shutil.copytree(colour_run[0], "run")
    shutil.rmtree("run/checkpoint")
    assert main(["export", "run"]) == 2
    err = capsys.readouterr().err
    assert "no checkpoint" in err
    assert err.count("\n") == 1
    assert not Path("run/model.onnx").exists()


def test_a_recipe_that_ends_in_no_single_model_is_named(capsys):
    RunFolder.create("optimizer-race", {}, "run")
    assert main(["export", "run"]) == 2
    err = capsys.readouterr().err
    assert "run: expected a run that ends in one model, but optimizer-race does not" in err
    assert err.count("\n") == 1


def test_without_the_extra_the_command_to_get_it_is_told(colour_run, capsys, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "onnxscript" else find(name))
    if find("onnx") is None:
        pytest.skip("onnx, which is looked for first, is not there either")
    assert main(["export", str(colour_run[0]), "--out", "m.onnx"]) == 2
    assert "needs the package onnxscript: run pip install 'fathom-dl[export]'" in capsys.readouterr().err
    assert list(Path().iterdir()) == []
