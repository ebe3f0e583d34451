import dataclasses
import json
from pathlib import Path

import pytest
import torch

from fathom import layers
from fathom.cli import ladder, main
from fathom.layers import twins as tables


class Wrong(layers.Linear):
    def forward(self, x):
        return super().forward(x) * (1 + 1e-7)


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The table with one wrong layer in it."""
    right = next(twin for twin in tables.TWINS if twin.name == "Linear")
    wrong = dataclasses.replace(right, name="Linear: planted", scratch=lambda: Wrong(5, 3))
    monkeypatch.setattr(ladder, "table_of_rows", lambda: (right, wrong))


def test_every_row_of_both_rungs_is_within_tolerance():
    measured = ladder.measure(tables.TWINS, ladder.RUNGS, torch.float64, repeats=0)
    assert measured.out == []
    for rung, least in (("scratch", 150), ("numpy", 100)):
        assert sum(row.rung == rung for row in measured.rows) >= least
    assert {rung for _, rung, _ in measured.left_out} == {"numpy"}


def test_every_row_of_rung_numpy_is_within_tolerance_in_float32():
    assert ladder.measure(tables.TWINS, ["numpy"], torch.float32, repeats=0).out == []


def test_the_rows_of_every_room_are_there():
    assert {row.layer for row in ladder.table_of_rows()} >= {"Linear", "LSTM", "Yogi", "AdamW", "cosine", "ema"}


def test_update_rules_stand_on_both_rungs(capsys):
    assert main(["ladder", "--only", "SGD: nesterov, quadratic"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[3] for line in lines[1:3]] == ["scratch", "numpy"]
    assert lines[-1] == "2 rows, none out of tolerance"


def test_a_layer_that_the_engine_has_is_not_left_out():
    from fathom.autograd import nn as engine

    measured = ladder.measure(tables.TWINS, ["numpy"], torch.float64, repeats=0)
    there = {row.name.partition(":")[0] for row in measured.rows}
    known = {twin.layer for twin in tables.TWINS if hasattr(engine, twin.layer)}
    assert known - there == set()


def test_a_planted_error_exits_1_and_is_named(planted, capsys):
    assert main(["ladder", "--rung", "scratch"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "2 rows, 1 out of tolerance: Linear: planted (scratch)"
    assert [line.endswith("OUT") for line in lines[1:-1]] == [False, True]


def test_a_planted_error_is_all_that_quiet_shows(planted, capsys):
    assert main(["ladder", "--quiet", "--rung", "scratch"]) == 1
    assert capsys.readouterr().out.count("Linear") == 2  # the row and the verdict


def test_an_error_of_the_engine_exits_1_too(monkeypatch, capsys):
    from fathom.autograd.nn import functional

    right = functional.linear
    monkeypatch.setattr(functional, "linear", lambda *given: right(*given) * (1 + 1e-7))
    assert main(["ladder", "--rung", "numpy", "--only", "linear"]) == 1
    assert "out of tolerance: Linear (numpy)" in capsys.readouterr().out


def test_only_chooses_rows_and_both_rungs_are_shown(capsys):
    assert main(["ladder", "--only", "avgpool2d"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert all("AvgPool2d" in line for line in lines[1:-2])
    assert any(" scratch " in line for line in lines)
    assert any(" numpy " in line for line in lines)
    assert lines[-1].endswith("rows, none out of tolerance")


def test_timing_does_not_disturb_running_statistics(capsys):
    assert main(["ladder", "--only", "batchnorm2d"]) == 0


def test_json_has_every_number_and_why_rows_are_left_out(capsys):
    assert main(["ladder", "--only", "gru", "--json", "--dtype", "float32"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["out"] == 0
    first = found["rows"][0]
    assert (first["name"], first["rung"], first["dtype"], first["within"]) == ("GRU", "scratch", "float32", True)
    assert first["time_ratio"] > 0
    reasons = {entry["name"]: entry["reason"] for entry in found["left_out"]}
    assert reasons["GRUCell"] == "no GRUCell on this rung"
    assert reasons["GRU: dropout between 3 layers"] == "random numbers of its own"


def test_out_writes_the_page(tmp_path: Path, capsys):
    page = tmp_path / "ladder.md"
    assert main(["ladder", "--only", "embedding", "--out", str(page)]) == 0
    text = page.read_text()
    assert text.startswith("# The ladder\n")
    assert "| Embedding | scratch | 0 |" in text
    assert "rows, none out of tolerance." in text
    assert str(page) in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--only", "Linaer"], "unknown row 'Linaer'; did you mean 'Linear'?"),
        (["--rung", "torch"], "invalid choice: 'torch'"),
        (["--dtype", "float16"], "invalid choice: 'float16'"),
        (["--only", "grucell", "--rung", "numpy"], "expected a row that rung numpy carries"),
        (["--only", "LARS", "--rung", "numpy"], "expected a row that rung numpy carries"),
        (["--only", "Adaam"], "unknown row 'Adaam'; did you mean 'Adam'?"),
        (["--out", "nowhere/ladder.md", "--only", "relu"], "could not write nowhere/ladder.md"),
    ],
)
def test_a_wrong_word_is_one_line(words, message, capsys):
    assert main(["ladder", *words]) in (1, 2)
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1
