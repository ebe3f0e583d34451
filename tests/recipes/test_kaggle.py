import csv
import dataclasses
import os
import signal

import pytest
import torch
from torch import nn

from fathom import data
from fathom.errors import InputError, Stopped
from fathom.recipes import cifar10_kaggle
from fathom.recipes.common import kaggle
from fathom.records import RunFolder
from fathom.train import load_checkpoint


def build(config, about):
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, len(about["classes"])))


SMALL = kaggle.PictureContest(
    recipe="cifar10-kaggle",
    config=cifar10_kaggle.Config,
    build=build,
    published=[],
    monitor="test_accuracy",
    maximise=True,
    submission=kaggle.labels,
    wishes={"size": 8, "channels": 3},
)
STEPS = 12  # in an epoch, of either training


def start(path, **changes):
    settings = {"epochs": 3, "batch_size": 50, "lr": 0.05, "limit": STEPS, "threads": 1, "device": "cpu"}
    plain = {"augment": "", "normalise": "", "data": "drawn-contest"}
    config = cifar10_kaggle.Config(**{**settings, **plain, **changes})
    return config, RunFolder.create("cifar10-kaggle", dataclasses.asdict(config), path)


class Terminate:
    """Sends SIGTERM at the `at`th step that it hears of, whichever training that is in."""

    def __init__(self, at):
        self.left = at

    def step(self, progress):
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGTERM)

    def epoch(self, progress): ...
    def end(self, progress): ...


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    config, folder = start(tmp_path_factory.mktemp("kaggle") / "run")
    return config, folder, SMALL.run(config, folder)


def weights(folder):
    return load_checkpoint(folder.last)["model"]


