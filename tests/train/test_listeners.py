import io
import json
import resource

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fathom.data import Batches
from fathom.errors import SaveError
from fathom.train import Bar, EarlyStopping, JsonLines, Profile, Progress, TensorBoard, fit
from fathom.train.bar import fitted


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


@pytest.mark.parametrize(
    "rest", [b'{"step": 3}\n{"step": 4', b"\xff{[\n", b"[1]\n", b'{"epoch": 1}\n', b'{"step": "x"}\n']
)
def test_the_log_is_cut_back_to_the_step_that_a_run_resumes_from(tmp_path, rest):
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b'{"step": 1}\n{"step": 2}\n' + rest)
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


@given(st.lists(st.text("ab 1", max_size=9), unique=True, max_size=6), st.integers(0, 50))
def test_a_line_that_is_too_wide_loses_what_is_expendable_and_keeps_the_order(parts, width):
    line, whole = fitted(parts, width, parts[:0:-1]), "  ".join(parts)
    assert len(line) <= width
    assert whole.startswith(line)
    assert line == whole or len(whole) > width


def test_tensorboard_gets_the_records(tmp_path):
    pytest.importorskip("tensorboard")
    training([TensorBoard(tmp_path)])
    assert list((tmp_path / "tensorboard").iterdir())


def test_the_profile_writes_a_trace_and_a_table_and_nothing_to_the_terminal(tmp_path, capfd):
    profile = Profile(tmp_path)
    x = torch.randn(8, 8)
    batches = Batches(torch.ones(40), batch_size=2)
    fit(lambda batch: {"loss": (x @ x).sum().item() * 0}, batches, epochs=1, state={}, listeners=[profile])
    assert "aten::" in profile.table
    assert "USDT" not in capfd.readouterr().err
    assert json.loads((tmp_path / "trace.json").read_text())["traceEvents"]


def test_a_profile_that_does_not_fit_on_the_disk_is_said_and_leaves_nothing(tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    batches = Batches(torch.ones(40), batch_size=2)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
        with pytest.raises(SaveError, match=r"could not write .*trace\.json; make room"):
            fit(lambda batch: {"loss": 1.0}, batches, epochs=1, state={}, listeners=[Profile(tmp_path)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []
