"""What every model must do; a new one joins by being in its file's `NAMES`."""

import subprocess
import sys

import pytest
import torch
from torch import nn

import fathom.layers
from fathom import models
from fathom.errors import InputError, UnknownNameError
from fathom.models.encoder_decoder import EncoderDecoder

NARROW = {"ratio": 8, "hidden_size": 31}
SMALL = {  # what makes a model small, the shape of three examples, and the shape of its output
    "alexnet": ({"in_channels": 2, "num_classes": 5, "input_size": 63, "hidden_size": 31}, (3, 2, 63, 67), (3, 5)),
    "deep_recurrent": (
        {"in_features": 3, "num_classes": 5, "depth": "skip", "hidden_size": 7},
        (3, 11, 3),
        (3, 11, 5),
    ),
    "bahdanau": (
        {"source_vocab_size": 13, "target_vocab_size": 11, "embedding_size": 3, "hidden_size": 5, "dropout": 0.0},
        (3, 2, 7),
        (3, 7, 11),
    ),
    "densenet121": ({"in_channels": 2, "num_classes": 5, "input_size": 33}, (3, 2, 33, 37), (3, 5)),
    "echo_state_network": ({"in_features": 3, "num_outputs": 5, "hidden_size": 7}, (2, 11, 3), (2, 11, 5)),
    "efficientnet_lite0": ({"in_channels": 2, "num_classes": 5, "input_size": 33}, (3, 2, 33, 37), (3, 5)),
    "googlenet": ({"in_channels": 2, "num_classes": 5, "input_size": 33}, (3, 2, 33, 37), (3, 5)),
    "gpt": (
        {"vocab_size": 11, "hidden_size": 6, "num_heads": 2, "num_layers": 2, "max_steps": 7},
        (3, 7),
        (3, 7, 11),
    ),
    "highway20_cifar": ({"in_channels": 2, "num_classes": 5, "input_size": 11}, (3, 2, 11, 13), (3, 5)),
    "inception_resnet_v2": (
        {"in_channels": 2, "num_classes": 5, "input_size": 75, "depths": (1, 1, 2)},
        (3, 2, 75, 79),
        (3, 5),
    ),
    "inception_v2": ({"in_channels": 2, "num_classes": 5, "input_size": 33}, (3, 2, 33, 37), (3, 5)),
    "inception_v3": ({"in_channels": 2, "num_classes": 5, "input_size": 75}, (3, 2, 75, 79), (3, 5)),
    "inception_v4": (
        {"in_channels": 2, "num_classes": 5, "input_size": 75, "depths": (1, 1, 1)},
        (3, 2, 75, 79),
        (3, 5),
    ),
    "lenet": ({"in_channels": 2, "num_classes": 5, "input_size": (13, 17)}, (3, 2, 13, 17), (3, 5)),
    "lenet_bn": ({"in_channels": 2, "num_classes": 5, "input_size": (17, 19)}, (3, 2, 17, 19), (3, 5)),
    "linear_regression": ({"in_features": 7}, (3, 7), (3, 1)),
    "memory_network": ({"vocab_size": 11, "hops": 2, "embedding_size": 3, "memory": 5}, (3, 5, 7), (3, 11)),
    "mlp": ({"in_features": 35, "hidden_sizes": (11, 7), "num_classes": 3}, (3, 5, 7), (3, 3)),
    "neural_turing_machine": (
        {"in_features": 3, "out_features": 5, "hidden_size": 11, "rows": 4, "width": 6, "write_heads": 2},
        (3, 7, 3),
        (3, 7, 5),
    ),
    "nin": ({"in_channels": 2, "num_classes": 5, "input_size": 67}, (3, 2, 67, 71), (3, 5)),
    "perceptron": ({"in_features": 7}, (3, 7), (3, 1)),
    "output_recurrent": (
        {"in_features": 3, "num_classes": 5, "hidden_size": 7, "from_output": False, "from_hidden": True},
        (3, 11, 3),
        (3, 11, 5),
    ),
    "programmer_interpreter": (
        {"vocab_size": 5, "programs": 5, "cells": 2, "actions": 3, "values": 7, "hidden_size": 11},
        (3, 7, 3),
        (3, 7, 16),
    ),
    "plain20_cifar": ({"in_channels": 2, "num_classes": 5, "input_size": 11}, (3, 2, 11, 13), (3, 5)),
    "recurrent_language_model": (
        {"vocab_size": 11, "cell": "lstm", "hidden_size": 5, "num_layers": 2, "embedding_size": 3},
        (3, 7),
        (3, 7, 11),
    ),
    "recurrent_tagger": (
        {"in_features": 3, "num_classes": 5, "cell": "gru", "hidden_size": 7, "bidirectional": True},
        (3, 11, 3),
        (3, 11, 5),
    ),
    "resnet18": ({"in_channels": 2, "num_classes": 5, "input_size": 33}, (3, 2, 33, 37), (3, 5)),
    "resnet20_cifar": ({"in_channels": 2, "num_classes": 5, "input_size": 11}, (3, 2, 11, 13), (3, 5)),
    "resnext50_32x4d": ({"in_channels": 2, "num_classes": 5, "input_size": 33}, (3, 2, 33, 37), (3, 5)),
    "seq2seq": (
        {"source_vocab_size": 13, "target_vocab_size": 11, "embedding_size": 3, "hidden_size": 5, "dropout": 0.0},
        (3, 2, 7),
        (3, 7, 11),
    ),
    "sequence_autoencoder": (
        {"vocab_size": 11, "context_size": 3, "hidden_size": 5, "attention": True},
        (3, 7),
        (3, 7, 12),
    ),
    "sequence_model": ({"vocab_size": 11, "ending": "stop", "hidden_size": 5}, (3, 7), (3, 7, 12)),
    "softmax_regression": ({"in_features": 35, "num_classes": 3}, (3, 5, 7), (3, 3)),
    "time_scale_rnn": (
        {"in_features": 3, "num_classes": 5, "kind": "learned", "hidden_size": 7, "slowest": 8},
        (3, 11, 3),
        (3, 11, 5),
    ),
    "transformer": (
        {
            "source_vocab_size": 13,
            "target_vocab_size": 11,
            "d_model": 6,
            "num_heads": 3,
            "num_layers": 1,
            "d_ff": 5,
            "positions": "learned",
            "max_steps": 7,
            "dropout": 0.2,
        },
        (3, 2, 7),
        (3, 7, 11),
    ),
    "transformer_base": ({"source_vocab_size": 11, "target_vocab_size": 11, "num_layers": 1}, (3, 2, 7), (3, 7, 11)),
    "transformer_big": ({"source_vocab_size": 11, "target_vocab_size": 11, "num_layers": 1}, (3, 2, 7), (3, 7, 11)),
    "transformer_encoder": (
        {"vocab_size": 11, "num_classes": 5, "hidden_size": 6, "num_heads": 2, "feedforward_size": 13, "max_steps": 7},
        (3, 7),
        (3, 5),
    ),
    "vit": (
        {"in_channels": 2, "num_classes": 5, "input_size": (8, 12), "hidden_size": 6, "num_heads": 2, "num_layers": 2},
        (3, 2, 8, 12),
        (3, 5),
    ),
    "vgg11": ({"in_channels": 2, "num_classes": 5, "input_size": 32, **NARROW}, (3, 2, 32, 37), (3, 5)),
    "vgg11_bn": ({"in_channels": 2, "num_classes": 5, "input_size": 32, **NARROW}, (3, 2, 32, 37), (3, 5)),
}
DEEPER = {  # of the same blocks, so that as small a table does; walked by `make soak` alone
    "densenet121": ("densenet169", "densenet201"),
    "plain20_cifar": ("plain32_cifar", "plain44_cifar", "plain56_cifar", "plain110_cifar"),
    "resnet18": ("resnet34", "plain18", "plain34"),
    "resnet20_cifar": ("resnet32_cifar", "resnet44_cifar", "resnet56_cifar", "resnet110_cifar", "resnet1202_cifar"),
    "resnext50_32x4d": ("resnet50", "resnet101", "resnet152"),
    "vgg11": ("vgg13", "vgg16", "vgg19"),
    "vgg11_bn": ("vgg13_bn", "vgg16_bn", "vgg19_bn"),
}
LIKE = {deep: name for name, deeper in DEEPER.items() for deep in deeper}
SMALL.update({deep: SMALL[name] for deep, name in LIKE.items()})
# many batch norms over few pixels magnify rounding
ILL_CONDITIONED = ("densenet", "efficientnet", "googlenet", "highway", "inception", "plain", "resnet", "resnext")
LARGE = ("inception_v3",)  # and not made of a few blocks that one could leave out


