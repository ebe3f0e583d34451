"""Pairs of sentences: cleaned as the book does, numbered and back, split by sentence, refused with file and line."""

import gzip
import sys
import tracemalloc
import zipfile
from collections import Counter
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fathom import data
from fathom.data import cache, pair_text, pairs, store, subwords
from fathom.data.loading import absolute
from fathom.data.pairs import BOS, EOS, PAD, UNK, side
from fathom.errors import DataError, InputError, MissingExtraError, UnknownNameError

LINES = [
    "Go.\tVa !",
    "They are watching.\tIls regardent.",
    "I won!\tJ'ai gagné\u202f!",
    "I won!\tJe l'ai emporté\u00a0!",
    "Go on.\tContinue.",
    "Is it you?\tC'est toi\u2009?",
    "I am home, Tom.\tJe suis chez moi, Tom.",
]


def written(folder, lines, name="mine.tsv", encoding="utf-8"):
    path = folder / name
    path.write_text("\n".join(lines) + "\n", encoding=encoding)
    return path


def loaded(folder, options="", split="train", lines=LINES):
    return data.load(f"pairs:{written(folder, lines)},{options or 'test=0'}", split)


# --- cleaning -------------------------------------------------------------------------------------------------------


def character_by_character(text):
    """What the book's section does to a text, in the order in which it tells it."""
    text = text.replace("\u202f", " ").replace("\xa0", " ").lower()
    out = ""
    for place, character in enumerate(text):
        if place and character in ",.!?" and text[place - 1] != " ":
            out += " "
        out += character
    return out


@given(st.text("ab É,.!?'\u202f\xa0\u2009-", max_size=30))
def test_book_cleaning_gives_the_words_that_going_character_by_character_gives(text):
    expected = [word for word in character_by_character(text).split(" ") if word]
    assert pair_text.book(text) == " ".join(expected)


@given(st.lists(st.text("ab É,.!?\u202f\u200b", max_size=9), min_size=1, max_size=5))
def test_lines_are_cleaned_each_by_itself(lines):
    for clean in (pair_text.book, pair_text.plain):
        assert clean("\n".join(lines)).split("\n") == [clean(line) for line in lines]


def test_plain_cleaning_keeps_case_and_marks_and_makes_every_blank_one():
    text = "\ufeffE\u0301te\u0301\u2009!\u202f\u3000Où ?\t "
    assert pair_text.plain(text) == "Été ! Où ?"
    assert pair_text.plain("\u200b") == ""


def test_tidying_takes_away_the_blanks_that_cleaning_put_in():
    assert pair_text.tidy(pair_text.book("go on, tom. now!")) == "go on, tom. now!"


# --- sentences to numbers and back ----------------------------------------------------------------------------------


def test_rows_hold_the_tokens_then_the_end_then_padding(tmp_path):
    found = loaded(tmp_path, "test=0,min_count=1")
    source, target = (side(found.about[name]) for name in ("source", "target"))
    assert found.source_texts[:2] == ["go .", "they are watching ."]
    assert found.target_texts[2] == "j'ai gagné !"
    assert list(found.tensors) == ["x", "y", "x_length", "y_length"]
    assert found.tensors["x"].shape == (7, 7)
    assert found.tensors["x"].dtype == found.tensors["y"].dtype == torch.uint8
    assert found.tensors["x_length"].tolist() == [3, 5, 4, 4, 4, 5, 7]
    row = found.tensors["x"][1].tolist()
    assert row[:4] == [source.vocab[word] for word in ("they", "are", "watching", ".")]
    assert row[4:] == [EOS, PAD, PAD]
    assert [target.vocab[name] for name in ("<unk>", "<pad>", "<bos>", "<eos>")] == [UNK, PAD, BOS, EOS]
    assert target.strings(found.tensors["y"][4].tolist()) == ["continue", "."]
    assert found.about["unknown"] == [0.0, 0.0]
    assert source.encode("They are watching.") == row[:5]


def test_a_vocabulary_has_the_most_frequent_first_and_rare_words_are_unknown(tmp_path):
    found = loaded(tmp_path)
    source = side(found.about["source"])
    assert source.vocab.tokens == ("<unk>", "<pad>", "<bos>", "<eos>", ".", "i", "go", "won", "!")
    assert source.encode("go home .") == [6, UNK, 4, EOS]
    assert found.about["unknown"][0] == pytest.approx(12 / 32)  # of 25 words and 7 end symbols
    assert len(side(loaded(tmp_path, "test=0,vocab=2").about["source"])) == 4 + 2


