import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve
from sklearn.metrics import precision_recall_fscore_support, top_k_accuracy_score

from fathom.errors import InputError, ShapeError
from fathom.metrics import Calibration, Confusion, top_k_accuracy

CLASSES = 5
pairs = st.lists(st.tuples(st.integers(0, CLASSES - 1), st.integers(0, CLASSES - 1)), min_size=1, max_size=40)


def columns(rows):
    return tuple(torch.tensor(column) for column in zip(*rows, strict=True))


def says(seed, examples, classes=CLASSES):
    """Probabilities `(examples, classes)` in float64 and targets, drawn from a seed."""
    random = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(examples, classes, generator=random, dtype=torch.float64)
    return logits.softmax(dim=1), torch.randint(classes, (examples,), generator=random)


def seen(probabilities, target, bins=15):
    calibration = Calibration(bins)
    calibration.update(probabilities, target)
    return calibration


# --- per class ------------------------------------------------------------------------------------------------------


@given(pairs=pairs)
def test_precision_recall_f1_and_support_equal_scikit_learn(pairs):
    predicted, target = columns(pairs)
    matrix = Confusion(CLASSES)
    matrix.update(predicted, target)
    ours = matrix.per_class()
    theirs = precision_recall_fscore_support(target, predicted, labels=range(CLASSES), zero_division=0)
    for mine, their in zip((ours.precision, ours.recall, ours.f1, ours.support), theirs, strict=True):
        np.testing.assert_allclose(mine.numpy(), their, rtol=1e-12)


@given(pairs=pairs, cut=st.integers(0, 40))
def test_merged_counts_are_the_counts_of_all(pairs, cut):
    whole, left, right = Confusion(CLASSES), Confusion(CLASSES), Confusion(CLASSES)
    for number, (predicted, target) in enumerate(pairs):
        for matrix in (whole, left if number < cut else right):
            matrix.update(torch.tensor([predicted]), torch.tensor([target]))
    left.merge(right)
    assert torch.equal(left.counts, whole.counts)
    assert whole.counts.sum() == len(pairs)


@given(pairs=pairs)
def test_turning_truth_and_prediction_round_turns_precision_and_recall_round(pairs):
    predicted, target = columns(pairs)
    forth, back = Confusion(CLASSES), Confusion(CLASSES)
    forth.update(predicted, target)
    back.update(target, predicted)
    assert torch.equal(forth.per_class().precision, back.per_class().recall)
    assert torch.equal(forth.per_class().f1, back.per_class().f1)


def test_counts_of_other_classes_do_not_merge():
    with pytest.raises(ShapeError, match="merge: expected counts of 2 classes, got 3"):
        Confusion(2).merge(Confusion(3))


@given(seed=st.integers(0, 1000), k=st.integers(1, CLASSES - 1))
def test_top_k_accuracy_equals_scikit_learn(seed, k):
    probabilities, target = says(seed, 17)
    theirs = top_k_accuracy_score(target, probabilities, k=k, labels=range(CLASSES))
    assert top_k_accuracy(probabilities, target, k).item() == pytest.approx(theirs)


def test_among_all_classes_the_right_one_always_is():
    probabilities, target = says(0, 11)
    assert top_k_accuracy(probabilities, target, CLASSES) == 1


@pytest.mark.parametrize("k", [0, CLASSES + 1])
def test_more_than_all_classes_are_refused(k):
    with pytest.raises(InputError, match=f"expected k from 1 to 5, the number of classes, got {k}"):
        top_k_accuracy(*says(0, 3), k)


# --- calibration ----------------------------------------------------------------------------------------------------


@given(seed=st.integers(0, 1000), examples=st.integers(1, 60), bins=st.integers(1, 20))
def test_the_bins_equal_scikit_learns_curve(seed, examples, bins):
    probabilities, target = says(seed, examples)
    found = seen(probabilities, target, bins).bins
    confidence, predicted = probabilities.max(dim=1)
    accuracy, mean = calibration_curve((predicted == target).numpy(), confidence.numpy(), n_bins=bins)
    np.testing.assert_allclose([entry.accuracy for entry in found], accuracy, rtol=1e-12)
    np.testing.assert_allclose([entry.confidence for entry in found], mean, rtol=1e-12)


