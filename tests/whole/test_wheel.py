"""A wheel built from the tree works elsewhere, from the embedded sample alone."""

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def call(command, **options):
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_a_wheel_trains_from_the_embedded_sample_in_a_fresh_environment(tmp_path):
    call([sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", tmp_path, ROOT])
    wheel = next(tmp_path.glob("fathom_dl-*.whl"))
    names = zipfile.ZipFile(wheel).namelist()
    assert "fathom/py.typed" in names
    assert any(name.endswith(".gz") for name in names)
    assert wheel.stat().st_size < 15e6
    # The wheel and nothing of the checkout: its own environment, which borrows only the dependencies installed here.
    environment = tmp_path / "env"
    venv.create(environment, with_pip=False)
    python = environment / "bin" / "python"
    site = call([python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]).strip()
    zipfile.ZipFile(wheel).extractall(site)
    here = [path for path in sys.path if path.endswith("site-packages")]
    Path(site, "dependencies.pth").write_text("\n".join(here))
    variables = {**os.environ, "FATHOM_CACHE": str(tmp_path / "cache"), "FATHOM_OFFLINE": "1"}
    where = call([python, "-c", "import fathom; print(fathom.__file__)"], cwd=tmp_path, env=variables)
    assert where.startswith(site)
    command = [python, "-m", "fathom", "train", "lenet", "--epochs", "1", "--limit", "3", "--out", "run"]
    assert "test_accuracy" in call(command, cwd=tmp_path, env=variables)
    assert (tmp_path / "run" / "result.json").is_file()
