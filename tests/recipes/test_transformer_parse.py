from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fathom import data
from fathom.data.trees import Node, over, parse, written
from fathom.errors import InputError
from fathom.recipes import transformer_parse as recipe
from fathom.recipes.common.linear_trees import bracket_f1, brackets, linear, nameless, right_branching, with_words

TREE = "(3 (2 it) (4 (2 is) (4 fine)))"


@st.composite
def trees(draw, most=7):
    """Any binary tree with any labels over numbered words."""

    def grow(first, last):
        label = draw(st.integers(0, 4))
        if last - first == 1:
            return [Node(f"w{first}", 0, 0, 0, label)]
        middle = draw(st.integers(first + 1, last - 1))
        left, right = grow(first, middle), grow(middle, last)
        height = 1 + max(left[-1].height, right[-1].height)
        return [*left, *right, Node("", len(right) + 1, 1, height, label)]

    return grow(0, draw(st.integers(1, most)))


def spans(nodes):
    """The brackets by walking down from the root."""
    found = Counter()

    def walk(row, first):
        node = nodes[row]
        if not node.height:
            return first + 1
        last = walk(row - node.right, walk(row - node.left, first))
        found[first, last, node.label] += 1
        return last

    walk(len(nodes) - 1, 0)
    return found


def read(text):
    return brackets(text.split())


@given(trees())
def test_what_was_written_is_read_again(tree):
    assert brackets(linear(tree).split()) == spans(tree)


@given(trees())
def test_with_its_words_it_is_the_tree(tree):
    assert with_words(linear(tree).split(), [node.word for node in tree if node.word]) == written(tree)


@given(trees(), trees())
def test_f1_is_one_for_the_same_tree_and_the_same_both_ways_round(one, other):
    ours, theirs = spans(one), spans(other)
    assert bracket_f1([ours], [ours]) == (1 if ours else 0)
    assert bracket_f1([ours], [theirs]) == pytest.approx(bracket_f1([theirs], [ours]))


def test_f1_counts_brackets_and_not_trees():
    right = read("(3 2 (4 2 4 ) )")
    wrong_label = read("(3 2 (1 2 4 ) )")
    left = read("(3 (4 2 2 ) 4 )")
    assert bracket_f1([wrong_label], [right]) == 0.5
    assert bracket_f1([nameless(wrong_label)], [nameless(right)]) == 1
    assert bracket_f1([left, right], [right, right]) == 0.75
    assert bracket_f1([Counter()], [right]) == 0


def test_brackets_that_do_not_fit_are_made_to():
    assert read("(3 2 (4 2 4") == read("(3 2 (4 2 4 ) )")
    assert read(") (3 2 2 ) ) )") == {(0, 2, 3): 1}
    assert read("(3 2 )") == brackets([]) == Counter()
    assert read("<unk> (3 2 x 2 )") == {(0, 2, 3): 1}


@pytest.mark.parametrize("leaves", [1, 2, 5])
def test_right_branching_trees_are_those_of_the_treebanks_own_kind(leaves):
    words = [f"w{leaf}" for leaf in range(leaves)]
    assert nameless(spans(over(words, "right"))) == right_branching(words)


def test_a_full_stop_joins_the_whole_sentence():
    assert sorted(right_branching(["it", "is", "fine", "."])) == [(0, 3, 0), (0, 4, 0), (1, 3, 0)]
    assert sorted(right_branching(["it", "."])) == [(0, 2, 0)]
    assert not right_branching(["."])


@pytest.mark.parametrize(
    "tokens", ["(3 2 2", "(3 2 ) )", ") 2 2 (3", "(3 2 2 2 )", "(3 2 )", "3 3", "(3 2 ) 4", "(3 )", "(3 2 <unk> )"]
)
def test_what_is_no_tree_over_the_words_stays_as_it_is(tokens):
    assert with_words(tokens.split(), ["a", "b"]) == tokens


def test_a_treebank_becomes_pairs_of_sentences_and_sequences():
    train, test = recipe.load_splits(recipe.Config(data="sentiment-grammar,examples=100"))
    assert train.about["kind"] == "pairs"
    assert len(train) == len(data.load("sentiment-grammar,examples=100", "train"))
    assert len(test) == len(data.load("sentiment-grammar,examples=100", "test"))
    for source, target in zip(train.source_texts, train.target_texts, strict=True):
        assert sum(token.isdigit() for token in target.split()) == len(source.split())
        assert parse(with_words(target.split(), [word.replace("(", "-LRB-") for word in source.split()]))
    tokens = set(train.about["sides"]["target"]["vocab"])
    assert tokens >= {")", *(f"({label}" for label in range(5))}
    assert tokens <= {"<unk>", "<pad>", "<bos>", "<eos>", ")", *"01234", *(f"({label}" for label in range(5))}


def test_the_right_trees_have_an_f1_of_one(monkeypatch):
    config = recipe.Config(data="sentiment-grammar,examples=100", translations=7)
    train, test = recipe.load_splits(config)
    said = {row: test.target_texts[row] for row in range(len(test))}
    monkeypatch.setattr(
        recipe.translation, "translated", lambda model, test, about, rows: [(said[row], 0.0) for row in rows.tolist()]
    )
    found = recipe.points(None, config, train.about, test)
    assert found["test_f1"] == found["test_bracket_f1"] == found["test_exact"] == 1
    assert 0 < found["right_branching_f1"] < 1


def test_other_data_are_said():
    with pytest.raises(InputError, match="number-words: expected trees, got pairs; give sst-trees or trees:FILE"):
        recipe.load_splits(recipe.Config(data="number-words"))


def test_a_tree_is_written_without_its_words():
    assert linear(parse(TREE)) == "(3 2 (4 2 4 ) )"
