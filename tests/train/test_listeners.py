import io
import json

import pytest
import torch

from fathom.data import Batches
from fathom.train import Bar, EarlyStopping, JsonLines, Profile, Progress, TensorBoard, fit


def losses(values):
    remaining = iter(values)
    return lambda: {"test_loss": next(remaining)}


def training(listeners, epochs=3, state=None, values=(3.0, 2.0, 1.0)):
    batches = Batches(torch.ones(40), batch_size=2)
    return fit(lambda batch: {"loss": 0.5}, batches, epochs=epochs, state=state if state is not None else {},
               evaluate=losses(values), listeners=listeners)  # fmt: skip


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_the_log_has_steps_and_epochs(tmp_path):
    training([JsonLines(tmp_path / "metrics.jsonl", Progress())], epochs=1)
    records = lines(tmp_path / "metrics.jsonl")
    assert records[0] == {"step": 1, "epoch": 1, "loss": 0.5}
    assert records[-1] == {"step": 20, "epoch": 1, "train_loss": 0.5, "test_loss": 3.0}


def test_the_log_is_cut_back_to_the_step_that_a_run_resumes_from(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1}\n{"step": 2}\n{"step": 3}\n{"step": 4')
    JsonLines(path, Progress(step=2))
    assert lines(path) == [{"step": 1}, {"step": 2}]


@pytest.mark.parametrize(("values", "epochs"), [((1, 2, 3, 4, 5), 3), ((3, 2, 3, 1, 2), 5), ((5, 4, 3, 2, 1), 5)])
def test_early_stopping_waits_for_two_epochs_without_a_new_best(values, epochs):
    assert training([EarlyStopping(patience=2)], epochs=5, values=values).epoch == epochs


def test_without_a_terminal_the_bar_is_a_line_an_epoch():
    stream = io.StringIO()
    training([Bar(stream)])
    out = stream.getvalue().splitlines()
    assert len(out) == 3
    assert out[0].startswith("epoch 1/3  train_loss 0.5  test_loss 3")
    assert "examples/s" in out[0]
    assert "\x1b" not in stream.getvalue()


def test_on_a_terminal_the_bar_moves_and_goes_away():
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    stream = Terminal()
    bar = Bar(stream)
    training([bar])
    assert "epoch 3/3" in stream.getvalue()
    assert bar._bar is None


def test_tensorboard_gets_the_records(tmp_path):
    pytest.importorskip("tensorboard")
    training([TensorBoard(tmp_path)])
    assert list((tmp_path / "tensorboard").iterdir())


def test_the_profile_writes_a_trace_and_a_table(tmp_path):
    profile = Profile(tmp_path)
    x = torch.randn(8, 8)
    batches = Batches(torch.ones(40), batch_size=2)
    fit(lambda batch: {"loss": (x @ x).sum().item() * 0}, batches, epochs=1, state={}, listeners=[profile])
    assert "aten::" in profile.table
    assert json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
