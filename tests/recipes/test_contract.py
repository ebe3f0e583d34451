"""What every recipe must keep, by walking over all of them: a new recipe joins without a new test."""

import dataclasses
import functools
import json
import os
import signal
from pathlib import Path

import pytest
import torch
from PIL import Image

from fathom import data, recipes
from fathom.data import loading
from fathom.errors import InputError, Stopped
from fathom.records import Published, Result, RunFolder
from fathom.train import TrainConfig, load_checkpoint

TINY = {"epochs": 2, "limit": 3, "batch_size": 64, "threads": 1, "device": "cpu"}
LENET = {"optimizer": "adam", "lr": 0.01, "limit": 6}  # the book's rate needs hundreds of steps before the loss moves
SHAPES = {"data": "drawn-shapes,size=16", "batch_size": 8, "examples": 24, "test_examples": 16, "schedule": "constant"}
TREES = {"hidden_size": 8, "batch_size": 8, "data": "sentiment-grammar,examples=100"}
ZOO = {"batch_size": 8, "optimizer": "adam"}
TURING = {"hidden_size": 8, "lstm_size": 8, "rows": 16, "test_rows": 16, "width": 4, "batch_size": 16, "lr": 0.01}
TRANSLATED = {
    "embedding_size": 8,
    "hidden_size": 8,
    "num_layers": 2,
    "dropout": 0.0,
    "translations": 7,
    "batch_size": 16,
    "lr": 0.01,
    "data": "number-words,pairs=300",
}
TRANSFORMED = {
    "d_model": 8,
    "num_heads": 2,
    "d_ff": 12,
    "dropout": 0.0,
    "translations": 7,
    "batch_size": 16,
    "lr": 0.01,
    "warmup": 0,
    "schedule": "constant",
    "data": "number-words,pairs=300",
}
PIECES = {
    "data": "wmt14-en-de,pairs=300,unit=subword,vocab=80,shared=true,clean=plain",
    "num_layers": 1,
    "batch_tokens": 100,
    "average": "",
}
POINT = {"batch_size": 1, "epochs": 6}  # one point moves over a given function; an epoch is one update
GPT = {"hidden_size": 8, "num_heads": 2, "num_layers": 1, "steps": 9, "schedule": "constant", "lr": 0.01, "limit": 6}
OTHERWISE = {
    "gpt-char": {**GPT, "data": "time-machine,tokens=2000"},
    "gpt-words": {**GPT, "batch_size": 8, "data": "time-machine,tokens=2000"},
    "lenet": LENET,
    "lenet-mnist": LENET,
    "perceptron": {"batch_size": 1, "limit": 100},
    "mlp-dropout": {"input_noise": 0.1, "weight_replacement": 0.1, "optimizer": "adam", "lr": 0.01},
    "polynomial": {"batch_size": 10},
    "weight-decay": {"batch_size": 5},
    "initialisation": {"depth": 3, "width": 16},
    "initialiser-grid": {"depth": 2, "width": 8},
    "vanishing-gradients": {"depth": 2, "width": 16, "matrices": 10},
    "symmetry": {"width": 8},
    "layerwise-pretraining": {"hidden_sizes": (16,), "pretrain_epochs": 1, "limit": 6},
    "losses": {"batch_size": 10, "limit": 50},
    "minibatch-tradeoff": {"sizes": (64, 16, 1), "rates": (0.1, 0.05, 0.005)},
    "lr-schedules": {"optimizer": "adam", "lr": 0.005, "horizon": 2},
    "generalisation-by-optimizer": {"examples": 64, "batch_size": 16, "width": 8, "seeds": 2},
    "large-batches": {"sizes": (1024, 4096), "batch_size": 4096, "width": 8},
    "learn-kernel": {**POINT, "size": 5},
    "channels": {**POINT, "size": 5},
    "pooling-shift": {"channels": 2, "shifts": (2,), "lr": 0.01},
    "receptive-field": {"channels": 4, "lr": 0.02, "limit": 6},
    "gradient-descent": POINT,
    "saddle-points": POINT,
    "newton": POINT,
    "preconditioning": POINT,
    "momentum": POINT,
    "plateau-reparametrisation": {"batch_size": 1},
    "convexity": {**POINT, "samples": 20},
    "vectorisation": {**POINT, "size": 3, "matrix": 8},
    "risk": {**POINT, "draws": 10},
    "sgd-decay": {"batch_size": 1, "runs": 5},
    "adam-failure": {"batch_size": 1, "runs": 3},
    "sparse-features": {"batch_size": 1, "limit": 10, "features": 11, "runs": 3},
    "adadelta": {"batch_size": 1},
    "zipf": {"batch_size": 16},
    "sequence-sine": {"batch_size": 16, "context": 8, "horizon": 16, "lr": 0.01},
    "gradient-by-lag": {"hidden_size": 8, "steps": 7, "data": "time-machine,tokens=2000"},
    "truncated-bptt": {"hidden_size": 8, "steps": 6, "span": 3, "draws": 3, "data": "time-machine,tokens=2000"},
    "gates": {"hidden_size": 8, "data": "first-symbol,length=16"},
    "sequence-likelihood": {"hidden_size": 8, "longest": 5, "data": "time-machine,tokens=2000", "lr": 0.02},
    "output-recurrence": {"hidden_size": 8, "data": "feedback,steps=6", "lr": 0.01},
    "both-directions": {"hidden_size": 8, "steps": 12, "data": "time-machine,tokens=3000"},
    "sequence-bottleneck": {"hidden_size": 8, "longest": 3, "data": "time-machine,tokens=4000"},
    "deep-recurrence": {"hidden_size": 8, "steps": 7, "data": "time-machine,tokens=2000", "lr": 0.01},
    "unfolding": {"hidden_size": 8, "steps": 3, "data": "time-machine,tokens=2000"},
    "vector-to-sequence": {"hidden_size": 8, "lr": 0.01},
    "parity": {"hidden_size": 8, "lengths": (2, 3), "data": "parity,length=5,examples=600", "lr": 0.02},
    "hessian-free": {
        "hidden_size": 8,
        "data": "adding,length=5,examples=600",
        "part": 16,
        "every": 3,
        "curvature": 32,
        "products": 12,
        "lr": 0.01,
    },
    "jacobian-spectra": {"hidden_size": 5, "data": "adding,length=7,examples=600", "lr": 0.01},
    "gradient-clipping": {"hidden_size": 8, "data": "first-symbol,length=16", "lr": 0.1},
    "adding-problem": {"hidden_size": 8, "lr": 0.01, "schedule": "constant", "data": "adding,length=7,examples=600"},
    "bidirectional-leak": {"hidden_size": 8, "steps": 7, "data": "time-machine,tokens=2000"},
    "fill-in-the-blank": {"hidden_size": 8, "steps": 7, "data": "time-machine,tokens=2000"},
    "ngram": {"order": 3, "data": "time-machine,tokens=2000"},
    "augmentation": {**SHAPES, "ways": ("none", "flip+mix-up"), "optimizer": "adam", "lr": 0.003},
    "vit": {
        **{name: value for name, value in SHAPES.items() if name != "examples"},
        "sizes": (8, 24),
        "hidden_size": 8,
        "num_heads": 2,
        "num_layers": 1,
        "warmup": 0,
        "lr": 0.01,
        "resnet_lr": 0.02,
    },
    "plain-vs-residual": {**SHAPES, "depths": (8,), "highway": 8, "lr": 0.02},
    "shortcut-options": {**SHAPES, "depth": 8, "lr": 0.02},
    "batch-norm-on-off": {
        "rates": (0.1, 1.0),
        "lr": 0.03,
        "data": "drawn-shapes,size=16",
        "batch_size": 16,
        "schedule": "constant",
    },
    "deep-narrow-kernels": {**SHAPES, "channels": 4, "optimizer": "adam", "lr": 0.003},
    "alexnet": {**ZOO, "data": "drawn-contest,size=65", "hidden_size": 64, "lr": 0.001},
    "vgg11": {**ZOO, "data": "drawn-contest,size=32", "ratio": 8, "hidden_size": 64, "batch_size": 64, "lr": 0.001},
    "nin": {**ZOO, "data": "drawn-contest,size=67", "lr": 0.003},
    "googlenet": {**ZOO, "data": "drawn-contest,size=8", "lr": 0.01},
    "lenet-bn": {"data": "drawn-contest,size=16", "batch_size": 8, "lr": 0.03},
    "resnet18": {"data": "drawn-contest,size=16", "batch_size": 16, "lr": 0.001},
    "resnet18-cifar": {"data": "drawn-contest,size=8", "batch_size": 8, "lr": 0.003, "schedule": "constant"},
    "resnet20-cifar": {"data": "drawn-contest,size=8", "batch_size": 8, "lr": 0.003, "schedule": "constant"},
    "densenet": {"data": "drawn-contest,size=29", "batch_size": 8, "lr": 0.003},
    "resnet-imagenet": {
        "batch_size": 8,
        "crop": 64,
        "shortest": 64,
        "longest": 80,
        "test_side": 72,
        "crops": 1,
        "workers": 1,
        "lr": 0.001,
        "data": "drawn-photographs",
    },
    "cifar10-kaggle": {
        **LENET,
        "network": "lenet",
        "data": "drawn-contest,size=28",
        "batch_size": 32,
        "schedule": "constant",
    },
    "dog-breeds-kaggle": {
        "pretrained": False,
        "hidden_size": 16,
        "data": "drawn-contest,size=8",
        "batch_size": 32,
        "limit": 6,
        "lr": 0.05,
        "schedule": "constant",
    },
    "classical-features": {
        "sizes": (20, 60),
        "cell": 7,
        "words": 5,
        "components": 10,
        "batch_size": 16,
        "optimizer": "sgd",
        "lr": 0.1,
    },
    "efficientnet-lite0": {
        "from_": "",
        "data": "drawn-shapes,size=33",
        "batch_size": 16,
        "lr": 0.0001,
        "clip": 0.3,
        "augment": "",
        "schedule": "constant",
    },
    "feature-extraction": {"from_": "", "data": "drawn-shapes,size=9", "examples": 40, "test_examples": 30, "lr": 0.1},
    "fine-tuning": {
        "from_": "",
        "freeze": "",
        "network": "lenet",
        "data": "drawn-shapes,size=28",
        "sizes": (20, 60),
        "test_examples": 40,
        "batch_size": 16,
        "augment": "",
        "optimizer": "adam",
        "lr": 0.001,
        "schedule": "constant",
    },
    "tree-rnn": {**TREES, "lr": 0.05},
    "rntn": {**TREES, "lr": 0.05},
    "tree-lstm": {**TREES},
    "balanced-trees": {**TREES},
    "ntm-copy": {**TURING, "data": "copy,length=1,examples=300,bits=3", "limit": 6, "lr": 0.03},
    "ntm-repeat-copy": {**TURING, "data": "repeat-copy,length=2,repeats=2,examples=300,bits=3"},
    "ntm-associative-recall": {**TURING, "data": "associative-recall,length=2,examples=300,bits=2"},
    "memory-network": {"embedding_size": 8, "linear_epochs": 1, "data": "stories,examples=300"},
    "programmer-interpreter": {
        "hidden_size": 8,
        "sums": 2,
        "data": "addition-traces,digits=2,examples=40",
        "schedule": "constant",
    },
    "echo-state": {"hidden_size": 13, "density": 0.5, "washout": 20, "horizon": 5, "dial_units": 7},
    "memory-capacity": {"hidden_size": 7, "washout": 20, "steps": 2000},
    "time-scales": {"hidden_size": 11, "slowest": 8, "delay": 3, "data": "slow-waves,length=20", "lr": 0.02},
    "liquid-state": {"data": "jittered-spikes,segments=2,examples=100", "batch_size": 16},
    "pair-lengths": {"data": "number-words,pairs=300", "pieces": (80,)},
    "seq2seq": TRANSLATED,
    "bahdanau": TRANSLATED,
    "beam-width": {**TRANSLATED, "widths": (1, 4), "searches": 5},
    "transformer-parse": {**TRANSFORMED, "num_layers": 1, "data": "sentiment-grammar,examples=100"},
    "transformer-ablation": {
        **TRANSFORMED,
        "num_layers": 1,
        "variants": ("base", "one_head", "unscaled", "no_feed_forward", "averaged", "no_warmup", "hard_labels"),
    },
    "translation-by-data": {
        **TRANSFORMED,
        "num_layers": 1,
        "embedding_size": 8,
        "hidden_size": 8,
        "sizes": (30, 200),
        "recurrent_lr": 0.01,
    },
    "transformer-translate": TRANSFORMED,
    "transformer-numbers": TRANSFORMED,
    "transformer-base": {**TRANSFORMED, **PIECES},
    "transformer-big": {**TRANSFORMED, **PIECES},
    "nadaraya-watson": {"batch_size": 10, "largest": 0},
    "attention-complexity": {"hidden_size": 8, "lengths": (5, 9), "lr": 0.01, "data": "first-symbol,length=16"},
    "layer-norm-not-batch-norm": {
        "hidden_size": 8,
        "num_heads": 2,
        "num_layers": 1,
        "steps": 8,
        "lr": 0.01,
        "data": "time-machine,tokens=3000",
    },
    "positional-encoding": {"hidden_size": 8, "num_heads": 2, "num_layers": 1, "lr": 0.01, "limit": 6},
    "attention-scores": {"sizes": (4, 16), "data": "lookup,features=2,items=2,examples=600", "lr": 0.03},
    "attention-cues": {"scenes": 400, "hidden_size": 8, "lr": 0.01},
    "optimizer-race": {"batch_size": 1, "surfaces": ("bowl", "himmelblau"), "rules": ("momentum", "adam", "yogi")},
}
GIVEN = {
    "liquid-state": "3,50;20;7,90;",
    "polynomial": "0.5",
    "sgd-decay": "0.5,2",
    "zipf": "10",
    "attention-complexity": "auvwxyzu",
    "positional-encoding": "au|xy!zu",
    "gates": "auvwxyzu",
    "sequence-likelihood": "the",
    "output-recurrence": "p___",
    "both-directions": "thetime",
    "sequence-bottleneck": "the",
    "parity": "01",
    "hessian-free": "0.3,0.5*,0.1,0.9*",
    "jacobian-spectra": "0.3,0.5*,0.1,0.9*",
    "gradient-clipping": "auvwxyzu",
    "adding-problem": "0.3,0.5*,0.1,0.9*",
    "fill-in-the-blank": "the ti_e",
    "ntm-copy": "101 011",
    "ntm-repeat-copy": "101 011 x3",
    "ntm-associative-recall": "10/11/01 00/01/11 ? 1",
    "memory-network": "zoe went to the attic . where is zoe ?",
    "programmer-interpreter": "123+989",
    "tree-rnn": "the film is not very good .",
    "rntn": "((the film) ((is (not (very good))) .))",
    "tree-lstm": "(2 (2 (2 the) (2 film)) (3 (2 is) (3 good)))",
    "balanced-trees": "the film is not very good .",
    "pair-lengths": "forty-two",
    "seq2seq": "nine hundred",
    "bahdanau": "nine hundred",
    "beam-width": "nine hundred",
    "transformer-parse": "the film is good .",
    "transformer-ablation": "nine hundred",
    "translation-by-data": "nine hundred",
    "transformer-translate": "nine hundred",
    "transformer-numbers": "nine hundred",
    "transformer-base": "nine hundred",
    "transformer-big": "nine hundred",
}  # to predict from; elsewhere the kind of data decides

