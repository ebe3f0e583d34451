"""What a person sees on a real terminal: a bar that fits, and what NO_COLOR and --quiet promise."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios

import pytest

ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
COLOUR = re.compile(r"\x1b\[(?:[0-9]+;)*(?:3[0-9]|4[0-9]|9[0-7]|10[0-7])(?:;[0-9]+)*m")
TRAIN = ["train", "polynomial", "--epochs", "40", "--threads", "1", "--out", "run"]  # has seven numbers an epoch


def on_a_terminal(words, columns=80, **variables):
    """All that `fathom` writes to a terminal of so many columns."""
    reader, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    unset = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "NO_COLOR", "FORCE_COLOR")}
    process = subprocess.Popen(
        [sys.executable, "-m", "fathom", *words],
        stdin=terminal, stdout=terminal, stderr=terminal, env={**unset, "TERM": "xterm-256color", **variables},
    )  # fmt: skip
    os.close(terminal)
    said = b""
    with open(reader, "rb", buffering=0) as stream:  # noqa: PTH123  (a descriptor, not a path)
        while chunk := _read(stream):
            said += chunk
    assert process.wait() == 0, said.decode()
    return said.decode()


def _read(stream):
    try:
        return stream.read(1 << 16)
    except OSError:  # Linux says so when the other side is closed
        return b""


def widest(said):
    """Columns of the longest line, where each return to the left begins anew."""
    return max(map(len, re.split(r"[\r\n]+", ESCAPE.sub("", said))))


@pytest.mark.slow
@pytest.mark.parametrize("columns", [80, 40])
def test_the_bar_and_its_lines_fit_the_terminal(columns):
    said = on_a_terminal(TRAIN, columns)
    training = said[said.index("training on cpu") : said.index("metric ")]
    assert "\x1b[?25l" in training  # a bar that moves
    assert "epoch 40/40  train_loss" in training
    assert widest(training.partition("\n")[2]) <= columns
    assert COLOUR.search(training)


@pytest.mark.slow
def test_no_color_leaves_no_colour_and_quiet_leaves_the_result_alone():
    plain = on_a_terminal([*TRAIN, "--plot"], NO_COLOR="1")
    assert "epoch" in plain
    assert not COLOUR.search(plain)
    quiet = on_a_terminal(["train", "--resume", "run", "--epochs", "41", "--quiet"])
    assert ESCAPE.sub("", quiet).startswith("metric")
    assert not any(word in quiet for word in ("epoch 4", "training on", "going on", "run folder", "\r\x1b", "\x1b[?25"))