@pytest.mark.parametrize("options", ["unit=word", "unit=char", "unit=char,clean=plain", "unit=subword,vocab=40"])
def test_a_sentence_of_the_training_text_comes_back(tmp_path, options):
    if "subword" in options:
        pytest.importorskip("tokenizers")
    found = loaded(tmp_path, f"test=0,min_count=1,{options}")
    for name, texts in (("source", found.source_texts), ("target", found.target_texts)):
        coder = side(found.about[name])
        for text in texts:
            assert coder.decode(coder.encode(text), neat=False) == text
            assert coder.decode([BOS, *coder.encode(text), PAD, 5, PAD], neat=False) == text


def test_words_of_plain_text_are_apart_from_their_marks(tmp_path):
    coder = side(loaded(tmp_path, "test=0,min_count=1,clean=plain").about["target"])
    assert coder.tokens("J'ai gagné !") == ["J'ai", "gagné", "!"]
    assert coder.encode("j'ai gagné!")[0] == UNK


def test_reserved_tokens_that_someone_writes_are_unknown(tmp_path):
    coder = side(loaded(tmp_path, "test=0,min_count=1").about["source"])
    assert coder.encode("go <eos> <pad> .")[1:3] == [UNK, UNK]
    found = loaded(tmp_path, "test=0,min_count=1", lines=["<eos> a <pad>\tb <bos>", "a\tb"])
    assert found.tensors["x"].tolist() == [[UNK, 4, UNK, EOS], [4, EOS, PAD, PAD]]
    assert found.tensors["x_length"].tolist() == [4, 2]


def test_longer_rows_are_cut_and_have_no_end(tmp_path):
    found = loaded(tmp_path, "test=0,min_count=1,steps=5")
    assert found.tensors["x"].shape == (7, 5)
    assert found.tensors["x_length"].tolist() == [3, 5, 4, 4, 4, 5, 5]
    assert EOS not in found.tensors["x"][6]
    assert found.tensors["x"][1, 4] == EOS
    assert found.about["steps"] == 5


def row_by_row(coder, lines):
    """The rows of `padded` one at a time, each whole before it is cut."""
    rows = [[*coder.numbers(coder.pieces.cut([line])[0]), EOS] for line in lines]
    most = coder.steps or max(map(len, rows))
    width = min(most, max(map(len, rows)))
    return [(row + [PAD] * width)[:width] for row in rows], [min(len(row), most) for row in rows]


@pytest.mark.parametrize("steps", [0, 2, 5, 6, 7, 8, 60])
@pytest.mark.parametrize("unit", ["word", "char"])
def test_rows_are_those_of_each_line_by_itself_however_many_are_cut_at_once(monkeypatch, steps, unit):
    lines = ["a b c", "b", "a b c d e f", "c d", "a b c d e", "f f", "e d c b a f e"]
    coder = side(pair_text.learn(lines, {"unit": unit, "steps": steps, "min_count": 1}))
    rows, lengths = row_by_row(coder, lines)
    for chunk in (1, 2, 3, 7, 11):
        monkeypatch.setattr(pair_text, "CHUNK", chunk)
        found = pairs.padded(coder, lines)
        assert (found[0].tolist(), found[1].tolist()) == (rows, lengths)
        assert (found[0].dtype, found[1].dtype) == (torch.uint8, torch.int64)


def test_lines_cleaned_some_at_a_time_give_the_same_set(tmp_path, monkeypatch):
    whole = loaded(tmp_path, "test=0.3")
    monkeypatch.setenv("FATHOM_CACHE", str(tmp_path / "another"))
    monkeypatch.setattr(pair_text, "CHUNK", 2)
    again = loaded(tmp_path, "test=0.3")
    assert all(torch.equal(whole.tensors[name], again.tensors[name]) for name in whole.tensors)
    assert (whole.about, whole.source_texts, whole.target_texts) == (
        again.about,
        again.source_texts,
        again.target_texts,
    )


def test_one_long_line_does_not_widen_the_others_before_it_is_cut():
    lines = ["a b c"] * 3000 + ["a " * 9999 + "b"]
    coder = side(pair_text.learn(lines, {"steps": 7}))
    tracemalloc.start()
    try:
        rows, lengths = pairs.padded(coder, lines)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert rows.shape == (3001, 7)
    assert (rows[-1] != EOS).all()
    assert lengths[-1] == 7
    assert peak < 3001 * 10_000 / 10  # a tenth of a byte for each place of rows as long as the longest


