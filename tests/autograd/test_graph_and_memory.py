"""Memory kept for backward, checkpoints, explicit graphs and their drawing."""

from xml.etree import ElementTree

import numpy as np
import pytest

import fathom.autograd as ag
from fathom.autograd import nn


def leaf(*shape, seed=0):
    return ag.Tensor(np.random.default_rng(seed).standard_normal(shape), requires_grad=True)


def tanhs(x, length):
    for _ in range(length):
        x = x.tanh()
    return x


def chain(x, length, part=0):
    """`length` times tanh; with `part`, so many of them under each checkpoint."""
    for _ in range(length // part if part else 0):
        x = ag.checkpoint(lambda v: tanhs(v, part), x)
    return (x if part else tanhs(x, length)).sum()


def test_memory_kept_for_backward_grows_with_depth():
    totals = [ag.memory_report(chain(leaf(100), depth)).total for depth in (5, 10, 20)]
    assert totals == [depth * 800 for depth in (5, 10, 20)]


def test_the_memory_report_counts_by_operation_and_each_array_once():
    x, w = leaf(10, 4), leaf(4, 3)
    h = x.exp()
    report = ag.memory_report(((h @ w).relu() + (h @ w).relu()).sum())
    assert report.bytes["exp"] == 10 * 4 * 8  # shared with both products
    assert report.bytes["matmul"] == 0
    assert report.nodes["matmul"] == 2
    assert report.bytes["relu"] == 2 * 10 * 3 * 8
    assert report.total == sum(report.bytes.values())
    assert "together" in str(report)


def test_a_checkpoint_keeps_less_and_gives_the_same_gradients():
    x = leaf(100)
    plain, saving = chain(x, 16), chain(x, 16, part=4)
    assert ag.memory_report(saving).total == 3 * 800  # the inputs of four parts; the first is a leaf
    assert ag.memory_report(plain).total == 16 * 800
    (expected,) = ag.grad(plain, x)
    (gradient,) = ag.grad(saving, x)
    np.testing.assert_array_equal(gradient.numpy(), expected.numpy())


@pytest.mark.parametrize("create_graph", [False, True])
def test_a_checkpoint_gives_gradients_to_the_parameters_that_it_uses(create_graph):
    def gradients(keep):
        ag.manual_seed(1)
        layer = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Dropout(0.4), nn.Linear(5, 3)).double()
        x = leaf(2, 3)
        h = x.exp()
        h = layer(h) if keep else ag.checkpoint(layer, h)
        wanted = (x, *layer.parameters())
        found = ag.grad((h * h).sum() + layer[0].weight.sum(), wanted, create_graph=create_graph)
        if create_graph:
            found = ag.grad(sum((g * g).sum() for g in found), wanted)
        return [g.detach().numpy() for g in found]

    for mine, expected in zip(gradients(False), gradients(True), strict=True):
        np.testing.assert_allclose(mine, expected, rtol=1e-12)


def test_backward_through_a_checkpoint_fills_grad_and_draws_no_new_random_numbers():
    layer = nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.5))
    x = ag.randn(5, 3)
    ag.manual_seed(3)
    ag.checkpoint(layer, x).sum().backward()
    after = ag.rand(1).item()
    saving = layer[0].weight.grad.numpy().copy()
    layer.zero_grad()
    ag.manual_seed(3)
    layer(x).sum().backward()
    np.testing.assert_array_equal(layer[0].weight.grad.numpy(), saving)
    assert ag.rand(1).item() == after


def small_network():
    ag.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(8, 3), nn.Softmax(1))


def test_a_traced_graph_gives_the_same_values_and_gradients_for_new_inputs():
    network = small_network()
    graph = ag.trace(network, ag.randn(2, 1, 6, 6))
    x = ag.randn(2, 1, 6, 6, requires_grad=True)
    y, expected = graph(x), network(x)
    np.testing.assert_array_equal(y.array, expected.array)
    wanted = (x, *network.parameters())
    seed = ag.randn(2, 3)
    for a, b in zip(ag.grad(y, wanted, seed), ag.grad(expected, wanted, seed), strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


def test_a_traced_graph_takes_indices_as_inputs_and_gives_several_results():
    table = leaf(5, 3)
    graph = ag.trace(lambda i, j: (table[i] * 2, nn.functional.embedding(j, table)), ag.tensor([1, 2]), ag.tensor([0]))
    first, second = graph(ag.tensor([4, 0]), ag.tensor([3]))
    np.testing.assert_array_equal(first.array, 2 * table.array[[4, 0]])
    np.testing.assert_array_equal(second.array, table.array[[3]])
    assert repr(graph) == "Graph(2 inputs, 3 operations, 2 outputs)"


def test_a_graph_refuses_another_shape():
    graph = ag.trace(lambda x: x.exp(), leaf(2))
    with pytest.raises(ag.ShapeError, match=r"built for an input of shape \(2,\), got \(3,\); trace it again"):
        graph(leaf(3))


def test_the_text_drawing_shows_operations_sources_shapes_and_values():
    x = ag.tensor([1.0, 2.0])
    text = ag.draw_text(lambda v: (v * v).sum(), x)
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert lines == [
        "%0 = input float32[2] 1 2",
        "%1 = multiply(%0, %0) float32[2] 1 4",
        "%2 = sum(%1) float32[] 5 -> output",
    ]


def test_the_implicit_graph_is_drawn_too():
    w = ag.tensor([1.0, 2.0], requires_grad=True)
    middle = w.exp()
    text = ag.draw_text((middle * 3.0).sum())
    assert "parameter" in text
    assert "exp(%0)" in text
    assert "-> output" in text
    with pytest.raises(ag.GradientError, match="no recorded operation"):
        ag.draw_text(ag.zeros(2))


def test_the_svg_drawing_is_well_formed_with_a_box_for_every_value():
    network = small_network()
    graph = ag.trace(network, ag.randn(2, 1, 6, 6))
    root = ElementTree.fromstring(ag.draw_svg(graph))
    names = [t.text for t in root.iter("{http://www.w3.org/2000/svg}text")]
    boxes = list(root.iter("{http://www.w3.org/2000/svg}rect"))
    assert len(boxes) == len(graph) + 1  # and the background
    assert {"conv2d", "max_pool2d", "linear", "softmax", "parameter", "input", "float32 [2, 3]"} <= set(names)
