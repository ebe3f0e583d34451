"""Kill a training with SIGKILL at random moments: resumed, it ends in the same bits as one never killed."""

import json
import random
import signal
import subprocess
import sys
import time

import pytest
import torch

from fathom.records import RunFolder
from fathom.train import load_checkpoint

PROGRAM = """
import sys
from fathom.train import checkpoints
checkpoints.EVERY_SECONDS = 0.05  # so that kills fall between saves in the middle of an epoch too
from fathom.cli import main
sys.exit(main(sys.argv[1:]))
"""
SETTINGS = ["--data", "fashion-mnist-sample", "--epochs", "3", "--limit", "30", "--optimizer", "adam", "--lr", "0.01"]


def start(recipe, arguments):
    command = [sys.executable, "-c", PROGRAM, "train", recipe, *arguments, "--threads", "1", "--quiet"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process):
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return out


def lines(folder):
    return folder.log.read_text().count("\n") if folder.log.is_file() else 0


def train_with_kills(recipe, path, kills, seed):
    """Train in `path`, killed `kills` times at a random number of logged lines; the number of kills that hit."""
    moments, folder, hits = random.Random(seed), RunFolder(path), 0
    arguments = [*SETTINGS, "--out", str(path)]
    for _ in range(kills):
        process = start(recipe, arguments)
        wanted = lines(folder) + moments.randint(0, 25)
        while process.poll() is None and lines(folder) < wanted:
            time.sleep(0.002)
        time.sleep(moments.uniform(0, 0.03))
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            hits += 1
        process.communicate()
        if (path / "config.json").is_file():
            arguments = ["--resume", str(path)]
    finish(start(recipe, arguments))
    return hits


def same_end(left, right):
    ours, theirs = load_checkpoint(left.last), load_checkpoint(right.last)
    assert list(ours["model"]) == list(theirs["model"])
    assert all(torch.equal(ours["model"][name], theirs["model"][name]) for name in ours["model"])
    assert torch.equal(ours["rng"]["torch"], theirs["rng"]["torch"])
    assert left.result.metrics == right.result.metrics
    assert left.result.history == right.result.history
    logs = [[json.loads(line) for line in folder.log.read_text().splitlines()] for folder in (left, right)]
    assert logs[0] == logs[1]


def check(recipe, tmp_path, kills, seed):
    finish(start(recipe, [*SETTINGS, "--out", str(tmp_path / "whole")]))
    assert train_with_kills(recipe, tmp_path / "killed", kills, seed) >= 1
    same_end(RunFolder(tmp_path / "whole"), RunFolder(tmp_path / "killed"))


@pytest.mark.slow
def test_a_run_killed_three_times_ends_in_the_same_bits(tmp_path):
    check("mlp-dropout", tmp_path, kills=3, seed=0)


@pytest.mark.soak
@pytest.mark.parametrize("recipe", ["mlp-dropout", "lenet"])
@pytest.mark.parametrize("seed", range(5))
def test_a_run_killed_ten_times_ends_in_the_same_bits(tmp_path, recipe, seed):
    check(recipe, tmp_path, kills=10, seed=seed)
