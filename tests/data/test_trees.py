"""Trees in brackets: what is read, what is refused with file and line, and the sets made of them."""

import gzip
import zipfile

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fathom import data
from fathom.data import cache, sentiment_grammar, store, treebank, trees, word_vectors
from fathom.data.dataset import RemoteFile
from fathom.data.tree_batches import TreeBatches
from fathom.errors import DataError, InputError, ShapeError, UnknownNameError
from fathom.ops.trees import roots

LINES = ["(3 (2 It) (4 (2 is) (4 fine)))", "(2 (2 A) (1 (1 bad) (2 film)))", "(0 Dreadful)"]


def written(folder, lines, name="mine.txt"):
    path = folder / name
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


# --- one line -------------------------------------------------------------------------------------------------------


def test_a_tree_is_read_with_its_labels_children_and_heights():
    assert trees.parse(LINES[0]) == [
        ("it", 0, 0, 0, 2),
        ("is", 0, 0, 0, 2),
        ("fine", 0, 0, 0, 4),
        ("", 2, 1, 1, 4),
        ("", 4, 1, 2, 3),
    ]


@pytest.mark.parametrize(
    ("word", "read"),
    [("-LRB-", "("), ("-rrb-", ")"), (r"and\/or", "and/or"), (r"\*\*\*", "***"), ("8\u00a01\\/2", "8\u00a01/2")],
)
def test_escapes_are_read_as_what_they_stand_for(word, read):
    assert trees.parse(f"(2 (2 {word}) (2 end))")[0].word == read


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("(3 (2 It) (4 fine)", r"expected 1 more \) at the end, got the end of the line"),
        ("(3 (2 It) (4 fine)))", r"expected one tree a line, got '\)' after it"),
        ("(3 (2 It) (4 fine)) (2 a)", r"expected one tree a line, got '\(' after it"),
        ("(5 (2 It) (4 fine))", r"expected a label from 0 to 4 behind \(, got '5'"),
        ("((2 It) (4 fine))", r"expected a label from 0 to 4 behind \(, got '\('"),
        ("(3 (2 It) (4 fine", r"expected 2 more \) at the end"),
        ("(3", r"expected 1 more \) at the end"),
        ("(", r"expected a label from 0 to 4 behind \(, got 'the end'"),
        ("fine", r"expected a tree to begin with \(, got 'fine'"),
        (") (3 a)", r"expected a tree to begin with \(, got '\)'"),
        ("(3 (2 It))", "expected a word or two trees in each bracket, got 0 words and 1 trees under a label 3"),
        ("(3 (2 a) (2 b) (2 c))", "got 0 words and 3 trees under a label 3"),
        ("(3 It fine)", "got 2 words and 0 trees under a label 3"),
        ("(3 It (2 is))", "got 1 words and 1 trees under a label 3"),
        ("(3 )", "got 0 words and 0 trees under a label 3"),
    ],
)
def test_what_is_no_tree_is_refused_with_file_and_line(line, reason, tmp_path):
    path = written(tmp_path, [*LINES, "", line])
    with pytest.raises(DataError, match=rf"mine.txt, line 5: {'.*' if reason[0] == 'g' else ''}{reason}"):
        data.load(f"trees:{path}")


def test_a_tree_as_deep_as_it_has_words_is_read():
    words = 3000
    line = "".join(f"(2 (2 w{word}) " for word in range(words)) + "(3 end)" + ")" * words
    assert trees.parse(line)[-1].height == words


@given(st.randoms(use_true_random=False))
def test_what_is_written_is_read_again(source):
    line, _ = sentiment_grammar.sentence(source)
    assert trees.written(trees.parse(line)) == line


@given(st.text("() 02ab-", max_size=30))
def test_any_line_is_a_tree_or_refused_in_one_line(line):
    try:
        nodes = trees.parse(line)
    except ValueError as error:
        assert str(error).startswith("expected ")  # noqa: PT017
        assert "\n" not in str(error)  # noqa: PT017
    else:
        assert trees.parse(trees.written(nodes)) == nodes


# --- the user's own -------------------------------------------------------------------------------------------------