every_recipe = pytest.mark.parametrize("name", recipes.names())


def tiny(name, **changes):
    return recipes.load(name).Config(**{**TINY, **OTHERWISE.get(name, {}), **changes})


def start(name, path, **changes):
    config = tiny(name, **changes)
    return config, RunFolder.create(name, dataclasses.asdict(config), path)


load_once = functools.cache(loading.load)


@pytest.fixture(autouse=True)
def data_loaded_once(monkeypatch):
    monkeypatch.setattr(data, "load", load_once, raising=False)


@pytest.fixture
def whole(name, tmp_path_factory, finished={}):  # noqa: B006  (one run of each recipe for all tests in this file)
    """A finished tiny run of the recipe `name`: its folder and its result."""
    if name not in finished:
        config, folder = start(name, tmp_path_factory.mktemp(name) / "run")
        finished[name] = folder, recipes.load(name).run(config, folder)
    return finished[name]


def example(name, about, folder):
    """Something to predict from."""
    if name in GIVEN:
        return GIVEN[name]
    if about["kind"] == "text":
        return "the time"
    if about["kind"] not in ("images", "scenes"):
        return ",".join(["0.5"] * about["example_shape"][0])
    Image.new("L", (40, 31), 128).save(folder / "example.png")
    return folder / "example.png"


