import gzip
import os

import pytest

from fathom import data
from fathom.errors import DataError, DownloadError

TRAIN = {"en": ["A cat sleeps.", "Two dogs eat.", "A dog sleeps."], "de": ["Eine Katze schläft.", "Zwei.", "Ein Hund."]}
TEST = {"en": ["A cat eats.", "A cat sleeps."], "de": ["Eine Katze frisst.", "Die Katze schläft."]}
OPTIONS = "min_count=1,clean=plain,shared=true"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    home = tmp_path / "wmt14-en-de"
    home.mkdir()
    for language in ("en", "de"):
        (home / f"train.{language}").write_text("\n".join(TRAIN[language]) + "\n", encoding="utf-8")
        (home / f"test.{language}.gz").write_bytes(gzip.compress("\n".join(TEST[language]).encode()))
    monkeypatch.setenv("FATHOM_DATA", str(tmp_path))
    monkeypatch.setenv("FATHOM_CACHE", str(tmp_path / "cache"))
    return home


def test_both_splits_are_the_files_even_where_they_share_a_sentence(folder):
    train, test = (data.load(f"wmt14-en-de,{OPTIONS}", split) for split in ("train", "test"))
    assert (train.source_texts, train.target_texts) == (TRAIN["en"], TRAIN["de"])
    assert (test.source_texts, test.target_texts) == (TEST["en"], TEST["de"])
    assert train.about["source"] == train.about["target"]
    assert train.used.origin == "folder"
    assert sorted(train.used.sha256) == ["test.de.gz", "test.en.gz", "train.de", "train.en"]


def test_fewer_training_pairs_leave_the_test_set_as_it_is(folder):
    few, test = (data.load(f"wmt14-en-de,pairs=2,{OPTIONS}", split) for split in ("train", "test"))
    assert few.source_texts == TRAIN["en"][:2]
    assert test.source_texts == TEST["en"]
    assert len(data.load(f"wmt14-en-de,{OPTIONS}", "train")) == 3
    assert len(data.load(f"wmt14-en-de,pairs=1,{OPTIONS}", "train")) == 1


def test_files_of_unequal_length_are_said(folder):
    data.verify("wmt14-en-de")
    (folder / "train.de").write_text("Eine Katze.\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"train\.de: expected 3 lines, as many as .*train\.en has, got 1"):
        data.verify("wmt14-en-de")
    with pytest.raises(DataError, match=r"train\.de: expected 3 lines"):
        data.load("wmt14-en-de", "train")


def test_without_the_files_number_words_stand_in_and_how_to_get_them_is_said(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("FATHOM_DATA", str(tmp_path))
    data.store.forget()
    train = data.load("wmt14-en-fr,pairs=50", "train")
    assert train.used.name == "number-words"
    assert "join them line by line to wmt14-en-fr/train.en, train.fr" in capsys.readouterr().err
    with pytest.raises(DownloadError, match="wmt14-en-fr: not on this machine; get the parallel corpora"):
        data.get("wmt14-en-fr")


def test_pairs_with_an_empty_side_are_left_out_and_counted(folder, capsys):
    english = [*TRAIN["en"][:1], "", "Resumption.", " \u200b", "", *TRAIN["en"][1:]]
    german = [*TRAIN["de"][:1], "Beifall.", "\u3000", "Ja.", "", *TRAIN["de"][1:]]
    (folder / "train.en").write_text("\n".join(english) + "\n", encoding="utf-8")
    (folder / "train.de").write_text("\n".join(german) + "\n", encoding="utf-8")
    (folder / "test.en.gz").write_bytes(gzip.compress("\n".join(["", *TEST["en"]]).encode()))
    (folder / "test.de.gz").write_bytes(gzip.compress("\n".join(["Leer.", *TEST["de"]]).encode()))
    data.store.forget()
    train, test = (data.load(f"wmt14-en-de,{OPTIONS}", split) for split in ("train", "test"))
    assert (train.source_texts, train.target_texts) == (TRAIN["en"], TRAIN["de"])
    assert (test.source_texts, test.target_texts) == (TEST["en"], TEST["de"])
    remarks = capsys.readouterr().err.splitlines()
    assert [remark.partition("train.en")[2] or remark.partition("test.en")[2] for remark in sorted(remarks)] == [
        ".gz, test.de.gz: 1 of 3 pairs have an empty side and are left out (first: line 1)",
        ", train.de: 4 of 7 pairs have an empty side and are left out (first: line 2)",
    ]
    data.verify("wmt14-en-de")
    assert data.load(f"wmt14-en-de,pairs=2,{OPTIONS}").source_texts == TRAIN["en"][:2]


@pytest.mark.parametrize("missing", ["train.en", "train.de", "test.en.gz", "test.de.gz"])
def test_a_file_that_is_missing_beside_others_is_named(folder, missing):
    (folder / missing).unlink()
    name = missing.removesuffix(".gz")
    for asked in (data.load, data.verify):
        with pytest.raises(DataError, match=rf"wmt14-en-de: expected train\.en, .* got no {name}; get the parallel"):
            asked("wmt14-en-de")


def test_a_whole_folder_behind_one_in_part_is_taken(folder, tmp_path, monkeypatch):
    part = tmp_path / "part" / "wmt14-en-de"
    part.mkdir(parents=True)
    (part / "train.en").write_text("A cat.\n", encoding="utf-8")
    monkeypatch.setenv("FATHOM_DATA", f"{part.parent}{os.pathsep}{tmp_path}")
    assert data.load(f"wmt14-en-de,{OPTIONS}").source_texts == TRAIN["en"]
