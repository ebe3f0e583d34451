import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fathom.errors import InputError, UnknownNameError
from fathom.metrics import Bleu, bleu, corpus_bleu
from fathom.metrics.bleu import cut_13a

sacrebleu = pytest.importorskip("sacrebleu", reason="the referee is not installed")

words = st.sampled_from(
    ["a", "b", "c", "dé", "1,000.5", "x-y", "9-7", "(ça)", "l'un.", "&quot;", "&amp;lt;", "e,f", "$5!"]
)
texts = st.lists(words, max_size=9).map(" ".join)
corpora = st.lists(st.tuples(texts, st.lists(texts, min_size=2, max_size=2)), min_size=1, max_size=5)
quick = settings(deadline=None, max_examples=100)


def referee(corpus, **options):
    streams = [list(stream) for stream in zip(*(right for _, right in corpus), strict=True)]
    return sacrebleu.corpus_bleu([text for text, _ in corpus], streams, **options)


@quick
@given(corpora, st.sampled_from(["13a", "none"]), st.sampled_from(["exp", "none"]))
def test_bleu_of_a_corpus_is_sacrebleus(corpus, tokenize, smooth):
    expected = referee(corpus, tokenize=tokenize, smooth_method=smooth, force=True)
    points = Bleu(tokenize=tokenize, smooth=smooth)
    points.update(*zip(*corpus, strict=True))
    assert points.score == pytest.approx(expected.score)
    assert points.matches == expected.counts
    assert points.runs == expected.totals
    assert (points.predicted, points.reference) == (expected.sys_len, expected.ref_len)
    assert points.brevity_penalty == pytest.approx(expected.bp)


@quick
@given(st.text(alphabet="ab1 .,-'\"&;<>()é_/\n«$~`", max_size=20))
def test_text_is_cut_as_sacrebleu_cuts_it(text):
    from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a

    assert " ".join(cut_13a(text)) == Tokenizer13a()(text)


@quick
@given(corpora, corpora)
def test_counts_of_two_processes_make_one_score(first, second):
    parts = [Bleu(), Bleu()]
    for points, corpus in zip(parts, (first, second), strict=True):
        points.update(*zip(*corpus, strict=True))
    parts[0].merge(parts[1])
    restored = Bleu()
    restored.load_state_dict(parts[0].state_dict())
    assert restored.score == corpus_bleu(*zip(*first, *second, strict=True))


@pytest.mark.parametrize(
    ("predicted", "expected"),
    [
        ("va !", 1.0),
        ("il est riche .", (3 / 4) ** 0.5 * (1 / 3) ** 0.25),
        ("il il", math.exp(1 - 4 / 2) * (1 / 2) ** 0.5 * 0.0),
        ("il", math.exp(1 - 4 / 1)),
        ("", 0.0),
    ],
)
def test_the_books_bleu_by_hand(predicted, expected):
    reference = "va !" if predicted == "va !" else "il est calme ."
    assert bleu(predicted.split(), reference.split()) == pytest.approx(expected)


def test_the_books_bleu_of_its_printed_sentence():
    assert round(bleu(["il", "est", "riche", "."], ["il", "est", "mouillé", "."]), 3) == pytest.approx(0.658)


def test_bad_input_of_bleu_is_said():
    with pytest.raises(InputError, match="k: expected runs of at least 1 token, got 0"):
        bleu(["a"], ["a"], k=0)
    with pytest.raises(InputError, match="references: expected 2, one list a sentence, got 1"):
        corpus_bleu(["a", "b"], [["a"]])
    with pytest.raises(InputError, match="references: expected a list of at least one text for each sentence, got 'a'"):
        corpus_bleu(["a"], ["a"])
    with pytest.raises(UnknownNameError, match="unknown tokenize '13b'; did you mean '13a'"):
        Bleu(tokenize="13b")
    with pytest.raises(UnknownNameError, match="unknown smooth 'floor'"):
        Bleu(smooth="floor")