def rows(folder):
    with (folder.path / "submission.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def test_the_submission_has_a_row_for_each_entry_in_numerical_order(whole):
    head, *found = rows(whole[1])
    assert head == ["id", "label"]
    assert [entry for entry, _ in found] == [str(number) for number in range(1, 101)]
    assert {label for _, label in found} <= set(whole[1].data["classes"])


def test_the_answers_are_those_of_the_model_in_the_run_folder(whole):
    _, folder, _ = whole
    model = build(None, folder.data)
    model.load_state_dict(weights(folder))
    guesses = model(data.load_entries("drawn-contest", size=8).x / 255).argmax(dim=1).tolist()
    assert [label for _, label in rows(folder)[1:]] == [folder.data["classes"][number] for number in guesses]


def test_the_second_training_is_as_long_as_the_best_of_the_first_and_sees_all_pictures(whole):
    config, folder, result = whole
    scores = [record["test_accuracy"] for record in result.history]
    best = scores.index(max(scores)) + 1
    assert result.metrics["best_epoch"] == best
    progress = load_checkpoint(folder.last)["progress"]
    assert (progress["epoch"], progress["step"]) == (best, best * STEPS)
    everything = kaggle.joined(*(data.load(config.data, split, size=8) for split in ("train", "test")))
    assert len(everything) == everything.used.sizes["train"] == 1_000


def test_figures_are_of_pictures_that_their_model_has_not_seen(whole):
    _, folder, result = whole
    validated, _ = SMALL.trained(folder)
    held = data.load("drawn-contest", "test", size=8).tensors
    right = (validated(held["x"] / 255).argmax(dim=1) == held["y"]).float().mean().item()
    assert result.metrics["best_test_accuracy"] == pytest.approx(right)
    assert SMALL.measure(folder).metrics["test_accuracy"] == pytest.approx(right)
    assert not torch.equal(validated.state_dict()["1.weight"], weights(folder)["1.weight"])
    assert {"all_loss", "all_accuracy"} <= result.metrics.keys()


@pytest.mark.parametrize("at", [5, STEPS, 3 * STEPS, 3 * STEPS + 1, 3 * STEPS + 7])
def test_killed_in_either_training_it_goes_on_to_the_same_submission(whole, tmp_path, at):
    config, folder = start(tmp_path / "run")
    with pytest.raises(Stopped, match=f"--resume {folder.path}$"):
        SMALL.run(config, folder, listeners=[Terminate(at)])
    assert folder.result is None
    assert not (folder.path / "submission.csv").exists()
    again = SMALL.run(config, folder)
    assert rows(folder) == rows(whole[1])
    assert again.metrics == whole[2].metrics == folder.result.metrics
    assert all(torch.equal(value, weights(whole[1])[name]) for name, value in weights(folder).items())


def test_without_a_submission_there_is_no_result_so_that_resuming_writes_both(whole, tmp_path, monkeypatch):
    config, folder = start(tmp_path / "run")
    monkeypatch.setattr(kaggle.PictureContest, "submit", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        SMALL.run(config, folder)
    assert folder.result is None
    monkeypatch.undo()
    SMALL.run(config, folder)
    assert rows(folder) == rows(whole[1])


def test_more_epochs_go_on_with_both_trainings(whole, tmp_path):
    config, folder = start(tmp_path / "run", epochs=1, schedule="constant")
    SMALL.run(config, folder)
    longer = SMALL.run(dataclasses.replace(config, epochs=3), folder)
    _, other = start(tmp_path / "other", schedule="constant")
    assert SMALL.run(dataclasses.replace(config, epochs=3), other).metrics == longer.metrics
    assert rows(folder) == rows(other)


def test_without_a_folder_nothing_is_written_and_the_figures_are_the_same(whole, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert SMALL.run(whole[0]).metrics == whole[2].metrics
    assert list(tmp_path.iterdir()) == []


def test_listeners_that_draw_hear_of_the_validation_alone(tmp_path):
    from fathom import plot

    config, folder = start(tmp_path / "run")
    curves = plot.Curves(folder)
    drawn = []
    curves._draw = lambda progress: drawn.append(dict(progress.history[-1]))
    SMALL.run(config, folder, listeners=[curves])
    assert drawn
    assert all("test_accuracy" in record for record in drawn)


def test_it_draws_held_out_pictures_and_entries(whole):
    assert [path.name for path in SMALL.draw(whole[1])] == ["held-out.png", "entries.png"]


def test_a_schedule_that_watches_held_out_pictures_is_refused():
    with pytest.raises(InputError, match=r"--schedule: expected a course .* got plateau"):
        cifar10_kaggle.Config(schedule="plateau,factor=0.5")


def test_data_without_entries_are_refused_before_anything_is_trained(tmp_path):
    config, folder = start(tmp_path / "run", data="drawn-shapes")
    with pytest.raises(InputError, match=r"drawn-shapes: expected a contest"):
        SMALL.run(config, folder)
    assert not (folder.path / "validation").exists()


def test_labels_name_the_likeliest_class():
    text = kaggle.labels(("2", "10"), torch.tensor([[0.2, 0.8], [0.6, 0.4]]), ("ant", "bee"))
    assert text == "id,label\n2,bee\n10,ant\n"


def test_shares_have_a_column_for_each_class_in_alphabetical_order():
    text = kaggle.shares(("a1", "b2"), torch.tensor([[0.25, 0.75], [1.0, 0.0]]).double(), ("pug", "boxer"))
    assert text == "id,boxer,pug\na1,0.75,0.25\nb2,0,1\n"


def test_shares_of_many_classes_sum_to_1():
    classes = [f"breed_{number}" for number in range(120)]
    probabilities = torch.randn(7, 120, dtype=torch.float64).softmax(dim=1)
    _, *found = csv.reader(kaggle.shares([str(i) for i in range(7)], probabilities, classes).splitlines())
    sums = [sum(map(float, row[1:])) for row in found]
    assert sums == pytest.approx([1.0] * 7, abs=1e-6)
    assert all(len(row) == 121 for row in found)


def test_a_class_with_a_comma_is_quoted():
    assert kaggle.labels(("1",), torch.ones(1, 1), ("a,b",)) == 'id,label\n1,"a,b"\n'
