import math
import os
import signal

import pytest
import torch
from torch import nn
from torch.nn.functional import mse_loss

from fathom.data import Batches
from fathom.errors import DivergedError, SaveError, Stopped
from fathom.seeding import RandomStates, seed_everything
from fathom.train import Progress, fit, supervised


class Recorder:
    def __init__(self):
        self.heard = []

    def step(self, progress):
        self.heard.append(("step", progress.step))

    def epoch(self, progress):
        self.heard.append(("epoch", progress.epoch))

    def end(self, progress):
        self.heard.append(("end", progress.status))


def regression(seed=0, dropout=0.0):
    seed_everything(seed)
    x = torch.randn(23, 3)
    y = x @ torch.tensor([[1.0], [-2.0], [0.5]]) + 0.3
    model = nn.Sequential(nn.Linear(3, 7), nn.ReLU(), nn.Dropout(dropout), nn.Linear(7, 1))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    step = supervised(model, mse_loss, optimizer)
    batches = Batches(x, y, batch_size=5, shuffle=True, seed=seed)
    state = {"model": model, "optimizer": optimizer, "step": step, "batches": batches, "rng": RandomStates()}
    return step, batches, state


def test_listeners_hear_steps_epochs_and_the_end_in_order():
    step, batches, state = regression()
    recorder = Recorder()
    fit(step, batches, epochs=2, state=state, listeners=[recorder])
    steps = [("step", number) for number in range(1, 11)]
    assert recorder.heard == [*steps[:5], ("epoch", 1), *steps[5:], ("epoch", 2), ("end", "finished")]


def test_the_record_of_an_epoch_is_the_mean_over_its_examples():
    batches = Batches(torch.arange(7.0), batch_size=3)
    progress = fit(lambda batch: {"loss": batch[0].mean().item()}, batches, epochs=1, state={})
    assert progress.history == [{"epoch": 1, "train_loss": 3.0}]  # the mean of 0..6, though batches have 3, 3 and 1


def test_the_loss_falls():
    step, batches, state = regression()
    history = fit(step, batches, epochs=20, state=state).history
    assert history[-1]["train_loss"] < 0.3 * history[0]["train_loss"]


def test_what_evaluate_gives_joins_the_record():
    batches = Batches(torch.ones(4), batch_size=2)
    progress = fit(lambda batch: {"loss": 1.0}, batches, epochs=1, state={}, evaluate=lambda: {"test_loss": 2.0})
    assert progress.history == [{"epoch": 1, "train_loss": 1.0, "test_loss": 2.0}]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_finishes_the_step_and_says_which_it_was(number):
    recorder, batches = Recorder(), Batches(torch.ones(20), batch_size=2)

    def step(batch):
        if batches.position == 3:
            os.kill(os.getpid(), number)
        return {"loss": 1.0}

    before = signal.getsignal(number)
    with pytest.raises(Stopped) as stopped:
        fit(step, batches, epochs=1, state={}, listeners=[recorder])
    assert stopped.value.exit_code == 128 + number
    assert recorder.heard == [("step", 1), ("step", 2), ("step", 3), ("end", "stopped")]
    assert signal.getsignal(number) is before


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_stops_the_training_and_names_step_and_parameter(loss):
    model = nn.Linear(2, 1)
    recorder = Recorder()

    def step(batch):
        with torch.no_grad():
            model.weight.fill_(math.nan)
        return {"loss": loss}

    with pytest.raises(DivergedError, match=r"at step 1 \(epoch 1\); not finite: weight; lower the learning rate"):
        fit(step, Batches(torch.ones(3), batch_size=1), epochs=1, state={"model": model}, listeners=[recorder])
    assert recorder.heard == [("end", "failed")]


def test_every_listener_hears_of_the_end_though_one_before_it_fails():
    class Fails(Recorder):
        def end(self, progress):
            raise RuntimeError("a listener of ours is broken")

    recorder = Recorder()
    with pytest.raises(RuntimeError, match="broken"):
        fit(lambda batch: {"loss": 1.0}, Batches(torch.ones(1), batch_size=1), epochs=1, state={},
            listeners=[Fails(), recorder])  # fmt: skip
    assert recorder.heard[-1] == ("end", "finished")


def test_a_second_failure_at_the_end_does_not_hide_the_first():
    class DiskFull(Recorder):
        def step(self, progress):
            raise SaveError("could not write the checkpoint")

        def end(self, progress):
            raise SaveError("could not write the picture either")

    with pytest.raises(SaveError, match="the checkpoint"):
        fit(lambda batch: {"loss": 1.0}, Batches(torch.ones(1), batch_size=1), epochs=1, state={},
            listeners=[DiskFull()])  # fmt: skip


def test_a_listener_can_say_enough():
    class Enough(Recorder):
        def epoch(self, progress):
            progress.enough = progress.epoch == 2

    progress = fit(lambda batch: {"loss": 1.0}, Batches(torch.ones(3), batch_size=1), epochs=9, state={},
                   listeners=[Enough()])  # fmt: skip
    assert progress.epoch == 2


def test_without_epochs_to_do_nothing_happens():
    state = {"progress": Progress(epoch=3, history=[{"epoch": 3, "train_loss": 1.0}])}
    progress = fit(lambda batch: {"loss": math.nan}, Batches(torch.ones(3), batch_size=1), epochs=3, state=state)
    assert (progress.epoch, progress.step, progress.status) == (3, 0, "finished")


def test_a_model_that_the_last_update_spoilt_ends_the_training():
    batches = [(torch.ones(2, 1),)]
    with pytest.raises(DivergedError):
        fit(lambda batch: {"loss": 1.0}, batches, epochs=1, state={}, evaluate=lambda: {"test_loss": math.nan})
