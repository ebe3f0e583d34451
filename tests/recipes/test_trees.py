"""Recipes of networks on trees: what they are told, what they say, and that brackets matter."""

import dataclasses

import pytest
import torch

from fathom import data, recipes
from fathom.errors import DataError, InputError
from fathom.recipes import balanced_trees, rntn, tree_lstm, tree_rnn
from fathom.recipes.common import trees as on_trees
from fathom.records import RunFolder

DATA = "sentiment-grammar,examples=60"
TINY = {"epochs": 1, "limit": 3, "batch_size": 8, "hidden_size": 8, "threads": 1, "data": DATA}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    config = tree_lstm.Config(**TINY)
    folder = RunFolder.create("tree-lstm", dataclasses.asdict(config), tmp_path_factory.mktemp("run") / "run")
    tree_lstm.run(config, folder)
    return folder


def words(text):
    return [node.word for node in on_trees.nodes_of(text)[0] if node.word]


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ("It isn't fine.", ["it", "is", "n't", "fine", "."]),
        ("the film's end (a dud)", ["the", "film", "'s", "end", "(", "a", "dud", ")"]),
        ("can't, won't ...", ["ca", "n't", ",", "wo", "n't", "..."]),
    ],
)
def test_plain_words_are_cut_as_the_treebank_cuts_them(text, cut):
    assert words(text) == cut


def test_plain_words_are_read_along_a_right_branching_tree_and_it_says_so(folder):
    found = tree_lstm.predict(folder, "the film is good")
    assert found.extra["tree"] == "right-branching, since there are no brackets"
    assert found.extra["nodes"].count("(") == 7
    assert "good)" in found.extra["nodes"]


def test_brackets_with_and_without_labels_are_one_tree(folder):
    plain, labelled = (
        tree_lstm.predict(folder, text)
        for text in ("((the film) (is (not good)))", "(1 (2 (2 the) (2 film)) (1 (2 is) (1 (2 not) (3 good))))")
    )
    assert plain.extra == labelled.extra
    assert plain.probabilities == labelled.probabilities
    assert plain.extra["tree"] == "as in the brackets"


def test_words_never_seen_are_named(folder):
    assert tree_lstm.predict(folder, "((a zebra) good)").extra["unknown words"] == "a, zebra"
    assert "unknown words" not in tree_lstm.predict(folder, "(the film)").extra


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("((the film) (is good)", r"expected 1 more \) at the end"),
        ("(the good film)", "got 0 words and 3 trees"),
        ("(3 (2 the) (7 film))", "expected a label from 0 to 4"),
        ("  ", "expected a sentence, got none"),
    ],
)
def test_a_sentence_that_is_no_tree_is_refused_in_one_line(text, message, folder):
    with pytest.raises(InputError, match=message) as caught:
        tree_lstm.predict(folder, text)
    assert "\n" not in str(caught.value)


def test_the_figures_are_of_the_epoch_that_the_trees_to_choose_by_chose():
    result = tree_lstm.run(tree_lstm.Config(**{**TINY, "epochs": 3, "limit": 20}))
    best = max(result.history, key=lambda record: record["dev_root_accuracy"])
    assert result.metrics["best_epoch"] == best["epoch"]
    assert result.metrics["test_root_accuracy"] == best["test_root_accuracy"]
    assert "the words began with random vectors" in result.notes


def test_scores_count_every_tree_once_however_they_are_batched(monkeypatch):
    config = tree_lstm.Config(**TINY)
    test = data.load("sentiment-grammar,examples=37", "test")
    torch.manual_seed(0)
    model = tree_lstm.RECIPE.build(config, test.about).eval()
    with torch.inference_mode():
        logits = model(test.tensors["nodes"])
    labels, last = test.tensors["labels"], test.tensors["x"].sum(1) - 1
    whole = dataclasses.replace(config, limit=0)
    monkeypatch.setattr(on_trees, "MEASURED", 5)
    found = on_trees.scores(model, test, whole, "")
    guesses = logits.argmax(1)
    assert found["loss"] == pytest.approx(float(torch.nn.functional.cross_entropy(logits, labels)), rel=1e-6)
    assert found["node_accuracy"] == float((guesses == labels).double().mean())
    assert found["root_accuracy"] == float((guesses[last] == test.tensors["y"]).double().mean())
    sided = test.tensors["y"] != 2
    share = logits[last].softmax(1)
    side = (share[:, 3:].sum(1) > share[:, :2].sum(1)) == (test.tensors["y"] > 2)
    assert found["root_binary_accuracy"] == pytest.approx(float(side[sided].double().mean()))


