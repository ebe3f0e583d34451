import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fathom.data.vocabulary import Vocab, smallest
from fathom.errors import InputError, UnknownNameError

COUNTS = {"b": 2, "a": 5, "d": 1, "c": 2}


def test_the_most_frequent_come_first_and_unknown_is_zero():
    assert Vocab.of(COUNTS).tokens == ("<unk>", "a", "b", "c", "d")


def test_rare_tokens_are_left_out_and_reserved_ones_are_there_anyway():
    vocab = Vocab.of(COUNTS, min_count=2, reserved=("<pad>", "b"))
    assert vocab.tokens == ("<unk>", "<pad>", "b", "a", "c")
    assert repr(vocab) == "Vocab(5 tokens, min_count=2)"
    assert Vocab.of(COUNTS, most=1).tokens == ("<unk>", "a")


@given(st.text(max_size=30), st.text(max_size=10))
def test_what_is_encoded_is_decoded_but_for_the_unknown(text, other):
    vocab = Vocab.of(dict.fromkeys(text, 1))
    assert "".join(vocab.decode(vocab.encode(text))) == text
    assert vocab.decode(vocab.encode(other)) == [c if c in text else "<unk>" for c in other]


@given(st.text(max_size=30), st.text(max_size=30))
def test_characters_by_one_look_up_are_those_one_by_one(text, other):
    vocab = Vocab.of(dict.fromkeys(text, 1), reserved=("<pad>",))
    assert np.array_equal(vocab.encode_characters(text + other), vocab.encode(text + other))


def test_a_token_that_is_not_there_is_named():
    with pytest.raises(UnknownNameError, match="unknown token 'the'"):
        Vocab(["that"])["the"]
    with pytest.raises(InputError, match="expected numbers from 0 to 1, got 2"):
        Vocab(["that"]).decode([1, 2])
    with pytest.raises(InputError, match="expected each token once, got 'a' twice"):
        Vocab(["a", "b", "a"])


@pytest.mark.parametrize(("tokens", "kind"), [(256, np.uint8), (257, np.int16), (40_000, np.int32), (2**40, np.int64)])
def test_numbers_take_as_little_room_as_they_can(tokens, kind):
    assert smallest(tokens) is kind