@given(seed=st.integers(0, 1000), examples=st.integers(1, 40), bins=st.integers(1, 20))
def test_the_errors_are_those_of_a_loop_over_the_bins(seed, examples, bins):
    probabilities, target = says(seed, examples)
    gaps, expected = [], 0.0
    for place in range(bins):
        low, high = place / bins, (place + 1) / bins
        inside = [row for row in range(examples) if low < probabilities[row].max() <= high]
        if inside:
            right = sum(float(probabilities[row].argmax() == target[row]) for row in inside) / len(inside)
            sure = sum(float(probabilities[row].max()) for row in inside) / len(inside)
            gaps.append(abs(right - sure))
            expected += len(inside) / examples * gaps[-1]
    calibration = seen(probabilities, target, bins)
    assert calibration.expected_error == pytest.approx(expected)
    assert calibration.maximum_error == pytest.approx(max(gaps))


@given(seed=st.integers(0, 1000), cut=st.integers(0, 23))
def test_merged_bins_are_the_bins_of_all(seed, cut):
    probabilities, target = says(seed, 23)
    left = seen(probabilities[:cut], target[:cut])
    left.merge(seen(probabilities[cut:], target[cut:]))
    whole = seen(probabilities, target)
    assert left.expected_error == pytest.approx(whole.expected_error)
    assert [entry.count for entry in left.bins] == [entry.count for entry in whole.bins]


@given(seed=st.integers(0, 1000), bins=st.integers(1, 20))
def test_finer_bins_never_make_the_expected_error_smaller(seed, bins):
    probabilities, target = says(seed, 29)
    coarse, fine = (seen(probabilities, target, count) for count in (bins, 2 * bins))
    assert coarse.expected_error <= fine.expected_error + 1e-12
    assert coarse.expected_error <= coarse.maximum_error + 1e-12


def test_who_is_right_as_often_as_he_says_has_no_error():
    probabilities = torch.tensor([[0.75, 0.25]] * 4)
    assert seen(probabilities, torch.tensor([0, 0, 1, 0])).expected_error == pytest.approx(0.0)


def test_who_is_sure_and_always_wrong_has_the_greatest_error():
    calibration = seen(torch.tensor([[1.0, 0.0]] * 3), torch.tensor([1, 1, 1]))
    assert (calibration.expected_error, calibration.maximum_error) == (1.0, 1.0)
    assert calibration.bins[-1].gap == -1.0


def test_the_upper_edge_belongs_to_a_bin():
    calibration = seen(torch.tensor([[0.5, 0.5], [1.0, 0.0]]), torch.tensor([0, 0]), bins=2)
    assert [(entry.low, entry.high, entry.count) for entry in calibration.bins] == [(0.0, 0.5, 1), (0.5, 1.0, 1)]


def test_before_the_first_example_there_is_no_error():
    assert (Calibration().expected_error, Calibration().maximum_error, Calibration().bins) == (0.0, 0.0, [])


def test_what_does_not_fit_is_refused():
    with pytest.raises(InputError, match="bins: expected at least 1, got 0"):
        Calibration(0)
    with pytest.raises(ShapeError, match="merge: expected sums over 3 bins, got 5"):
        Calibration(3).merge(Calibration(5))


@pytest.mark.parametrize("kind", ["counts", "bins"])
def test_a_saved_state_goes_on_to_the_same_numbers(kind):
    probabilities, target = says(3, 13)

    def take(sums, rows):
        given = probabilities[rows].argmax(dim=1) if kind == "counts" else probabilities[rows]
        sums.update(given, target[rows])

    first, second = ((Confusion(CLASSES) if kind == "counts" else Calibration(7)) for _ in range(2))
    take(first, slice(0, 5))
    second.load_state_dict(json.loads(json.dumps(first.state_dict())))
    for sums in (first, second):
        take(sums, slice(5, 13))
    assert first.state_dict() == second.state_dict()
    first.reset()
    assert "0 examples" in repr(first)
