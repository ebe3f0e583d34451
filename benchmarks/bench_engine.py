"""A training step of our NumPy engine beside torch eager, tinygrad, mygrad and HIPS autograd: float32, SGD, batch 256.

LeNet (sigmoids, average pooling) and an MLP (784-256-10), in each library's own idiom, from the same weights on the
same real images. Before anything is timed, three steps of each must give torch's losses within 1e-4. A step ends when
the loss is a Python number. tinygrad runs on its CPU device through TinyJit, captured before the clock starts; mygrad
with its memory guard off, as it advises for speed. HIPS autograd has no convolution layer: here it multiplies shifted
slices side by side, which takes less than half the time of the `signal.convolve` of its examples. A library that is
not installed is left out and said; so is tinygrad without the clang that its CPU device compiles with.
"""

import os
import shutil
from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
import torch

from benchmarks.harness import Comparison, compare
from fathom import data, models

BATCH, LR = 256, 0.1
TOLERANCE, CHECKED_STEPS = 1e-4, 3
NETWORKS = {"lenet": ("LeNet", 2), "mlp": ("MLP", 20)}  # title, steps in a measured run
Step = Callable[[], float]
Arrays = Mapping[str, np.ndarray]


def fathom_step(network: str, weights: Arrays, images: np.ndarray, labels: np.ndarray) -> Step:
    from fathom import autograd
    from fathom.autograd import nn, optim

    model = models.create(network, nn=nn)
    model.load_state_dict(weights)
    optimizer = optim.SGD(model.parameters(), lr=LR)
    loss_of = nn.CrossEntropyLoss()
    x, y = autograd.tensor(images), autograd.tensor(labels)

    def step() -> float:
        optimizer.zero_grad()
        loss = loss_of(model(x), y)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def torch_step(network: str, weights: Arrays, images: np.ndarray, labels: np.ndarray) -> Step:
    model = models.create(network)
    model.load_state_dict({name: torch.tensor(value) for name, value in weights.items()})
    optimizer = torch.optim.SGD(model.parameters(), lr=LR)
    loss_of = torch.nn.CrossEntropyLoss()
    x, y = torch.tensor(images), torch.tensor(labels)

    def step() -> float:
        optimizer.zero_grad()
        loss = loss_of(model(x), y)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def tinygrad_step(network: str, weights: Arrays, images: np.ndarray, labels: np.ndarray) -> Step:
    """As in its MNIST example: a list of layers, and the whole step in one jitted function."""
    compiler = next(filter(shutil.which, ("clang", *(f"clang-{version}" for version in range(40, 13, -1)))), None)
    if compiler is None:
        raise FileNotFoundError("its CPU device compiles with clang, and there is none")
    os.environ.update(DEV="CPU", CC=compiler)  # which it reads when it opens the device
    from tinygrad import Context, Tensor, TinyJit, nn

    networks = {
        "lenet": lambda: [
            *(nn.Conv2d(1, 6, 5, padding=2), Tensor.sigmoid, Tensor.avg_pool2d),
            *(nn.Conv2d(6, 16, 5), Tensor.sigmoid, Tensor.avg_pool2d),
            lambda x: x.flatten(1),
            *(nn.Linear(400, 120), Tensor.sigmoid, nn.Linear(120, 84), Tensor.sigmoid, nn.Linear(84, 10)),
        ],
        "mlp": lambda: [lambda x: x.flatten(1), nn.Linear(784, 256), Tensor.relu, nn.Linear(256, 10)],
    }
    layers = networks[network]()
    nn.state.load_state_dict(layers, {name: Tensor(value) for name, value in weights.items()}, verbose=False)
    optimizer = nn.optim.SGD(nn.state.get_parameters(layers), lr=LR)
    x, y = Tensor(images).realize(), Tensor(labels.astype(np.int32)).realize()

    @TinyJit
    def jitted() -> Tensor:
        optimizer.zero_grad()
        loss = x.sequential(layers).sparse_categorical_crossentropy(y).backward()
        return loss.realize(*optimizer.schedule_step())

    settings = Context(TRAINING=1, NUM_CPU_THREADS=torch.get_num_threads())

    def step() -> float:
        with settings:
            return jitted().item()

    return step


def mygrad_step(network: str, weights: Arrays, images: np.ndarray, labels: np.ndarray) -> Step:
    import mygrad as mg
    from mygrad.nnet.activations import relu, sigmoid
    from mygrad.nnet.layers import conv_nd
    from mygrad.nnet.losses import softmax_crossentropy

    p = {name: mg.tensor(value) for name, value in weights.items()}

    def convolution(x: mg.Tensor, layer: int, padding: int) -> mg.Tensor:
        bias = p[f"{layer}.bias"].reshape(1, -1, 1, 1)
        return conv_nd(x, p[f"{layer}.weight"], stride=1, padding=padding) + bias

    def linear(x: mg.Tensor, layer: int) -> mg.Tensor:
        return x @ p[f"{layer}.weight"].T + p[f"{layer}.bias"]

    def lenet(x: np.ndarray) -> mg.Tensor:
        x = halved(sigmoid(convolution(x, 0, padding=2)))
        x = halved(sigmoid(convolution(x, 3, padding=0)))
        x = sigmoid(linear(x.reshape(BATCH, -1), 7))
        return linear(sigmoid(linear(x, 9)), 11)

    def mlp(x: np.ndarray) -> mg.Tensor:
        return linear(relu(linear(x.reshape(BATCH, -1), 1)), 3)

    forward = {"lenet": lenet, "mlp": mlp}[network]

    def step() -> float:
        with mg.mem_guard_off:
            loss = softmax_crossentropy(forward(images), labels)
            loss.backward()
        for parameter in p.values():
            parameter.data -= LR * parameter.grad
        return loss.item()

    return step


