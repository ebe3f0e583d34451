import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, confusion_matrix

from fathom.metrics import Running, accuracy, confusion

pairs = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=40)


@given(pairs=pairs)
def test_accuracy_and_confusion_equal_scikit_learn(pairs):
    predicted, target = (torch.tensor(column) for column in zip(*pairs, strict=True))
    logits = torch.nn.functional.one_hot(predicted, 5).float()
    assert accuracy(logits, target).item() == pytest.approx(accuracy_score(target, predicted))
    assert confusion(predicted, target, 5).tolist() == confusion_matrix(target, predicted, labels=range(5)).tolist()


@given(values=st.lists(st.tuples(st.floats(-1e6, 1e6), st.integers(1, 9)), min_size=1), cut=st.integers(0, 50))
def test_merged_sums_are_the_sums_of_all(values, cut):
    whole, left, right = Running(), Running(), Running()
    for number, (value, weight) in enumerate(values):
        whole.update({"loss": value}, weight)
        (left if number < cut else right).update({"loss": value}, weight)
    left.merge(right)
    assert left.means() == pytest.approx(whole.means(), abs=1e-6)


def test_a_saved_sum_goes_on_to_the_same_bits():
    first, second = Running(), Running()
    first.update({"loss": 0.1}, 3)
    second.load_state_dict(first.state_dict())
    for running in (first, second):
        running.update({"loss": 0.7}, 7)
    assert first.means() == second.means()
