from dataclasses import dataclass
from typing import Literal

import pytest

from fathom.cli.flags import docs, given, help_text, parse
from fathom.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Base:
    """The base.

    Args:
        epochs: passes over
            the data: all of it.
        lr: learning rate.
    """

    epochs: int = 10
    lr: float = 0.5


@dataclass(frozen=True, kw_only=True)
class Config(Base):
    """Ours.

    Args:
        rule: how to step.
        hidden_sizes: units of each hidden layer.
        compile: whether to compile.

    Source: nowhere.
    """

    lr: float = 0.9
    rule: Literal["sgd", "adam"] = "sgd"
    hidden_sizes: tuple[int, ...] = (256,)
    compile: bool = False
    clip: float | None = None
    data: str = "xor"


def read(*words: str, **defaults: object) -> Config:
    return Config(**parse(Config, words, defaults, prog="fathom train ours", others=("--plot",)))


def test_without_flags_the_defaults_hold():
    assert read() == Config()


def test_flags_set_fields_whatever_the_dash():
    found = read("--hidden_sizes", "3", "5", "--lr=1e-3", "--compile", "--rule", "adam", "--clip", "2")
    assert found == Config(hidden_sizes=(3, 5), lr=0.001, compile=True, rule="adam", clip=2.0)


def test_defaults_may_come_from_a_run():
    assert read("--no-compile", lr=0.25, compile=True, hidden_sizes=(7,)) == Config(lr=0.25, hidden_sizes=(7,))


def test_the_fields_that_were_given_are_known():
    assert given(Config, ["--hidden_sizes", "3", "--no-compile", "--lr=1", "--x"]) == {"hidden_sizes", "compile", "lr"}


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--epoch", "3"], "unknown flag of fathom train ours '--epoch'; did you mean '--epochs'?"),
        (["--plt"], "unknown flag of fathom train ours '--plt'; did you mean '--plot'?"),
        (["--learning-rate", "3"], "unknown flag of fathom train ours '--learning-rate'; see fathom train ours --help"),
        (["--epochs", "x"], "--epochs: expected a whole number, got 'x'"),
        (["--epochs", "1.5"], "--epochs: expected a whole number, got '1.5'"),
        (["--epochs"], "--epochs: expected a whole number, got nothing"),
        (["--lr", "fast"], "--lr: expected a number, got 'fast'"),
        (["--rule", "adm"], "--rule: expected one of sgd, adam, got 'adm'; did you mean adam?"),
        (["--rule"], "--rule: expected one of sgd, adam, got nothing"),
        (["--hidden-sizes", "3", "x"], "--hidden-sizes: expected a whole number, got 'x'"),
        (["--clip", "much"], "--clip: expected a number, got 'much'"),
        (["--compile", "yes"], "train ours: expected flags after the recipe's name, got 'yes'"),
        (["epochs", "3"], "train ours: expected flags after the recipe's name, got 'epochs'; did you mean --epochs?"),
        (["--epochs", "3", "4"], "train ours: expected flags after the recipe's name, got '4'"),
        (["--data"], "--data: expected a word, got nothing"),
        (["-e", "3"], "train ours: expected flags after the recipe's name, got '-e'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_does_not_fit_is_one_clear_line(words, line):
    with pytest.raises(InputError) as caught:
        read(*words)
    assert str(caught.value).startswith(line)
    assert "\n" not in str(caught.value)
    assert "─" not in str(caught.value)


def test_meanings_come_from_the_docstrings_of_all_bases():
    found = docs(Config)
    assert found["epochs"] == "passes over the data: all of it."
    assert found["compile"] == "whether to compile."
    assert "Source" not in found


def test_the_help_tells_defaults_meanings_and_the_commands_own_flags(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    text = help_text(Config, prog="fathom train ours", description="Ours.", commands={"--plot": "draw " * 30})
    plain = " ".join(text.split())
    assert "how to step." in plain
    assert "default: 0.9" in plain
    assert "--plot draw draw" in plain
    assert max(map(len, text.splitlines())) <= 80
