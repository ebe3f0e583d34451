"""Runs that several tests look at, trained once a session."""

from pathlib import Path

import pytest

from fathom.cli import main


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NO_COLOR", raising=False)


@pytest.fixture(scope="module")
def line_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of linear-regression, two epochs of three batches."""
    folder = tmp_path_factory.mktemp("runs") / "line"
    assert main(["train", "linear-regression", "--epochs", "2", "--limit", "3", "--out", str(folder), "--quiet"]) == 0
    return folder
