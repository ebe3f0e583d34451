import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from fathom import data, models
from fathom.diagnose import ask, first_filters, one_of_each


class Fixed(nn.Module):
    """Answers with the logits that it is asked with."""

    def forward(self, x):
        return x


def test_the_first_convolution_is_found_behind_what_has_no_kernel():
    net = nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 5, (2, 3)), nn.Conv2d(5, 7, 1), nn.Flatten(), nn.Linear(7, 2))
    found = first_filters(net, torch.rand(2, 3, 2, 3))
    assert torch.equal(found, net[1].weight.detach())


def test_the_rows_of_a_linear_layer_are_pictures():
    net = models.create("mlp", in_features=2 * 3 * 5, hidden_sizes=(7,), num_classes=2)
    x = torch.rand(1, 2, 3, 5)
    found = first_filters(net, x)
    assert found.shape == (7, 2, 3, 5)
    torch.testing.assert_close((found * x).sum((1, 2, 3)) + net[1].bias.detach(), net[:2](x)[0].detach())


def test_where_no_weights_look_at_the_picture_there_are_no_filters():
    assert first_filters(nn.Sequential(nn.Flatten()), torch.rand(1, 3, 2, 2)) is None
    assert first_filters(nn.Sequential(nn.AvgPool2d(2), nn.Flatten(), nn.Linear(3, 2)), torch.rand(1, 3, 2, 2)) is None
    assert first_filters(nn.Sequential(nn.Conv2d(4, 6, 1, groups=2)), torch.rand(1, 4, 2, 2)) is None


logits = st.integers(0, 10_000).map(lambda seed: torch.randn(23, 5, generator=torch.Generator().manual_seed(seed)))


@settings(max_examples=30)
@given(x=logits, batch_size=st.integers(1, 23))
def test_the_size_of_batches_changes_no_answer(x, batch_size):
    target = torch.arange(23) % 5
    whole = ask(Fixed(), [(x, target)], 5)
    parts = ask(Fixed(), data.Batches(x, target, batch_size=batch_size), 5)
    assert whole.worst() == parts.worst()
    assert torch.equal(whole.confusion.counts, parts.confusion.counts)
    assert whole.calibration.expected_error == pytest.approx(parts.calibration.expected_error)


@settings(max_examples=30)
@given(x=logits, k=st.integers(1, 5))
def test_the_top_classes_are_those_of_top_k_accuracy(x, k):
    from fathom.metrics import top_k_accuracy

    target = torch.arange(23) % 5
    assert ask(Fixed(), [(x, target)], 5).top(k) == pytest.approx(top_k_accuracy(x, target, k).item())


@settings(max_examples=30)
@given(x=logits)
def test_the_worst_errors_are_those_of_a_sorted_list(x):
    target = torch.arange(23) % 5
    rows = []
    for place, row in enumerate(x.softmax(dim=1)):
        if row.argmax() != target[place]:
            rows.append((-float(row.max()), place, int(target[place]), int(row.argmax()), float(row[target[place]])))
    found = ask(Fixed(), [(x, target)], 5).worst(7)
    assert [(-m.probability, m.example, m.truth, m.predicted, m.of_truth) for m in found] == sorted(rows)[:7]


def test_who_makes_no_mistake_has_no_worst_one():
    answers = ask(Fixed(), [(5 * torch.eye(3), torch.arange(3))], 3)
    assert answers.worst() == []
    assert answers.top(1) == 1.0


def test_asking_leaves_the_model_in_its_mode():
    net = nn.Sequential(nn.Dropout(0.9), Fixed()).train()
    target = torch.arange(3)
    assert ask(net, [(5 * torch.eye(3), target)], 3).top(1) == 1.0
    assert net.training


def test_one_of_each_class_comes_before_the_second_of_any():
    target = torch.tensor([2, 2, 0, 2, 1, 0])
    assert one_of_each(target, 4).tolist() == [2, 4, 0, 5]
    assert one_of_each(target, 100).tolist() == [2, 4, 0, 5, 1, 3]
