import dataclasses

import pytest

from fathom import cli, recipes
from fathom.errors import DataError, InputError, UnknownNameError
from fathom.recipes import char_lstm, gpt_char
from fathom.recipes.common import language
from fathom.records import RunFolder
from fathom.train import load_model

TINY = {"epochs": 2, "limit": 3, "hidden_size": 8, "steps": 5, "batch_size": 4, "threads": 1}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A tiny run on a text of two lines, a hundred times."""
    place = tmp_path_factory.mktemp("language")
    (place / "text.txt").write_text("the sun rose\nand so did he\n" * 100)
    config = char_lstm.Config(**{**TINY, "epochs": 30, "limit": 0, "lr": 2.0}, data=f"text:{place / 'text.txt'}")
    folder = RunFolder.create("char-lstm", dataclasses.asdict(config), place / "run")
    char_lstm.run(config, folder)
    return folder


def test_what_it_has_learnt_it_recites(run):
    assert char_lstm.predict(run, "the s", length=17).label == "the sun rose\nand so di"


def test_a_seed_draws_one_text(run):
    texts = [char_lstm.predict(run, "the", temperature=3.0, seed=seed).label for seed in (1, 1, 2)]
    assert texts[0] == texts[1] != texts[2]


def test_a_text_like_those_it_knows_is_more_probable(run):
    known, other = (char_lstm.score(run, text) for text in ("and so did he", "dna os did eh"))
    assert known.label > other.label
    assert known.extra["tokens"] == 12
    assert known.extra["perplexity"] < other.extra["perplexity"]


def test_a_score_is_the_sum_of_the_steps(run):
    model = language.trained(run, "lstm", char_lstm.Config(**run.config), "best")
    tokens = language.encode(run.data, "the sun")
    total, state = 0.0, None
    for place in range(tokens.shape[1] - 1):
        logits, state = model(tokens[:, place : place + 1], state)
        total += logits[0, -1].log_softmax(0)[tokens[0, place + 1]].item()
    assert char_lstm.score(run, "the sun").label == pytest.approx(total, rel=1e-5)


@pytest.mark.parametrize(
    ("prefix", "options", "error", "message"),
    [
        ("", {}, InputError, "text: expected at least one token, got none"),
        ("Zeit", {}, InputError, r"text: expected tokens of the run's text, got 'Z'; it knows 14"),
        ("the", {"temperature": -1.0}, InputError, "--temperature, --top-k: expected numbers from 0, got -1.0 and 0"),
        ("the", {"top_k": -1}, InputError, "--temperature, --top-k: expected numbers from 0, got 0.0 and -1"),
        ("the", {"length": -1}, InputError, "--length: expected a whole number from 0, got -1"),
        ("the", {"state": "bset"}, UnknownNameError, "unknown state 'bset'; did you mean 'best'"),
    ],
)
def test_a_prefix_it_can_not_go_on_with_is_said(run, prefix, options, error, message):
    with pytest.raises(error, match=message):
        char_lstm.predict(run, prefix, **options)


def test_the_command_goes_on_and_ranks(run, capsys):
    path = str(run.path)
    assert cli.main(["predict", path, "the s", "--length", "4"]) == 0
    assert "the sun r" in capsys.readouterr().out
    assert cli.main(["predict", path, "--score", "dna os did eh", "and so did he"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].endswith("and so did he")
    assert lines[2].endswith("dna os did eh")


@pytest.mark.parametrize(
    ("encoding", "text"),
    [("utf-8", "时间旅行者说，时间不过是空间的一种。\n"), ("latin-1", "Größe und Maß sind eins\n")],
)
def test_texts_of_other_tongues_can_be_learnt(tmp_path, capsys, encoding, text):
    (tmp_path / "text.txt").write_bytes((text * 30).encode(encoding))
    flags = ["--epochs", "1", "--hidden-size", "8", "--batch-size", "4", "--quiet", "--threads", "1"]
    named = f"text:{tmp_path / 'text.txt'},encoding={encoding}"
    assert cli.main(["train", "char-lstm", "--data", named, "--out", str(tmp_path / "run"), *flags]) == 0
    assert cli.main(["predict", str(tmp_path / "run"), text[:3], "--length", "5"]) == 0
    assert text[:3] in capsys.readouterr().out


def test_a_run_is_not_measured_on_a_text_of_other_tokens(tmp_path):
    text = tmp_path / "text.txt"
    text.write_text("the sun rose\nand so did he\n" * 20)
    config = char_lstm.Config(**{**TINY, "epochs": 1}, data=f"text:{text}")
    folder = RunFolder.create("char-lstm", dataclasses.asdict(config), tmp_path / "run")
    char_lstm.run(config, folder)
    text.write_text("a quick brown fox jumps over the lazy dog\n" * 20)
    with pytest.raises(DataError, match=r"the text that the run has learnt, with its 14 tokens, got .* with 29;"):
        char_lstm.measure(folder)


def test_other_data_than_text_are_refused():
    with pytest.raises(InputError, match="fashion-mnist-sample: expected a text, got images; give time-machine"):
        recipes.load("char-rnn").run(char_lstm.Config(**TINY, data="fashion-mnist-sample"))


@pytest.mark.parametrize("sampling", ["sequential", "random"])
def test_three_rungs_learn_alike(sampling):
    losses = []
    for rung in ("torch", "scratch", "numpy"):
        config = char_lstm.Config(**TINY, rung=rung, sampling=sampling, data="time-machine,tokens=2000")
        losses.append([record["train_loss"] for record in char_lstm.run(config).history])
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)
    assert losses[2] == pytest.approx(losses[0], rel=1e-5)


def test_measuring_tells_what_counting_alone_gives():
    train, test = language.load_splits(char_lstm.Config())
    counted = language.baselines(train, test)
    assert list(counted) == [1, 3, 5]
    assert counted[1] > counted[3] > 4


def test_random_windows_are_measured_again_as_they_were(tmp_path):
    config = char_lstm.Config(**TINY, sampling="random", data="time-machine,tokens=900")
    folder = RunFolder.create("char-lstm", dataclasses.asdict(config), tmp_path / "run")
    result = char_lstm.run(config, folder)
    assert char_lstm.measure(folder).metrics["test_loss"] == result.metrics["best_test_loss"]


def test_of_a_gpt_only_matrices_decay():
    config = gpt_char.Config(hidden_size=6, num_heads=2, num_layers=1, steps=7)
    model = language.build("gpt", config, {"vocab": list("abc")})
    matrices, vectors = language.decayed(model)
    assert {parameter.dim() for parameter in matrices["params"]} == {2}
    assert {parameter.dim() for parameter in vectors["params"]} == {1}
    assert vectors["weight_decay"] == 0
    assert len(matrices["params"]) + len(vectors["params"]) == len(list(model.parameters()))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_heads": 3}, r"--hidden-size: expected a multiple of --num-heads \(3\), got 128"),
        ({"embedding_size": 5}, "--embedding-size: expected 0, since attention reads each window by itself"),
        ({"sampling": "sequential"}, "--sampling: expected random, since attention"),
        ({"rung": "numpy"}, "unknown rung 'numpy'"),
    ],
)
def test_what_a_gpt_has_no_use_for_is_said(changes, message):
    with pytest.raises(InputError, match=message):
        gpt_char.Config(**changes)


def test_a_gpt_writes_and_reads_on_beyond_its_window(tmp_path):
    config = gpt_char.Config(
        epochs=1, limit=2, hidden_size=6, num_heads=2, num_layers=1, steps=5, threads=1, data="time-machine,tokens=900"
    )
    folder = RunFolder.create("gpt-char", dataclasses.asdict(config), tmp_path / "run")
    gpt_char.run(config, folder)
    assert len(gpt_char.predict(folder, "the time traveller", length=13).label) == 18 + 13
    model = load_model(folder, lambda: language.build("gpt", config, folder.data))
    tokens, total = language.encode(folder.data, "the time traveller")[0], 0.0
    for place in range(1, len(tokens)):
        begin = (place - 1) // 5 * 5  # of the window
        logits, _ = model(tokens[None, begin:place])
        total += logits[0, -1].log_softmax(0)[tokens[place]].item()
    assert gpt_char.score(folder, "the time traveller").label == pytest.approx(total, rel=1e-5)
    with pytest.raises(InputError, match="text: expected at most 5 tokens, which this run reads at once, got 18"):
        gpt_char.RECIPE.attention(folder, "the time traveller")
