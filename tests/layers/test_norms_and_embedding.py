import pytest
import torch
from torch import nn
from torch.func import functional_call, grad, vmap

from fathom import layers
from fathom.errors import InputError, ShapeError


def test_the_books_running_variance_is_that_of_the_batch():
    x = torch.tensor([[1.0], [3.0], [8.0]])
    book, torchs = (
        layers.BatchNorm1d(1, momentum=0.5, biased_running_variance=True),
        layers.BatchNorm1d(1, momentum=0.5),
    )
    for layer in (book, torchs):
        layer(x)
    squares = (1 - 4) ** 2 + (3 - 4) ** 2 + (8 - 4) ** 2
    assert book.running_var.item() == pytest.approx(0.5 * 1 + 0.5 * squares / 3)
    assert torchs.running_var.item() == pytest.approx(0.5 * 1 + 0.5 * squares / 2)


@pytest.mark.parametrize("momentum", [0.1, None])
def test_running_statistics_stay_torchs_over_many_batches(momentum):
    ours, theirs = layers.BatchNorm2d(3, momentum=momentum), nn.BatchNorm2d(3, momentum=momentum)
    for seed in range(5):
        x = torch.randn(2, 3, 5, 7, generator=torch.Generator().manual_seed(seed))
        ours(x), theirs(x)
    torch.testing.assert_close(dict(ours.state_dict()), dict(theirs.state_dict()))
    assert ours.num_batches_tracked == 5


def test_in_evaluation_the_batch_size_changes_nothing():
    layer = layers.BatchNorm2d(3)
    x = torch.randn(5, 3, 7, 2)
    layer(x)
    layer.eval()
    torch.testing.assert_close(layer(x)[:1], layer(x[:1]))


def test_the_row_of_the_padding_starts_at_0_and_stays_there():
    layer = layers.Embedding(5, 3, padding_idx=-1)
    optimizer = torch.optim.SGD(layer.parameters(), lr=1.0)
    layer(torch.tensor([0, 4, 4])).sum().backward()
    optimizer.step()
    assert not layer.weight[4].any()


def test_gradients_example_by_example_come_from_vmap_as_from_a_loop():
    model = layers.Sequential(layers.Conv2d(2, 3, 3), layers.GroupNorm(3, 3), layers.ReLU(), layers.LayerNorm(3))
    x = torch.randn(5, 2, 7, 5)
    weights = dict(model.named_parameters())

    def loss(weights, example):
        return functional_call(model, weights, (example[None],)).square().sum()

    together = vmap(grad(loss), in_dims=(None, 0))(weights, x)
    for i, example in enumerate(x):
        torch.testing.assert_close({name: values[i] for name, values in together.items()}, grad(loss)(weights, example))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: layers.BatchNorm2d(3)(torch.zeros(2, 3)), ShapeError, r"x: expected \(batch, 3, height, width\), got"),
        (lambda: layers.BatchNorm1d(3)(torch.zeros(2, 5)), ShapeError, r"x: expected \(batch, 3\) or \(batch, 3, st"),
        (lambda: layers.GroupNorm(2, 5), InputError, "num_groups: expected a number that divides num_channels=5"),
        (lambda: layers.Embedding(5, 3, padding_idx=5), InputError, "padding_idx: expected an index below"),
        (lambda: layers.Softmax(), InputError, "dim: expected the axis along which the probabilities sum to 1"),
        (lambda: layers.ConvTranspose2d(3, 5, 2, groups=2), InputError, "groups: expected a number that divides"),
        (lambda: layers.Conv1d(3, 5, 2)(torch.zeros(2, 5, 7)), ShapeError, r"x: expected \(batch, 3, steps\), got"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(call, error, message):
    with pytest.raises(error, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)