def test_other_data_than_trees_are_refused():
    with pytest.raises(InputError, match="expected trees, got"):
        tree_lstm.run(tree_lstm.Config(**{**TINY, "data": "time-machine"}))


def test_a_run_is_not_measured_on_trees_of_other_words(folder, monkeypatch):
    settings = {**folder.config, "data": "sentiment-grammar,seed=1,examples=5"}
    monkeypatch.setattr(RunFolder, "config", settings)
    with pytest.raises(DataError, match="expected the trees that the run has learnt, with its 32 words"):
        tree_lstm.measure(folder)


@pytest.mark.parametrize("recipe", [rntn, tree_rnn])
def test_vectors_of_another_size_than_a_node_are_refused(recipe):
    about = {"vectors": True, "vocab": ["<unk>", "a"], "classes": ["0", "1"]}
    with pytest.raises(InputError, match="--hidden-size: expected 50, as many as GloVe's vectors have, got 30"):
        recipe.RECIPE.build(recipe.Config(), about)


@pytest.mark.parametrize("name", ["tree-lstm", "balanced-trees"])
def test_settings_that_can_not_be_are_refused(name):
    module = recipes.load(name)
    with pytest.raises(InputError, match="--dropout: expected a probability"):
        module.Config(dropout=1.0)
    with pytest.raises(InputError, match="--accumulate: expected 1"):
        module.Config(accumulate=2)


@pytest.mark.slow  # it begins with the vectors of 40,000 words
def test_with_vectors_at_hand_the_words_begin_with_them(real_data):
    about = {"vectors": True, "vocab": ["<unk>", "the", "no-such-word-at-all"], "classes": ["0", "1"]}
    model = tree_lstm.RECIPE.build(tree_lstm.Config(), about, lambda model: on_trees.begin(model, about))
    table = model.embedding.weight
    assert table[1, :2].tolist() == pytest.approx([0.418, 0.24968])
    assert 0 < table[2].abs().max() <= 0.05
    torch.testing.assert_close(table[0], table[1:].mean(0))


def test_the_three_networks_begin_alike_and_read_three_trees():
    config = balanced_trees.Config(**TINY)
    examples = balanced_trees.load(config, "train")
    torch.manual_seed(0)
    networks = balanced_trees.build(config, examples.about).eval()
    states = [network.state_dict() for network in networks.values()]
    assert all(torch.equal(states[0][name], state[name]) for state in states[1:] for name in state)
    first, count = examples.tensors["x"][0].tolist()
    tables = examples.tensors["nodes"][first : first + count]
    answers = [network(tables) for network in networks.values()]
    leaves = (count + 1) // 2
    assert all(answer.shape == (leaves + 1, 5) for answer in answers)
    torch.testing.assert_close(answers[0][:leaves], answers[1][:leaves])  # of words alone, they say the same
    torch.testing.assert_close(answers[0][:leaves], answers[2][:leaves])


def test_a_sentence_without_brackets_is_not_read_along_a_parse(tmp_path):
    config = balanced_trees.Config(**TINY)
    folder = RunFolder.create("balanced-trees", dataclasses.asdict(config), tmp_path / "run")
    balanced_trees.run(config, folder)
    plain, given = (balanced_trees.predict(folder, text) for text in ("the film is good", "((the film) (is good))"))
    assert set(plain.extra) == {"balanced", "right-branching"}
    assert set(given.extra) == {"balanced", "right-branching", "parse"}
    assert plain.extra["balanced"] == given.extra["balanced"]


@pytest.mark.slow  # half a minute of training
def test_brackets_say_what_words_alone_do_not():
    result = tree_lstm.run(tree_lstm.Config(data="sentiment-grammar", epochs=6, hidden_size=30, dropout=0, threads=1))
    test = data.load("sentiment-grammar", "test")
    train = data.load("sentiment-grammar")

    def bags(examples):
        size = len(train.about["vocab"])
        counted = torch.zeros(len(examples), size)
        tree = torch.repeat_interleave(torch.arange(len(examples)), examples.tensors["x"][:, 1])
        counted.index_put_((tree, examples.tensors["nodes"][:, 0]), torch.ones(()), accumulate=True)
        return torch.cat([counted[:, 1:], torch.ones(len(examples), 1)], dim=1)

    targets = torch.nn.functional.one_hot(train.tensors["y"], 5).float()
    weights = torch.linalg.lstsq(bags(train) + 1e-4 * torch.randn(1000, 32), targets).solution
    by_words = ((bags(test) @ weights).argmax(1) == test.tensors["y"]).float().mean()
    assert result.metrics["test_root_accuracy"] > 0.95
    assert by_words < 0.7