@every_recipe
def test_its_literals_are_complete(name):
    summary = recipes.summary(name)
    assert summary["title"].endswith(".")
    assert summary["SECTION"]
    assert summary["DATA"] == "none" or loading.parse(summary["DATA"]).target in data.names()
    figures = [Published(**figure) for figure in summary["PUBLISHED"]]
    assert figures
    assert all(figure.source and figure.split for figure in figures)
    assert all(figure.note for figure in figures if figure.value is None)


@every_recipe
def test_its_config_is_frozen_and_documents_each_field_of_its_own(name):
    config_class = recipes.load(name).Config
    with pytest.raises(dataclasses.FrozenInstanceError):
        config_class().epochs = 3
    shared = {field.name for field in dataclasses.fields(TrainConfig)}
    own = {field.name for field in dataclasses.fields(config_class)} - shared
    said = " ".join(base.__doc__ or "" for base in config_class.__mro__)
    assert {field for field in own if f"{field}: " not in said} == set()
    assert config_class().data == recipes.summary(name)["DATA"]


@every_recipe
def test_its_loss_falls(name, whole):
    _, result = whole
    losses = [record["train_loss"] for record in result.history]
    assert len(losses) >= 2
    assert losses[-1] < losses[0]


@every_recipe
def test_its_result_comes_back_from_json(name, whole):
    folder, result = whole
    assert Result.from_json(result.to_json()) == result == folder.result
    assert result.recipe == name == folder.recipe
    assert any(figure.metric in result.metrics for figure in result.published)


