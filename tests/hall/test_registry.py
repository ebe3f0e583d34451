import pytest

from fathom.errors import UnknownNameError
from fathom.registry import Registry, literals, unknown


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