def marks(name):
    if name in LIKE:
        return pytest.mark.soak
    return pytest.mark.slow if name in LARGE else ()


every_model = pytest.mark.parametrize("name", [pytest.param(name, marks=marks(name)) for name in models.names()])


def build(name, rung="torch"):
    torch.manual_seed(0)
    arguments, shape, _ = SMALL[name]
    model = models.on_rung(name, rung, **arguments)
    vocab_size = arguments.get("vocab_size", arguments.get("target_vocab_size"))
    return model, torch.randint(vocab_size, shape) if vocab_size else torch.randn(shape)


def answer(model, x):
    """What it maps to, without the state that a recurrent one hands on besides; a translator takes pairs of rows."""
    if isinstance(model, EncoderDecoder):
        source, given = x.unbind(1)
        return model(source, source[:, 0] % source.shape[1] + 1, given).unflatten(0, given.shape)
    output = model(x)
    return output[0] if isinstance(output, tuple) else output


def test_every_model_is_tested():
    assert sorted(SMALL) == models.names()


@every_model
def test_it_maps_the_promised_shapes(name):
    model, x = build(name)
    assert answer(model, x).shape == SMALL[name][2]


@every_model
def test_every_parameter_gets_a_gradient(name):
    model, x = build(name)
    answers = answer(model, x)
    (answers if name == "perceptron" else answers.square()).sum().backward()  # the perceptron's weights are 0
    for parameter_name, parameter in model.named_parameters():
        assert parameter.grad is not None, parameter_name
        assert parameter.grad.abs().sum() > 0, parameter_name