@every_recipe
def test_twice_with_one_seed_gives_one_result(name, whole):
    _, result = whole
    again = recipes.load(name).run(tiny(name))
    assert again.metrics == result.metrics
    assert again.history == result.history
    assert again.folder == ""


@every_recipe
def test_pictures_kept_as_bytes_give_the_same_result(name, whole, monkeypatch):
    folder, result = whole
    if folder.data["kind"] != "images":
        return

    def load(*arguments, **wishes):
        dataset = load_once(*arguments, **wishes)
        x = dataset.tensors["x"]
        kept = x if x.dtype == torch.uint8 else (x * 255).round().to(torch.uint8)
        assert torch.equal(data.pixels(kept), data.pixels(x))
        return dataclasses.replace(dataset, tensors={**dataset.tensors, "x": kept})

    monkeypatch.setattr(data, "load", load, raising=False)
    again = recipes.load(name).run(tiny(name))
    assert again.metrics == result.metrics
    assert again.history == result.history


@every_recipe
def test_another_seed_gives_another_result(name, whole):
    _, result = whole
    try:
        config = tiny(name, seed=1)
    except InputError as error:  # a recipe that draws nothing says so
        assert str(error).startswith("--seed: expected 0, since")  # noqa: PT017
        return
    assert recipes.load(name).run(config).history != result.history