def test_one_vocabulary_can_serve_both_sides(tmp_path):
    found = loaded(tmp_path, "test=0,min_count=1,shared=true")
    assert found.about["source"] == found.about["target"]
    both = Counter(word for text in found.source_texts + found.target_texts for word in text.split(" "))
    assert set(side(found.about["source"]).vocab.tokens[4:]) == set(both)


def test_sides_can_be_swapped(tmp_path):
    there, back = loaded(tmp_path), loaded(tmp_path, "test=0,swap=true")
    assert torch.equal(there.tensors["x"], back.tensors["y"])
    assert there.target_texts == back.source_texts


def test_a_set_that_was_read_before_is_the_same_again(tmp_path):
    first, again = loaded(tmp_path), loaded(tmp_path)
    assert list((cache.folder() / "arrays").iterdir())
    assert all(torch.equal(first.tensors[name], again.tensors[name]) for name in first.tensors)
    assert (first.about, first.source_texts, first.used) == (again.about, again.source_texts, again.used)


# --- the split ------------------------------------------------------------------------------------------------------


def test_no_source_sentence_is_in_both_splits_and_none_is_lost(tmp_path):
    lines = [f"{word} {number % 31}\t{word}-{number}" for number in range(93) for word in ("uno", "Due", "due")]
    train, test = (loaded(tmp_path, "test=0.3", split, lines) for split in ("train", "test"))
    assert not set(train.source_texts) & set(test.source_texts)
    assert len(train) + len(test) == len(lines)
    assert 0.15 < len(test) / len(lines) < 0.45
    fewer = loaded(tmp_path, "test=0.3", "test", lines[:200])
    assert set(fewer.source_texts) <= set(test.source_texts)  # the choice does not depend on the others


def test_fewer_training_pairs_are_part_of_more_and_the_test_set_stays(tmp_path):
    lines = [f"say {number}\tdire {number}" for number in range(97)]
    some, more = (set(loaded(tmp_path, f"examples={most}", lines=lines).source_texts) for most in (11, 23))
    assert some < more
    assert (len(some), len(more)) == (11, 23)
    tests = [loaded(tmp_path, options, "test", lines).source_texts for options in ("test=0.1", "examples=11")]
    assert tests[0] == tests[1]


def test_the_first_pairs_of_a_file_can_be_asked_for(tmp_path):
    assert loaded(tmp_path, "test=0,pairs=3").target_texts == ["va !", "ils regardent .", "j'ai gagné !"]


# --- files ----------------------------------------------------------------------------------------------------------


def test_two_files_give_what_one_with_two_columns_gives(tmp_path):
    whole = loaded(tmp_path)
    left, right = (written(tmp_path, [line.split("\t")[side] for line in LINES], f"{side}.txt") for side in (0, 1))
    apart = data.load(f"pairs:{left},target={right},test=0")
    assert all(torch.equal(whole.tensors[name], apart.tensors[name]) for name in whole.tensors)
    assert apart.target_texts == whole.target_texts


def test_a_packed_file_one_with_a_mark_in_front_and_one_with_attributions_are_read(tmp_path):
    whole = loaded(tmp_path)
    packed = tmp_path / "mine.tsv.gz"
    packed.write_bytes(gzip.compress("\r\n".join(f"{line}\tCC-BY 2.0" for line in LINES).encode("utf-8-sig")))
    assert data.load(f"pairs:{packed},test=0").source_texts == whole.source_texts
    latin = written(tmp_path, [line.replace("\t", ";") for line in LINES[:3] if "\u202f" not in line], "l", "latin-1")
    assert data.load(f"pairs:{latin},test=0,sep=;,encoding=latin-1").source_texts == whole.source_texts[:2]