def hips_step(network: str, weights: Arrays, images: np.ndarray, labels: np.ndarray) -> Step:
    import autograd.numpy as anp
    from autograd.numpy.numpy_boxes import ArrayBox
    from autograd.scipy.special import logsumexp

    from autograd import value_and_grad

    targets = np.eye(10, dtype=np.float32)[labels]

    def convolution(p: Mapping[str, ArrayBox], x: ArrayBox, layer: int) -> ArrayBox:
        kernel, height, width = p[f"{layer}.weight"], x.shape[2] - 4, x.shape[3] - 4
        windows = [x[:, :, i : i + height, j : j + width] for i in range(5) for j in range(5)]
        columns = anp.stack(windows, axis=2).reshape(BATCH, -1, height * width)
        out = anp.matmul(kernel.reshape(len(kernel), -1), columns)
        return out.reshape(BATCH, -1, height, width) + p[f"{layer}.bias"].reshape(1, -1, 1, 1)

    def linear(p: Mapping[str, ArrayBox], x: ArrayBox, layer: int) -> ArrayBox:
        return anp.dot(x, p[f"{layer}.weight"].T) + p[f"{layer}.bias"]

    def sigmoid(x: ArrayBox) -> ArrayBox:
        return 0.5 * (anp.tanh(0.5 * x) + 1)

    def lenet(p: Mapping[str, ArrayBox], x: np.ndarray) -> ArrayBox:
        x = halved(sigmoid(convolution(p, np.pad(x, ((0, 0), (0, 0), (2, 2), (2, 2))), 0)))
        x = halved(sigmoid(convolution(p, x, 3)))
        x = sigmoid(linear(p, x.reshape(BATCH, -1), 7))
        return linear(p, sigmoid(linear(p, x, 9)), 11)

    def mlp(p: Mapping[str, ArrayBox], x: np.ndarray) -> ArrayBox:
        return linear(p, anp.maximum(linear(p, x.reshape(BATCH, -1), 1), 0), 3)

    forward = {"lenet": lenet, "mlp": mlp}[network]

    def cross_entropy(p: Mapping[str, ArrayBox]) -> ArrayBox:
        logits = forward(p, images)
        return -anp.sum((logits - logsumexp(logits, axis=1, keepdims=True)) * targets) / BATCH

    loss_and_gradient = value_and_grad(cross_entropy)
    p = {name: value.copy() for name, value in weights.items()}

    def step() -> float:
        loss, gradients = loss_and_gradient(p)
        for name in p:
            p[name] = p[name] - LR * gradients[name]
        return float(loss)

    return step


def halved(x):  # type: ignore[no-untyped-def]
    """Average pooling 2×2 in words that all array libraries know."""
    batch, channels, height, width = x.shape
    return x.reshape(batch, channels, height // 2, 2, width // 2, 2).mean(axis=(3, 5))


PEERS = {"torch": torch_step, "tinygrad": tinygrad_step, "mygrad": mygrad_step, "HIPS autograd": hips_step}


def run(rounds: int) -> list[Comparison]:
    """Check that all contenders compute the same, then compare them."""
    dataset = data.load("fashion-mnist-sample", "train")
    images, labels = (dataset.tensors[name][:BATCH].numpy() for name in ("x", "y"))
    comparisons = []
    for network, (title, steps) in NETWORKS.items():
        torch.manual_seed(0)
        weights = {name: value.numpy().copy() for name, value in models.create(network).state_dict().items()}
        contenders = {"fathom": fathom_step(network, weights, images, labels)}
        for name, build in PEERS.items():
            try:
                contenders[name] = build(network, weights, images, labels)
            except (ImportError, FileNotFoundError) as reason:
                print(f"{name} is left out: {reason}\n")
        check(contenders)
        many = {name: partial(repeat, step, steps) for name, step in contenders.items()}
        ours = many.pop("fathom")
        comparisons.append(compare(f"{title}, batch {BATCH}, {steps} steps", ("fathom", ours), many, rounds))
    return comparisons


def check(contenders: Mapping[str, Step]) -> None:
    """ValueError if a contender's first losses are not torch's."""
    losses = {name: [step() for _ in range(CHECKED_STEPS)] for name, step in contenders.items()}
    for name, values in losses.items():
        if not np.allclose(values, losses["torch"], rtol=0, atol=TOLERANCE):
            raise ValueError(f"{name}: expected torch's losses {losses['torch']} within {TOLERANCE}, got {values}")


def repeat(step: Step, times: int) -> None:
    for _ in range(times):
        step()
