import json
import subprocess
import sys

import pytest
from PIL import Image

from fathom.cli import main


@pytest.fixture
def photos(tmp_path):
    for name, shade in (("dark", 30), ("light", 220)):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(10):
            Image.new("L", (20, 17), shade + number).save(tmp_path / "photos" / name / f"{number}.png")
    return tmp_path / "photos"


def train(tmp_path, *words):
    return main(["train", "softmax-regression", "--quiet", "--threads", "1", *words])


def test_a_run_does_not_go_on_with_other_data(tmp_path, photos, capsys):
    assert train(tmp_path, "--data", f"images:{photos}", "--epochs", "1", "--out", str(tmp_path / "run")) == 0
    Image.new("L", (20, 17), 99).save(photos / "dark" / "new.png")
    assert main(["train", "--resume", str(tmp_path / "run"), "--epochs", "2", "--quiet"]) == 2
    assert "expected the data that the run began with" in capsys.readouterr().err


def test_skip_bad_may_not_be_added_on_resuming(tmp_path, photos, capsys):
    assert train(tmp_path, "--data", f"images:{photos}", "--epochs", "1", "--out", str(tmp_path / "run")) == 0
    assert main(["train", "--resume", str(tmp_path / "run"), "--epochs", "2", "--skip-bad"]) == 2
    assert "--skip-bad: the run in" in capsys.readouterr().err


def test_json_has_plain_lists(tmp_path, photos, capsys):
    words = ["--data", f"images:{photos}", "--epochs", "1", "--out", str(tmp_path / "run"), "--json"]
    assert main(["train", "mlp", *words]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["history"][0]["epoch"] == 1
    assert printed["config"]["hidden_sizes"] == [256]


def test_a_folder_in_which_another_process_trains_is_left_alone(tmp_path, photos, capsys):
    run = tmp_path / "run"
    assert train(tmp_path, "--data", f"images:{photos}", "--epochs", "1", "--out", str(run)) == 0
    before = (run / "metrics.jsonl").read_bytes()
    hold = (
        "import sys; from fathom.records import RunFolder\n"
        "with RunFolder(sys.argv[1]).locked():\n"
        "    print('held', flush=True); input()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", hold, str(run)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline() == "held\n"
        assert main(["train", "--resume", str(run), "--epochs", "2", "--quiet"]) == 2
        assert "another process is training in it" in capsys.readouterr().err
        assert (run / "metrics.jsonl").read_bytes() == before
        other.kill()
    assert main(["train", "--resume", str(run), "--epochs", "2", "--quiet"]) == 0