def test_a_file_is_split_into_three_parts_by_its_lines(tmp_path):
    path = written(tmp_path, [f"({label} (2 a) (2 w{label}))" for label in (0, 1, 2, 3, 4, 0, 1, 2, 3, 4)])
    parts = [
        data.load(f"trees:{path},test=0.2", "train"),
        data.load(f"trees:{path},test=0.2,part=dev", "test"),
        data.load(f"trees:{path},test=0.2", "test"),
    ]
    assert [part.tensors["y"].tolist() for part in parts] == [[0, 1, 2, 3, 4, 0], [1, 2], [3, 4]]
    assert parts[0].about["vocab"] == ["<unk>", "a", "w0", "w1", "w2", "w3", "w4"]
    assert parts[0].used.origin == "user"


def test_words_that_no_training_tree_has_are_unknown(tmp_path):
    path = written(tmp_path, [*LINES[:2], LINES[0], "(3 (2 It) (3 sparkles))"])
    test = data.load(f"trees:{path},test=0.25", "test")
    assert test.tensors["nodes"][:, 0].tolist() == [test.about["vocab"].index("it"), 0, 0]
    assert test.about["unknown"] == 0.5


def test_a_file_packed_by_gzip_is_read(tmp_path):
    path = tmp_path / "mine.txt.gz"
    path.write_bytes(gzip.compress("\n".join(LINES).encode()))
    assert len(data.load(f"trees:{path},test=0")) == 3


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "expected trees in the train split, got none"),
        (b"\xff\xfe", "expected a file of trees in UTF-8"),
        (b"\x1f\x8b\x08broken", "expected a file of trees in UTF-8"),
    ],
)
def test_a_file_without_trees_is_refused(content, message, tmp_path):
    path = tmp_path / "mine.txt"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        data.load(f"trees:{path}")


def test_a_missing_file_and_a_wrong_option_are_refused(tmp_path):
    with pytest.raises(DataError, match="could not read it"):
        data.load(f"trees:{tmp_path / 'none.txt'}")
    with pytest.raises(UnknownNameError, match="did you mean 'part'"):
        data.load("sst-trees,prt=dev")
    with pytest.raises(InputError, match="part: expected one of test, dev, got 'valid'"):
        data.load("sst-trees,part=valid")


# --- the generated ones ---------------------------------------------------------------------------------------------


def worth(nodes, row):
    """What a generated phrase is worth by the rules of the grammar, told from its words and brackets alone."""
    node = nodes[row]
    if not node.height:
        return sentiment_grammar.ADJECTIVES.get(node.word, 0)
    left, right = nodes[row - node.left], worth(nodes, row - node.right)
    if left.word == "not":
        return max(-1, min(1, -right))
    if left.word in sentiment_grammar.STRONGER:
        return max(-2, min(2, 2 * right))
    if left.word in sentiment_grammar.WEAKER:
        return right - (right > 0) + (right < 0)
    first, last = worth(nodes, row - node.left), nodes[row - node.right]
    if last.height and nodes[row - node.right - last.left].word == "but":
        return right + (first > right) - (first < right)
    return first if last.word == "." else right


@given(st.randoms(use_true_random=False))
def test_every_label_of_a_generated_tree_follows_from_its_words_and_brackets(source):
    nodes = trees.parse(sentiment_grammar.sentence(source)[0])
    assert [worth(nodes, row) + 2 for row in range(len(nodes))] == [node.label for node in nodes]


def test_the_generated_set_is_the_same_every_time_and_stands_in_for_the_treebank(capsys):
    first, second = data.load("sst-trees"), data.load("sentiment-grammar")
    assert "using sentiment-grammar instead (1,000 + 300 examples)" in capsys.readouterr().err
    assert all(torch.equal(first.tensors[name], second.tensors[name]) for name in first.tensors)
    assert not torch.equal(second.tensors["labels"], data.load("sentiment-grammar,seed=1").tensors["labels"])


# --- the treebank ---------------------------------------------------------------------------------------------------


@pytest.mark.slow  # the whole treebank is read
def test_the_treebank_is_what_its_authors_say(real_data):
    train, dev, test = (
        data.load("sst-trees"),
        data.load("sst-trees", "test", part="dev"),
        data.load("sst-trees", "test"),
    )
    assert [len(part) for part in (train, dev, test)] == [8544, 1101, 2210]
    assert torch.bincount(test.tensors["y"]).tolist() == [279, 633, 389, 510, 399]  # so 1,821 that are not neutral
    leaves = int((train.tensors["nodes"][:, 3] == 0).sum())
    assert len(train.tensors["nodes"]) == 2 * leaves - 8544
    assert train.about["unknown"] == 0
    assert 0.04 < test.about["unknown"] < 0.06


