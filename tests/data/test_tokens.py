import gzip
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fathom.data.tokens import count, encode, learn, letters_only, read_pieces, tokenise
from fathom.data.vocabulary import Vocab
from fathom.errors import DataError, InputError

CHINESE = "时间旅行者，his name was O’Neil — 2 times.\n"


@pytest.mark.parametrize(
    ("unit", "tokens"),
    [
        ("char", ["它", " ", "s", "a", "y"]),
        ("word", ["它", "say"]),
        ("space", ["它", "say"]),
    ],
)
def test_units(unit, tokens):
    assert tokenise("它 say", unit) == tokens


def test_words_marks_and_chinese_characters_stand_apart():
    words = ["时", "间", "旅", "行", "者", "，", "his", "name", "was", "O’Neil", "—", "2", "times", "."]
    assert tokenise(CHINESE, "word") == words
    with pytest.raises(InputError, match="unit: expected one of char, word, space, got 'words'"):
        tokenise("", "words")


def test_only_letters_remain():
    assert letters_only("The Time-Traveller (for so\nit") == "the time traveller for so it"


@settings(deadline=None, max_examples=50)
@given(st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=80), st.integers(1, 9))
def test_pieces_together_are_the_text(tmp_path_factory, text, chunk):
    file = tmp_path_factory.mktemp("text") / "a.txt"
    file.write_bytes(text.encode())
    pieces = list(read_pieces(file, chunk=chunk))
    assert "".join(pieces) == text
    assert all(piece[-1] in " \n" for piece in pieces[:-1])


@pytest.mark.parametrize("unit", ["char", "word", "space"])
def test_counting_and_encoding_do_not_see_the_pieces(tmp_path, unit):
    file = tmp_path / "a.txt"
    file.write_text(CHINESE * 50, encoding="utf-8")
    vocab = Vocab.of(count(read_pieces(file, chunk=7), unit))
    tokens = tokenise(CHINESE * 50, unit)
    assert vocab.counts == {token: tokens.count(token) for token in tokens}
    assert vocab.decode(encode(read_pieces(file, chunk=7), vocab, unit)) == tokens
    assert list(vocab.counts) == list(dict.fromkeys(tokens))


def test_a_packed_file_and_another_encoding_are_read(tmp_path):
    packed, latin = tmp_path / "a.gz", tmp_path / "latin.txt"
    packed.write_bytes(gzip.compress("Größe\r\n".encode()))
    latin.write_bytes("Größe".encode("latin-1"))
    assert "".join(read_pieces(packed)) == "Größe\n"
    assert "".join(read_pieces(latin, "latin-1")) == "Größe"


@pytest.mark.parametrize("chunk", [1, 2, 3, 100])
def test_the_first_wrong_byte_is_named(tmp_path, chunk):
    file = tmp_path / "latin.txt"
    file.write_bytes("ab ä".encode() + "cd Größe".encode("latin-1"))
    with pytest.raises(DataError, match="expected text in utf-8, got byte 0xf6 at offset 10; give its encoding"):
        list(read_pieces(file, chunk=chunk))


def test_a_file_that_ends_within_a_character_is_refused(tmp_path):
    file = tmp_path / "cut.txt"
    file.write_bytes("ab ä".encode()[:-1])
    with pytest.raises(DataError, match="got byte 0xc3 at offset 3"):
        list(read_pieces(file))


def test_bad_files_are_one_line(tmp_path):
    cut = tmp_path / "cut.gz"
    cut.write_bytes(gzip.compress(b"text" * 1000)[:-9])
    with pytest.raises(DataError, match=r"cut.gz: expected a file of text, but it can't be read"):
        list(read_pieces(cut))
    with pytest.raises(DataError, match="No such file"):
        list(read_pieces(tmp_path / "none.txt"))
    with pytest.raises(InputError, match="encoding: expected a name such as utf-8"):
        list(read_pieces(cut, "utf-9"))


def test_an_empty_text_has_no_tokens(tmp_path):
    (tmp_path / "empty.txt").touch()
    assert len(encode(read_pieces(tmp_path / "empty.txt"), Vocab([]))) == 0
    assert np.array_equal(encode(["aab"], Vocab(["a"])), [1, 1, 0])


@pytest.mark.parametrize("unit", ["char", "word", "space"])
def test_learning_a_text_in_pieces_is_counting_and_then_encoding_it(unit):
    pieces = ["the time machine, by ", "the time 时间 trav", "eller 😀 the\n"]
    vocab, numbers = learn(lambda: pieces, lambda counts: Vocab.of(counts, min_count=2), unit)
    counts = Counter(token for piece in pieces for token in tokenise(piece, unit))
    expected = Vocab.of(counts, min_count=2)
    assert vocab.tokens == expected.tokens
    assert vocab.counts == counts
    assert list(vocab.counts) == list(counts)  # in the order of their first occurrence
    assert numbers.tolist() == encode(pieces, expected, unit).tolist()
    assert numbers.dtype == encode(pieces, expected, unit).dtype


def test_an_empty_text_has_an_empty_vocabulary():
    for unit in ("char", "word"):
        vocab, numbers = learn(list, Vocab.of, unit)
        assert (len(vocab), len(numbers)) == (1, 0)
