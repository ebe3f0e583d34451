"""Number words: known spellings, a reader that turns words back into numbers, and a package that spells them, too."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fathom import data
from fathom.data.number_words import LIMIT, drawn, english, french
from fathom.data.pairs import side
from fathom.errors import InputError

numbers = st.integers(0, 12).flatmap(lambda digits: st.integers(0, min(LIMIT, 10**digits)))
ONES = (
    *("zero zéro", "one un", "two deux", "three trois", "four quatre", "five cinq", "six six", "seven sept"),
    *("eight huit", "nine neuf", "ten dix", "eleven onze", "twelve douze", "thirteen treize", "fourteen quatorze"),
    *("fifteen quinze", "sixteen seize"),
)
VALUES = {word: value for value, words in enumerate(ONES) for word in words.split()}
VALUES |= {"seventeen": 17, "eighteen": 18, "nineteen": 19, "twenty": 20, "vingt": 20, "thirty": 30, "trente": 30}
VALUES |= {"forty": 40, "quarante": 40, "fifty": 50, "cinquante": 50, "sixty": 60, "soixante": 60, "seventy": 70}
VALUES |= {"eighty": 80, "ninety": 90}
SCALES = {"thousand": 10**3, "mille": 10**3, "million": 10**6, "billion": 10**9, "milliard": 10**9}


def value(words):
    """What words in either language say: added up, with hundreds, scores and larger units as factors."""
    total, part = 0, 0
    for word in words.replace("quatre-vingt", "eighty").replace("-", " ").split():
        plain = word.removesuffix("s") if word.removesuffix("s") in {*SCALES, "cent", "eighty"} else word
        if plain in ("hundred", "cent"):
            part = 100 * max(part, 1)
        elif plain in SCALES:
            total, part = total + max(part, 1) * SCALES[plain], 0
        elif plain not in ("and", "et"):
            part += VALUES[plain]
    return total + part


@given(numbers)
def test_words_read_aloud_give_the_number_back(number):
    assert value(english(number)) == number
    assert value(french(number)) == number


@pytest.mark.parametrize(
    ("number", "says", "dit"),
    [
        (21, "twenty-one", "vingt et un"),
        (71, "seventy-one", "soixante et onze"),
        (80, "eighty", "quatre-vingts"),
        (81, "eighty-one", "quatre-vingt-un"),
        (97, "ninety-seven", "quatre-vingt-dix-sept"),
        (100, "one hundred", "cent"),
        (300, "three hundred", "trois cents"),
        (301, "three hundred and one", "trois cent un"),
        (1000, "one thousand", "mille"),
        (80_000, "eighty thousand", "quatre-vingt mille"),
        (200_080, "two hundred thousand and eighty", "deux cent mille quatre-vingts"),
        (80_000_000, "eighty million", "quatre-vingts millions"),
        (1_000_000_100, "one billion one hundred", "un milliard cent"),
    ],
)
def test_spelling_where_it_is_hard(number, says, dit):
    assert (english(number), french(number)) == (says, dit)


@given(numbers)
def test_another_speller_says_the_same(number):
    num2words = pytest.importorskip("num2words").num2words
    assert english(number) == " ".join(num2words(number).replace(",", "").split())
    assert french(number) == num2words(number, lang="fr")


def test_numbers_are_different_in_range_and_of_every_length():
    found = drawn(3001, 999_999)
    assert len(set(found)) == 3001
    assert 0 <= min(found) <= max(found) <= 999_999
    lengths = torch.tensor([len(str(number)) for number in found]).bincount()
    assert lengths[3:].min() > 400
    assert sorted(drawn(13, 12)) == list(range(13))
    assert drawn(5, 99, seed=1) != drawn(5, 99)
    assert drawn(5, 99) == drawn(5, 99)


def test_numbers_that_do_not_exist_are_refused():
    with pytest.raises(InputError, match="expected at most 100 numbers from 0 to 99, got 101 pairs"):
        data.load("number-words,most=99,pairs=101")
    with pytest.raises(InputError, match=r"most: expected at most 999,999,999,999, got"):
        data.load(f"number-words,most={10**12}")


def test_every_pair_is_a_number_in_both_languages_and_none_is_in_both_splits():
    train, test = (data.load("number-words,pairs=500", split) for split in ("train", "test"))
    assert len(train) + len(test) == 500
    for part in (train, test):
        assert [value(text) for text in part.source_texts] == [value(text) for text in part.target_texts]
    assert not set(train.source_texts) & set(test.source_texts)
    assert side(train.about["target"]).decode(train.tensors["y"][7].tolist()) == train.target_texts[7]
    assert (train.used.origin, train.used.sizes) == ("generated", {"train": len(train)})


def test_the_card_tells_how_many_there_are():
    splits = data.card("number-words").splits
    assert {split: len(data.load("number-words", split)) for split in splits} == splits


def test_few_training_examples_leave_the_test_set_as_it_is():
    assert len(data.load("number-words,pairs=500,examples=31")) == 31
    tests = [data.load(f"number-words,pairs=500{options}", "test").target_texts for options in ("", ",examples=31")]
    assert tests[0] == tests[1]