class Terminate:
    """Listener that sends SIGTERM at a step."""

    def __init__(self, at):
        self.at = at

    def step(self, progress):
        if progress.step == self.at:
            os.kill(os.getpid(), signal.SIGTERM)

    def epoch(self, progress): ...
    def end(self, progress): ...


def weights(folder):
    return load_checkpoint(folder.last)["model"]


def assert_same_end(ours, theirs):
    assert all(torch.equal(ours_weight, weights(theirs)[name]) for name, ours_weight in weights(ours).items())
    assert ours.result.metrics == theirs.result.metrics
    assert ours.result.history == theirs.result.history
    assert ours.log.read_text() == theirs.log.read_text()


@every_recipe
def test_stopped_in_an_epoch_and_resumed_equals_never_stopped(name, whole, tmp_path):
    config, folder = start(name, tmp_path / "run")
    steps = len((whole[0].log).read_text().splitlines())
    assert steps > 2
    with pytest.raises(Stopped, match=f"--resume {folder.path}"):
        recipes.load(name).run(config, folder, listeners=[Terminate(at=2)])
    assert folder.result is None
    recipes.load(name).run(config, folder)
    assert_same_end(folder, whole[0])


@every_recipe
def test_one_epoch_and_then_more_equals_all_at_once(name, whole, tmp_path):
    config, folder = start(name, tmp_path / "run", epochs=1)
    recipes.load(name).run(config, folder)
    recipes.load(name).run(dataclasses.replace(config, epochs=whole[1].config["epochs"]), folder)
    assert_same_end(folder, whole[0])


