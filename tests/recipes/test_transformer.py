import dataclasses

import pytest
import torch
from torch.nn.functional import cross_entropy

from fathom import models, optim, recipes
from fathom.cli import main
from fathom.data.pairs import PAD
from fathom.errors import DataError, InputError, RunFolderError
from fathom.recipes.common import translation
from fathom.recipes.common.transformer import build
from fathom.records import RunFolder
from fathom.train.checkpoints import load_weights

SMALL = {"d_model": 32, "num_heads": 2, "num_layers": 1, "d_ff": 32, "threads": 1, "device": "cpu"}
NUMBERS = "number-words,pairs=300,most=999"


@pytest.mark.parametrize("rung", ["torch", "scratch"])
def test_smoothing_is_torchs_and_measures_plain_nats(rung):
    random = torch.Generator().manual_seed(0)
    logits = torch.randn(15, 11, generator=random, dtype=torch.float64).requires_grad_()
    target = torch.randint(11, (3, 5), generator=random)
    target[1, 2:] = PAD
    loss = translation.TokenLoss(rung, 0.1)
    options = {"ignore_index": PAD, "label_smoothing": 0.1}
    found, expected = loss(logits, target), cross_entropy(logits, target.flatten(), **options)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(*(torch.autograd.grad(value, logits)[0] for value in (found, expected)))
    plain = cross_entropy(logits, target.flatten(), ignore_index=PAD, reduction="sum") / 3
    torch.testing.assert_close(loss.nats(logits, target), plain.detach())


@pytest.mark.parametrize(("name", "d_model", "steps"), [("base", 512, 100_000), ("big", 1024, 300_000)])
def test_the_rate_is_the_papers_at_every_update(name, d_model, steps):
    config = recipes.load(f"transformer-{name}").Config()
    schedule = optim.create_schedule(config.schedule, steps, config.warmup)
    count = torch.arange(1, steps + 1, dtype=torch.float64)
    papers = d_model**-0.5 * torch.minimum(count**-0.5, count * 4000**-1.5)
    found = torch.tensor([config.lr * schedule(step) for step in range(steps)], dtype=torch.float64)
    torch.testing.assert_close(found, papers, rtol=1e-12, atol=0)
    weights = torch.nn.Linear(1, 1)
    rule = optim.create(config.optimizer, list(weights.parameters()), config.lr)
    assert (rule.defaults["betas"], rule.defaults["eps"]) == ((0.9, 0.98), 1e-9)


@pytest.mark.parametrize(("name", "steps", "checkpoints"), [("base", 100_000, 5), ("big", 300_000, 20)])
def test_the_papers_number_of_checkpoints_is_averaged(name, steps, checkpoints):
    model = torch.nn.Linear(1, 1)
    average = optim.create_average(recipes.load(f"transformer-{name}").Config().average, model, steps, 5000)
    average.seen = average.start
    for _ in range(steps - average.start):
        average.update()
    assert average.count == checkpoints


@pytest.mark.parametrize("name", ["base", "big"])
def test_the_settings_build_the_papers_model(name):
    config = recipes.load(f"transformer-{name}").Config()
    with torch.device("meta"):
        made = models.create(f"transformer_{name}")
        ours = models.create(
            "transformer",
            source_vocab_size=37_000,
            target_vocab_size=37_000,
            shared=True,
            **{word: getattr(config, word) for word in ("d_model", "num_heads", "num_layers", "d_ff", "dropout")},
        )
    assert {key: tensor.shape for key, tensor in ours.state_dict().items()} == {
        key: tensor.shape for key, tensor in made.state_dict().items()
    }
    assert made.dropout.p == config.dropout


def test_one_vocabulary_for_both_sides_shares_the_embeddings():
    config = recipes.load("transformer-numbers").Config(**SMALL, data=NUMBERS)
    for shared in ("false", "true"):
        train, _ = translation.load_splits(f"{NUMBERS},shared={shared}")
        model = build(config, train.about)
        assert (model.source_embedding is None) == (shared == "true")