def test_paths_of_both_files_mean_the_same_in_every_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    written(tmp_path, ["a"], "left")
    assert absolute("pairs:left,target=right") == f"pairs:{tmp_path / 'left'},target={tmp_path / 'right'}"
    assert absolute("csv:left,target=right") == f"csv:{tmp_path / 'left'},target=right"


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (
            ["Go.\tVa !", "", "Run!"],
            r"mine.tsv, line 3: expected two columns with a tab between them, got 1; write SENTENCE",
        ),
        (["Go.\tVa !", "\tVa !"], "mine.tsv, line 2: expected a source, got nothing"),
        (["Go.\tVa !", "Go.\t\u200b \u3000"], "mine.tsv, line 2: expected a translation, got nothing"),
        ([], "expected pairs of sentences, got none; write SENTENCE, a tab, TRANSLATION"),
    ],
)
def test_a_damaged_file_is_refused_with_its_line(tmp_path, lines, reason):
    with pytest.raises(DataError, match=reason):
        loaded(tmp_path, lines=lines)


def test_two_files_of_other_lengths_or_with_an_empty_line_are_refused(tmp_path):
    left, right = written(tmp_path, ["a", "b", "c"], "left"), written(tmp_path, ["x", "y"], "right")
    with pytest.raises(DataError, match=r"right: expected 3 lines, as many as .*left has, got 2; align them"):
        data.load(f"pairs:{left},target={right}")
    written(tmp_path, ["x", "", "z"], "right")
    with pytest.raises(DataError, match="right, line 2: expected a translation, got nothing"):
        data.load(f"pairs:{left},target={right}")
    with pytest.raises(DataError, match="nowhere: expected a file of sentences, but there is none"):
        data.load(f"pairs:{left},target={tmp_path / 'nowhere'}")


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ("unit=words", "pairs: unit: expected one of word, char, subword, got 'words'"),
        ("test=1", "pairs: test: expected a number from 0 and below 1"),
        ("steps=1", r"steps: expected 0 \(no limit\) or at least 2, a token and the end symbol, got 1"),
        ("tset=0.1", "unknown option of pairs 'tset'; did you mean 'test'"),
    ],
)
def test_wrong_options_are_refused(tmp_path, options, reason):
    with pytest.raises((InputError, UnknownNameError), match=reason):
        loaded(tmp_path, options)


def test_a_set_without_held_out_pairs_has_no_test_split(tmp_path):
    with pytest.raises(
        DataError, match=r"expected pairs in the test split, got none of 7; give more, or test= a share"
    ):
        loaded(tmp_path, "test=0", "test")


# --- a sentence to translate ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", "  \u202f ", "\n"])
def test_an_empty_sentence_is_refused(tmp_path, text):
    with pytest.raises(InputError, match="expected a sentence, got"):
        side(loaded(tmp_path).about["source"]).encode(text)


@pytest.mark.parametrize("unit", ["word", "char", "subword"])
def test_a_sentence_of_which_nothing_is_known_is_refused(tmp_path, unit):
    if unit == "subword":
        pytest.importorskip("tokenizers")
    coder = side(loaded(tmp_path, f"test=0,unit={unit}").about["source"])
    with pytest.raises(InputError, match="'犬 猫': expected a token that the training text has, got none of its"):
        coder.encode("犬 猫")
    assert UNK in coder.encode("犬 won")


def test_a_sentence_longer_than_allowed_is_refused(tmp_path):
    coder = side(loaded(tmp_path, "test=0,steps=5").about["source"])
    assert len(coder.encode("i am home .")) == 5
    with pytest.raises(InputError, match=r"expected at most 4 tokens, got 5; shorten it, or train with steps=6"):
        coder.encode("i am home now .")


# --- pieces of words ------------------------------------------------------------------------------------------------


def merged(words, merges):
    """The pairs of pieces that are joined, most frequent first: counted anew after every join."""
    rows = {tuple(f"▁{word}"): times for word, times in words.items()}
    found = []
    for _ in range(merges):
        counts = Counter()
        for row, times in rows.items():
            for pair in pairwise(row):
                counts[pair] += times
        (best, most), (_, second) = counts.most_common(2)
        assert most > second, "the example has a tie, which no rule decides"
        found.append("".join(best))
        rows = {joined(row, best): times for row, times in rows.items()}
    return found


def joined(row, pair):
    out, place = [], 0
    while place < len(row):
        both = row[place : place + 2] == pair
        out.append("".join(pair) if both else row[place])
        place += 2 if both else 1
    return tuple(out)