@every_recipe
def test_a_finished_run_is_not_trained_again(name, whole):
    folder, result = whole
    before = folder.last.read_bytes()
    assert recipes.load(name).run(tiny(name), folder).metrics == result.metrics
    assert folder.last.read_bytes() == before


@every_recipe
def test_both_rungs_begin_alike(name):
    losses = [
        recipes.load(name).run(tiny(name, rung=rung, epochs=1)).metrics["train_loss"] for rung in ("torch", "scratch")
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)  # float32 sums in another order, over a few updates


@every_recipe
def test_it_predicts_from_the_folder_alone(name, whole, tmp_path, monkeypatch):
    folder, _ = whole
    source = example(name, folder.data, tmp_path)
    monkeypatch.setattr(data, "load", None, raising=False)  # the training data may be gone
    prediction = recipes.load(name).predict(folder, source)
    assert prediction.input == str(source)[:200]
    if folder.data["classes"]:
        assert prediction.label in folder.data["classes"]
    elif folder.data["kind"] == "text":
        assert len(prediction.label) > len(source)
        assert prediction.label.startswith(source)
    elif folder.data["kind"] == "pairs":
        assert isinstance(prediction.label, str)
    elif folder.data["kind"] in ("bits", "traces"):
        assert set(prediction.label) <= set("0123456789_ ")
    else:
        assert isinstance(prediction.label, float)
    if prediction.probabilities:
        shares = list(prediction.probabilities.values())
        assert sum(shares) == pytest.approx(1)
        assert shares == sorted(shares, reverse=True)


@every_recipe
def test_measured_again_it_gives_the_same_numbers(name, whole):
    folder, result = whole
    measured = recipes.load(name).measure(folder)
    assert [record for record in result.history if measured.metrics.items() <= record.items()]  # those of one epoch
    for metric, value in measured.metrics.items():
        assert result.metrics.get(f"best_{metric}", value) == value
    assert json.loads(measured.to_json())["recipe"] == name


@every_recipe
def test_it_draws_pictures(name, whole):
    pictures = recipes.load(name).draw(whole[0])
    assert pictures
    assert all(Path(picture).read_bytes().startswith(b"\x89PNG") for picture in pictures)


@every_recipe
def test_it_is_in_the_table(name):
    table = (Path(__file__).parents[2] / "docs" / "recipes.md").read_text(encoding="utf-8")
    assert f"`{name}`" in table