def test_it_learns_a_file_by_heart_from_the_command_line(tmp_path, capsys):
    lines = [
        (f"{article} {noun} {verb} .", f"{le} {nom} {verbe} .")
        for article, le in (("the", "le"), ("a", "un"))
        for noun, nom in (("cat", "chat"), ("dog", "chien"))
        for verb, verbe in (("sleeps", "dort"), ("eats", "mange"))
    ]
    file, run = tmp_path / "pairs.tsv", tmp_path / "run"
    file.write_text("".join(f"{source}\t{target}\n" for source, target in lines), encoding="utf-8")
    words = ["train", "transformer-translate", "--data", f"pairs:{file},test=0,min_count=1", "--out", str(run)]
    assert (
        main(
            [
                *words,
                "--quiet",
                "--epochs",
                "30",
                "--batch-size",
                "8",
                "--threads",
                "1",
                "--dropout",
                "0",
                "--lr",
                "0.01",
            ]
        )
        == 0
    )
    assert main(["predict", str(run), "The dog eats.", "--plot"]) == 0
    out = capsys.readouterr().out
    assert "le chien mange." in out
    assert "mange │" in out


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_heads": 3}, "--num-heads: expected a divisor of --d-model 32, got 3"),
        ({"d_ff": -1}, "--d-ff: expected a number at least 0, got -1"),
        ({"dropout": 1.0}, "--dropout: expected a probability 0 <= p < 1"),
        ({"label_smoothing": 1.0}, "--label-smoothing: expected a share 0 <= share < 1"),
        ({"positions": "round"}, "--positions: expected sinusoidal, learned, relative or none, got 'round'"),
    ],
)
def test_settings_that_can_not_be_are_said(changes, message):
    with pytest.raises(InputError, match=message):
        recipes.load("transformer-translate").Config(**{**SMALL, **changes})


@pytest.mark.parametrize("name", ["transformer-translate", "transformer-ablation"])
def test_sentences_longer_than_the_positions_are_said_before_anything_is_learnt(name):
    module = recipes.load(name)
    small = {key: value for key, value in SMALL.items() if name == "transformer-translate" or key != "num_layers"}
    config = module.Config(**{**small, "max_steps": 3, "data": NUMBERS, "epochs": 1})
    with pytest.raises(
        InputError, match=r"--max-steps: expected at least \d+, the tokens of the longest sentence, got 3"
    ):
        module.run(config)


def test_a_vocabulary_that_does_not_match_the_checkpoint_is_said(tmp_path):
    module = recipes.load("transformer-numbers")
    config = module.Config(**SMALL, data=NUMBERS, epochs=1, limit=1, translations=3)
    folder = RunFolder.create("transformer-numbers", dataclasses.asdict(config), tmp_path / "run")
    module.run(config, folder)
    train, _ = translation.load_splits("number-words,pairs=300,most=999999")
    with pytest.raises(RunFolderError, match=r"does not fit the model: .*size mismatch for embedding.weight"):
        load_weights(build(config, train.about), folder.last)
    with pytest.raises(DataError, match="expected the pairs that the run has learnt, with its vocabularies"):
        translation.check_same_tokens(folder.data, train)


@pytest.mark.parametrize(
    ("changes", "within"),
    [({"precision": "bf16", "label_smoothing": 0.1}, 0.02), ({"teacher": 0.2}, 0.2), ({"batch_tokens": 90}, 0.2)],
    ids=lambda part: "-".join(part) if isinstance(part, dict) else "",
)
def test_it_trains_in_half_precision_on_its_own_tokens_and_by_numbers_of_tokens(changes, within):
    module = recipes.load("transformer-numbers")
    plain = {"data": NUMBERS, "epochs": 1, "limit": 3, "batch_size": 16, "translations": 3, "dropout": 0.0}
    smoothing = {name: value for name, value in changes.items() if name == "label_smoothing"}
    full, changed = (module.run(module.Config(**{**SMALL, **plain, **more})) for more in (smoothing, changes))
    assert changed.metrics["train_loss"] == pytest.approx(full.metrics["train_loss"], rel=within)
    assert changed.metrics["train_loss"] != full.metrics["train_loss"]
