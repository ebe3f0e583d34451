import re

import pytest

from fathom.errors import InputError, UnknownNameError
from fathom.registry import Registry, arguments, literals, spec, unknown


def test_a_name_that_is_nearly_right_gets_a_suggestion():
    error = unknown("model", "lenett", ["mlp", "lenet"])
    assert str(error) == "unknown model 'lenett'; did you mean 'lenet'?"
    assert error.exit_code == 2


def test_the_beginning_of_a_name_is_near_enough():
    assert "did you mean 'softmax-regression'?" in str(unknown("recipe", "soft", ["softmax-regression", "mlp"]))


def test_a_name_near_nothing_gets_the_list():
    assert str(unknown("model", "zzz", ["mlp", "lenet"])) == "unknown model 'zzz'; there are: lenet, mlp"


def test_things_are_found_by_name_and_names_are_taken_once():
    registry = Registry[int]("number")
    registry.add("two", 2)
    assert registry.register("three")(3) == 3
    assert (registry.get("two"), registry.names(), "two" in registry) == (2, ["three", "two"], True)
    with pytest.raises(ValueError, match="registered twice"):
        registry.add("two", 22)
    with pytest.raises(UnknownNameError, match="did you mean 'three'"):
        registry.get("tree")


def test_constants_are_read_without_importing(tmp_path):
    path = tmp_path / "module.py"
    path.write_text('"""Title.\n\nMore."""\nimport does_not_exist\nA = [{"x": 1}]\nB: str = "b"\nC = print()\n')
    assert literals(path, ("__doc__", "A", "B", "Z")) == {"__doc__": "Title.\n\nMore.", "A": [{"x": 1}], "B": "b"}


def test_what_is_not_a_constant_is_said(tmp_path):
    path = tmp_path / "module.py"
    path.write_text("C = print()\n")
    with pytest.raises(ValueError, match="malformed"):
        literals(path, ("C",))


def decay(
    step: int,
    rate: float = 0.1,
    times: int = 3,
    milestones: tuple[float, ...] = (),
    pair: tuple[int, int] = (1, 2),
    slow: bool = False,
    end: int | float | None = None,
    word: str = "",
):
    """A function with a parameter of every kind."""


def understood(text):
    name, options = spec(text)
    return arguments(f"schedule {name}", decay, options, leave_out=["step"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("decay", {}),
        ("decay,rate=1e-2,times=5", {"rate": 0.01, "times": 5}),
        ("decay,milestones=0.5/30,pair=3/4", {"milestones": (0.5, 30.0), "pair": (3, 4)}),
        ("decay,slow=yes,end=none,word=a=b", {"slow": True, "end": None, "word": "a=b"}),
        ("decay,end=7", {"end": 7}),
        ("decay,end=0.5", {"end": 0.5}),
    ],
)
def test_options_become_arguments_of_the_types_that_the_function_names(text, expected):
    found = understood(text)
    assert found == expected
    assert {key: type(value) for key, value in found.items()} == {key: type(value) for key, value in expected.items()}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("decay,rat=1", "unknown option of schedule decay 'rat'; did you mean 'rate'?"),
        ("decay,step=1", "unknown option of schedule decay 'step'; there are: end, milestones"),
        ("decay,rate=fast", "schedule decay: rate: expected a number, got 'fast'"),
        ("decay,rate=nan", "schedule decay: rate: expected a number, got 'nan'"),
        ("decay,times=2.5", "schedule decay: times: expected a whole number, got '2.5'"),
        ("decay,slow=often", "schedule decay: slow: expected true or false, got 'often'"),
        ("decay,pair=1", "schedule decay: pair: expected 2 values with slashes between them, got '1'"),
        ("decay,end=soon", "schedule decay: end: expected a whole number or a number, got 'soon'"),
        ("decay,rate", "decay,rate: expected key=value after the comma, got 'rate'"),
        ("decay,", "decay,: expected key=value after the comma, got ''"),
        ("decay,rate=1,rate=2", "decay,rate=1,rate=2: expected each option once, got rate twice"),
    ],
)
def test_an_option_that_does_not_fit_is_one_clear_line(text, message):
    with pytest.raises(InputError, match=f"^{re.escape(message)}"):
        understood(text)


def test_a_function_without_options_says_so():
    with pytest.raises(UnknownNameError, match="it takes no options"):
        arguments("schedule constant", lambda step: 1.0, {"rate": "1"}, leave_out=["step"])
