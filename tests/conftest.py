"""Every test has a cache folder of its own, no network, and no data but what the package and the test bring."""

import os
from pathlib import Path

import pytest
import torch
from hypothesis import settings

from fathom.data import store

torch.set_num_threads(1)
settings.register_profile("undisturbed", deadline=None)  # a busy machine is no failure
settings.load_profile("undisturbed")

REAL_DATA = os.environ.get("FATHOM_DATA", "")


@pytest.fixture(autouse=True)
def isolated_data(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FATHOM_CACHE", str(tmp_path_factory.mktemp("cache") / "fathom"))
    monkeypatch.setenv("FATHOM_OFFLINE", "1")
    monkeypatch.delenv("FATHOM_DATA", raising=False)
    store.forget()


@pytest.fixture
def real_data(monkeypatch: pytest.MonkeyPatch) -> str:
    """The folders that FATHOM_DATA named when the tests began, set again; skips if there were none."""
    if not REAL_DATA:
        pytest.skip("FATHOM_DATA is not set: no full sets on this machine")
    absolute = os.pathsep.join(str(Path(folder).resolve()) for folder in REAL_DATA.split(os.pathsep) if folder)
    monkeypatch.setenv("FATHOM_DATA", absolute)
    return absolute
