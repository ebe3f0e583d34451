import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fathom.errors import InputError
from fathom.ops.embedding import embedding, one_hot


@settings(deadline=None, max_examples=25)
@given(indices=st.lists(st.integers(0, 6), min_size=1, max_size=9))
def test_an_embedding_is_a_one_hot_vector_times_the_table(indices):
    table = torch.randn(7, 3, dtype=torch.float64)
    one_hot = torch.eye(7, dtype=torch.float64)[indices]
    torch.testing.assert_close(embedding(torch.tensor(indices), table), one_hot @ table)


def test_a_row_gets_its_gradient_as_often_as_it_is_read_and_padding_none():
    table = torch.zeros(5, 2, requires_grad=True)
    embedding(torch.tensor([[0, 3, 3], [4, 4, 4]]), table, padding_idx=4).sum().backward()
    assert table.grad[:, 0].tolist() == [1, 0, 0, 2, 0]


@pytest.mark.parametrize("index", [5, -1])
def test_an_index_without_a_row_is_refused(index):
    with pytest.raises(InputError, match=f"x: expected indices from 0 to 4, got {index} to {index}"):
        embedding(torch.tensor([index]), torch.zeros(5, 2))


def test_indices_must_be_whole_numbers():
    with pytest.raises(InputError, match=r"x: expected indices, of int32 or int64, got torch.float32"):
        embedding(torch.zeros(3), torch.zeros(5, 2))


@settings(deadline=None, max_examples=25)
@given(numbers=st.lists(st.integers(0, 6), max_size=9))
def test_one_hot_is_torchs(numbers):
    x = torch.tensor(numbers, dtype=torch.int64)[:, None]
    assert torch.equal(one_hot(x, 7), torch.nn.functional.one_hot(x, 7))


def test_a_number_without_a_place_is_refused():
    with pytest.raises(InputError, match="one_hot: expected numbers from 0 to 2, got 1 to 3"):
        one_hot(torch.tensor([1, 3]), 3)
