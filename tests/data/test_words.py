"""Words numbered without a Python object for each, against Python's own way."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fathom.data import words


def by_hand(text):
    places, numbers = {}, []
    for word in text.split():
        numbers.append(places.setdefault(word, len(places)))
    return list(places), numbers


def check(text):
    different, numbers = words.numbered(text)
    assert (different, numbers.tolist()) == by_hand(text)


@given(st.text(alphabet="ab \n\x1c\x85\u3000é語\0", max_size=60))
def test_words_between_any_blanks_are_numbered_as_python_does(text):
    check(text)


@given(st.lists(st.text(st.characters(codec=None), min_size=0, max_size=30), max_size=20))
def test_any_characters_and_lengths_do(pieces):
    check(" ".join([*pieces, *pieces[::2]]))


@given(st.integers(0, 2**32 - 1))
def test_many_words_of_all_lengths_share_the_table_without_mix_ups(seed):
    random = np.random.default_rng(seed)
    drawn = [bytes(random.integers(97, 99, random.integers(1, 21)).astype(np.uint8)).decode() for _ in range(701)]
    check(" ".join(drawn))


@pytest.mark.parametrize("text", ["", " ", "\n\u3000", "one", "eight888", "ninechars", "a\0 a a\0b\0 a\0"])
def test_short_texts_and_edges_are_right(text):
    check(text)


def test_two_long_words_of_one_hash_are_still_told_apart(monkeypatch):
    monkeypatch.setattr(words, "_keys", lambda chunks, starts, lengths: np.zeros(len(starts), np.uint64))
    check("information transmission information separates hi")
