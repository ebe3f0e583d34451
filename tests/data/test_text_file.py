import pytest
import torch

from fathom import data
from fathom.errors import DataError, InputError

CHINESE = "时间旅行者说：时间不过是空间的一种。\n" * 20


def words(dataset, count):
    separator = "" if dataset.about["unit"] == "char" else " "
    return separator.join(dataset.about["vocab"][number] for number in dataset.tensors["x"][:count])


def test_the_time_machine_is_here_whole_in_the_letters_of_the_book():
    train, test = (data.load("time-machine", split) for split in ("train", "test"))
    assert len(train) == train.card.splits["train"] == 156_084
    assert len(test) == test.card.splits["test"] == 17_342
    assert len(train.about["vocab"]) == 28  # as in the book: 26 letters, the blank, <unk>
    assert words(train, 32) == "the time machine by h g wells i "
    assert train.used.origin == "package"


def test_each_token_is_followed_by_the_next():
    train = data.load("time-machine,unit=word")
    assert torch.equal(train.tensors["x"][1:], train.tensors["y"][:-1])
    assert train.tensors["x"].dtype == torch.int16
    assert words(train, 5) == "the time machine by h"


def test_words_that_only_the_end_has_are_unknown():
    train, test = (data.load("time-machine,unit=word,min_count=2", split) for split in ("train", "test"))
    assert train.about["vocab"] == test.about["vocab"]
    assert 0 < train.about["unknown"] < test.about["unknown"] < 0.2


def test_a_limit_on_tokens_leaves_the_end_alone_and_sets_the_vocabulary():
    train = data.load("time-machine,tokens=100")
    assert len(train) == 100
    assert len(train.about["vocab"]) < 28
    assert len(data.load("time-machine,tokens=100", "test")) == 17_342


def test_nothing_held_out_leaves_no_test_split():
    with pytest.raises(DataError, match="expected at least 2 tokens in the test split, got 0; give test= between"):
        data.load("time-machine,test=0", "test")


@pytest.mark.parametrize(("unit", "tokens"), [("char", len(CHINESE)), ("word", len(CHINESE) - 20)])
def test_a_chinese_text_is_cut_by_characters(tmp_path, unit, tokens):
    (tmp_path / "zh.txt").write_text(CHINESE, encoding="utf-8")
    train = data.load(f"text:{tmp_path / 'zh.txt'},unit={unit}")
    assert "".join(train.about["vocab"][int(n)] for n in train.tensors["x"][:5]) == "时间旅行者"
    assert len(train) + 1 == round(tokens * 0.9)
    assert train.used.origin == "user"


def test_a_latin_text_needs_its_encoding(tmp_path):
    (tmp_path / "de.txt").write_bytes(("Größe und Maß\n" * 9).encode("latin-1"))
    with pytest.raises(DataError, match="got byte 0xf6 at offset 2; give its encoding, as in encoding=latin-1"):
        data.load(f"text:{tmp_path / 'de.txt'}")
    assert "ß" in data.load(f"text:{tmp_path / 'de.txt'},encoding=latin-1").about["vocab"]


def test_what_is_cached_is_what_was_read(tmp_path):
    (tmp_path / "zh.txt").write_text(CHINESE, encoding="utf-8")
    first, second = (data.load(f"text:{tmp_path / 'zh.txt'}") for _ in range(2))
    assert torch.equal(first.tensors["x"], second.tensors["x"])
    assert first.about == second.about
    (tmp_path / "zh.txt").write_text(CHINESE[::-1], encoding="utf-8")
    assert not torch.equal(data.load(f"text:{tmp_path / 'zh.txt'}").tensors["x"], first.tensors["x"])


def test_bad_texts_are_one_line(tmp_path):
    (tmp_path / "empty.txt").touch()
    with pytest.raises(DataError, match="expected at least 2 tokens in the train split, got 0; give a longer text"):
        data.load(f"text:{tmp_path / 'empty.txt'}")
    with pytest.raises(DataError, match="expected a file of text, but there is none"):
        data.load(f"text:{tmp_path / 'none.txt'}")
    with pytest.raises(InputError, match="unit: expected one of char, word, space, got 'letter'"):
        data.load("time-machine,unit=letter")


@pytest.mark.parametrize(("name", "vocab"), [("ptb", 10_000), ("wikitext-2", 13_777), ("tiny-shakespeare", 66)])
def test_the_real_corpora_have_their_published_sizes(real_data, name, vocab):
    for split in ("train", "test"):
        dataset = data.load(name, split)
        assert len(dataset) == dataset.card.splits[split]
        assert len(dataset.about["vocab"]) == vocab