@pytest.mark.slow  # the whole treebank is read
def test_with_vectors_fewer_words_are_unknown(real_data):
    plain, more = (data.load("sst-trees", "test", vectors=vectors) for vectors in ("false", "true"))
    assert more.about["vectors"]
    assert not plain.about["vectors"]
    assert more.about["unknown"] < 0.6 * plain.about["unknown"]
    vectors, there = word_vectors.look_up(["the", "no-such-word-at-all"])
    assert there.tolist() == [True, False]
    assert float(vectors[0, 0]) == pytest.approx(0.418)
    assert vectors[1].abs().sum() == 0


def test_without_the_file_there_are_no_vectors(tmp_path):
    assert word_vectors.words() == ()
    assert word_vectors.look_up(["the"]) is None
    assert not data.load(f"trees:{written(tmp_path, LINES)},test=0,vectors=true").about["vectors"]


def test_the_archive_is_read_and_one_without_trees_refused(tmp_path, monkeypatch):
    folder = tmp_path / "sst-trees"
    folder.mkdir()
    monkeypatch.setenv("FATHOM_DATA", str(tmp_path))

    def archive(names):
        with zipfile.ZipFile(folder / treebank.ZIP.name, "w") as file:
            for name in names:
                file.writestr(f"trees/{name}.txt", "\n".join(LINES))
        digest = cache.digest(folder / treebank.ZIP.name)
        one = RemoteFile(name=treebank.ZIP.name, urls=("https://nowhere",), sha256=(digest,), size=1)
        monkeypatch.setattr(treebank, "ZIP", one)
        object.__setattr__(treebank.CARD, "files", (one,))

    before = treebank.CARD.files
    try:
        archive(["train", "dev"])
        with pytest.raises(DataError, match="expected the trees of sst-trees"):
            data.load("sst-trees")
        archive(["train", "dev", "test"])
        assert data.load("sst-trees", "test").tensors["y"].tolist() == [3, 2, 0]
    finally:
        object.__setattr__(treebank.CARD, "files", before)


def test_loose_files_without_a_mirror_give_way_to_the_generated_ones(capsys):
    store.forget()
    assert data.load("sst-trees-files").used.name == "sentiment-grammar"
    assert "there is no mirror of it" in capsys.readouterr().err or store.offline()


# --- batches --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def grown():
    return data.load("sentiment-grammar,examples=37").tensors


def batched(grown, **options):
    return TreeBatches(grown["x"], grown["nodes"], grown["labels"], **{"batch_size": 5, **options})


def test_in_order_the_batches_are_the_rows(grown):
    forests, labels = zip(*batched(grown), strict=True)
    assert torch.equal(torch.cat(forests), grown["nodes"])
    assert torch.equal(torch.cat(labels), grown["labels"])
    assert [len(roots(forest)) for forest in forests] == [5] * 7 + [2]


def test_each_tree_comes_once_an_epoch_in_an_order_of_the_seed(grown):
    def epoch(seed):
        return [label for _, labels in batched(grown, shuffle=True, seed=seed) for label in labels.tolist()]

    assert sorted(epoch(0)) == sorted(grown["labels"].tolist())
    assert epoch(0) == epoch(0) != epoch(1)


def test_batches_go_on_where_they_were(grown):
    whole, cut = batched(grown, shuffle=True), batched(grown, shuffle=True)
    all_of_it = [labels for _, labels in whole]
    for _, _labels in cut:
        if cut.state_dict()["position"] == 3:
            break
    fresh = batched(grown, shuffle=True)
    fresh.load_state_dict(cut.state_dict())
    assert all(torch.equal(*pair) for pair in zip([labels for _, labels in fresh], all_of_it[3:], strict=True))
    assert len(batched(grown, limit=2)) == 2


def test_labels_that_are_too_few_are_refused(grown):
    with pytest.raises(ShapeError, match="expected as many labels as nodes"):
        TreeBatches(grown["x"], grown["nodes"], grown["labels"][1:], batch_size=5)