def test_pieces_are_those_of_the_most_frequent_neighbours_joined_again_and_again():
    pytest.importorskip("tokenizers")
    words = Counter({"ba": 7, "cba": 4, "da": 2, "eda": 3})
    expected = merged(words, 3)
    assert expected == ["ba", "▁ba", "da"]
    letters = len(set("".join(words))) + 1
    lines = list(words.elements())
    small = side(pair_text.learn(lines, {"unit": "subword", "vocab": 4 + letters + 3}))
    assert small.vocab.tokens[:4] == ("<unk>", "<pad>", "<bos>", "<eos>")
    assert list(small.vocab.tokens[4 + letters :]) == expected
    assert small.tokens("cba da") == ["▁", "c", "ba", "▁", "da"]
    assert side(pair_text.learn(lines, {"unit": "subword"})).tokens("cba eda") == ["▁cba", "▁eda"]


def test_a_letter_that_training_lacked_is_unknown_and_the_rest_is_kept(tmp_path):
    pytest.importorskip("tokenizers")
    coder = side(loaded(tmp_path, "test=0,unit=subword").about["source"])
    assert coder.decode(coder.encode("they Ω won")) == "they <unk> won"


def test_pieces_learnt_twice_are_the_same():
    pytest.importorskip("tokenizers")
    lines = data.load("number-words,pairs=300").source_texts
    first, again = (subwords.learn(lines, size=90) for _ in range(2))
    assert first == again


def test_too_few_pieces_are_refused(tmp_path):
    pytest.importorskip("tokenizers")
    with pytest.raises(InputError, match=r"vocab: expected at least \d+, a token for each letter, got 7; give more"):
        loaded(tmp_path, "test=0,unit=subword,vocab=7")


def test_without_the_package_one_line_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(MissingExtraError, match=r"needs the package tokenizers: run pip install 'fathom-dl\[text\]'"):
        loaded(tmp_path, "test=0,unit=subword")


# --- Tatoeba --------------------------------------------------------------------------------------------------------


def test_the_set_of_tatoeba_is_read_from_its_archive(tmp_path, monkeypatch):
    with zipfile.ZipFile(tmp_path / "fra-eng.zip", "w") as archive:
        archive.writestr("_about.txt", "about")
        archive.writestr("fra.txt", "\n".join(LINES) + "\n")
    found = store.Found(tmp_path / "fra-eng.zip", "folder", "0" * 64)
    monkeypatch.setattr(store, "locate", lambda card: [found])
    assert data.load("eng-fra,test=0").target_texts[1] == "ils regardent ."


def test_number_words_stand_in_for_tatoeba_with_its_options(capsys):
    found = data.load("eng-fra,pairs=600,test=0,swap=true")
    assert found.used.name == "number-words"
    assert len(found) == 600
    assert "eng-fra: not on this machine" in capsys.readouterr().err


def test_the_first_600_pairs_give_the_vocabularies_that_the_books_steps_give(real_data):
    path = f"{real_data.split(':')[0]}/eng-fra/fra-eng.zip"
    with zipfile.ZipFile(path) as archive:
        text = archive.read("fra.txt").decode("utf-8")
    lines = character_by_character(text[:40_000]).split("\n")[:600]
    found = data.load("eng-fra,pairs=600,test=0")
    for column, name, size in ((0, "source", 184), (1, "target", 201)):
        counts = Counter(word for line in lines for word in line.split("\t")[column].split(" "))
        frequent = [word for word, times in counts.most_common() if times >= 2]
        assert side(found.about[name]).vocab.tokens[4:] == tuple(frequent)
        assert len(frequent) + 4 == size


@pytest.mark.slow
def test_all_of_tatoeba_has_the_published_counts(real_data):
    whole = data.load("eng-fra,test=0")
    assert len(whole) == 167_130
    assert len(side(whole.about["source"])) == 10_012  # printed in Dive into Deep Learning, 9.5.3
    train, test = data.load("eng-fra"), data.load("eng-fra", "test")
    assert {"train": len(train), "test": len(test)} == dict(train.card.splits)
    assert len(train) + len(test) == len(whole)
    assert not set(train.source_texts) & set(test.source_texts)
    assert pairs.tidy(whole.source_texts[0]) == "go."


def test_cut_at_blanks_marks_stay_with_their_words():
    coder = side(pair_text.learn(["(3 2 (4 2 4 ) )"] * 2, {"unit": "space", "clean": "plain"}))
    numbers = coder.encode("(3  (4 2 4 )")
    assert coder.strings(numbers) == ["(3", "(4", "2", "4", ")"]
    assert coder.decode(numbers) == "(3 (4 2 4 )"
