"""Stories by hand: the answer is what a reader finds who follows the last word on each subject."""

import pytest
import torch

from fathom import data
from fathom.data import stories
from fathom.errors import InputError


def told(row):
    return [" ".join(stories.VOCAB[word] for word in words if word) for words in row.tolist()]


def followed(sentences, subject):
    """Where it is, and the sentences that say so."""
    for place in reversed(range(len(sentences))):
        words = sentences[place].split()
        if subject in stories.PERSONS and words[:2] == [subject, "went"]:
            return words[-1], [place]
        if subject in stories.CONTAINERS and words[1:] == ["picked", "up", "the", subject]:
            end, places = followed(sentences, words[0])
            return end, [place, *places]
        if words[:3] == ["the", subject, "was"]:
            end, places = followed(sentences, words[-1])
            return end, [place, *places]
    raise AssertionError(subject)


def test_the_answer_is_where_the_last_words_lead():
    found = data.load("stories,examples=200").tensors
    for x, y, facts, support in zip(*(found[name] for name in ("x", "y", "facts", "support")), strict=True):
        *sentences, question = told(x)
        place, places = followed(sentences, question.split()[-1])
        assert stories.VOCAB[y] == place
        assert len(places) == facts
        assert support.tolist() == places + [-1] * (3 - len(places))


def test_every_number_of_facts_and_every_place_is_asked_alike():
    found = data.load("stories,examples=3000").tensors
    assert found["facts"].bincount()[1:].tolist() == pytest.approx([1000] * 3, rel=0.1)
    assert found["y"].bincount()[-6:].tolist() == pytest.approx([500] * 6, rel=0.15)


def test_the_last_sentence_on_a_subject_may_change_the_answer():
    found = data.load("stories,sentences=24,examples=300").tensors
    changed = 0
    for x in found["x"]:
        *sentences, question = told(x)
        subject = question.split()[-1]
        changed += followed(sentences, subject)[0] != followed(sentences[::-1], subject)[0]
    assert changed > 60


def test_splits_and_seeds_differ():
    first = data.load("stories,examples=11").tensors["x"]
    assert torch.equal(first, data.load("stories,examples=11").tensors["x"])
    assert not torch.equal(first, data.load("stories,examples=11", "test").tensors["x"])
    assert not torch.equal(first, data.load("stories,examples=11,seed=1").tensors["x"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("zoe went to the moon", "expected words of the stories, got 'moon'; they are where, is, the"),
        ("zoe went to the attic was put up", "expected a sentence of 1 to 7 words, got 8"),
        ("", "expected a sentence of 1 to 7 words, got 0"),
    ],
)
def test_a_sentence_that_no_story_has_is_told(text, message):
    with pytest.raises(InputError, match=message):
        stories.numbers(text)


def test_more_sentences_than_there_is_to_tell_are_refused():
    with pytest.raises(InputError, match="stories: sentences: expected at most 24, two on each subject, got 25"):
        data.load("stories,sentences=25")