@every_model
def test_one_by_one_gives_what_the_batch_gives(name):
    model, x = build(name)
    model, x = model.double().eval(), x.double() if x.is_floating_point() else x
    torch.testing.assert_close(torch.cat([answer(model, one[None]) for one in x]), answer(model, x))


@every_model
def test_its_weights_can_be_saved_and_loaded(name, tmp_path):
    model, x = build(name)
    torch.save(model.state_dict(), tmp_path / "weights.pt")
    other = models.create(name, **SMALL[name][0])
    other.load_state_dict(torch.load(tmp_path / "weights.pt", weights_only=True))
    x = x.double() if x.is_floating_point() else x  # untrained, the deepest overflows in single precision
    assert torch.equal(answer(model.double().eval(), x), answer(other.double().eval(), x))


@every_model
def test_built_from_our_layers_it_has_none_of_torch(name):
    model, _ = build(name, "scratch")
    containers = (nn.Sequential, nn.ModuleList, nn.ModuleDict, nn.Identity)
    for module in model.modules():
        foreign = type(module).__module__.startswith("torch.nn") and not isinstance(module, containers)
        assert not foreign, type(module)


@every_model
def test_built_from_our_layers_it_equals_the_one_built_from_torch(name):
    theirs, x = build(name, "torch")
    ours, _ = build(name, "scratch")
    theirs, ours, x = theirs.double(), ours.double(), x.double() if x.is_floating_point() else x
    answers, gradients = [], []
    for model in (ours, theirs):
        model.train(not name.startswith(ILL_CONDITIONED))
        torch.manual_seed(1)  # of dropout
        answers.append(answer(model, x))
        scale = answers[-1].detach().abs().max().clamp_min(1)  # a fresh network of a hundred layers gives millions
        (answers[-1] / scale).sin().sum().backward()
        gradients.append([parameter.grad for parameter in model.parameters()])
    torch.testing.assert_close(*answers, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(*gradients, rtol=1e-12, atol=1e-12)


def test_lenet_has_the_books_parameters():
    assert sum(parameter.numel() for parameter in models.create("lenet").parameters()) == 61_706


def test_a_forgotten_namespace_would_be_seen():
    forgetful = fathom.layers.Sequential(fathom.layers.Linear(2, 3), nn.ReLU())
    assert any(type(module).__module__.startswith("torch.nn.modules.activation") for module in forgetful.modules())


def test_a_wrong_name_or_argument_gets_a_suggestion():
    with pytest.raises(UnknownNameError, match="unknown model 'lenett'; did you mean 'lenet'"):
        models.create("lenett")
    with pytest.raises(UnknownNameError, match="unknown argument of lenet 'num_clases'; did you mean 'num_classes'"):
        models.create("lenet", num_clases=3)


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("lenet", {"input_size": 11}, "input_size: expected at least 12 pixels a side"),
        ("lenet", {"num_classes": 0}, "num_classes: expected a whole number of at least 1, got 0"),
        ("lenet", {"activation": "relux"}, "unknown activation 'relux'; did you mean 'relu'"),
        ("mlp", {"dropout": (0.1, 0.2)}, "dropout: expected 1 probabilities"),
        ("mlp", {"dropout": (1.0,)}, "expected probabilities 0 <= p < 1"),
    ],
)
def test_a_size_that_can_not_be_is_said(name, arguments, message):
    with pytest.raises(InputError, match=message):
        models.create(name, **arguments)


@pytest.mark.parametrize("size", [12, 13, 28, 40])
def test_lenet_takes_any_size_from_twelve_pixels_on(size):
    assert models.create("lenet", input_size=size)(torch.zeros(1, 1, size, size)).shape == (1, 10)


@pytest.mark.slow
def test_names_are_known_without_torch():
    program = "import sys; from fathom import models; print(models.names()); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
