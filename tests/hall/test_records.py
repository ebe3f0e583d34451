import math
import os
import resource
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fathom.errors import RunFolderError, SaveError
from fathom.records import DataUsed, Published, Result, RunFolder, dump_json, load_json, replacing, write_text

numbers = st.floats(allow_nan=False)
names = st.text(min_size=1)


@given(
    metrics=st.dictionaries(names, numbers, max_size=3),
    history=st.lists(st.dictionaries(names, numbers, max_size=3), max_size=3).map(tuple),
    value=st.none() | numbers,
    config=st.dictionaries(names, st.none() | st.booleans() | st.integers() | names | st.tuples(numbers, names)),
)
def test_a_result_comes_back_from_json_as_it_was(metrics, history, value, config):
    result = Result(
        recipe="lenet",
        config=config,
        metrics=metrics,
        history=history,
        published=(Published(metric="test_accuracy", value=value, split="test images", source="a book"),),
        data=(DataUsed(name="x", origin="sample", sizes={"train": 3}),),
        notes=("one",),
    )
    assert Result.from_json(result.to_json()) == result


def test_a_result_of_a_later_version_can_be_read():
    text = Result(recipe="lenet", config={}, metrics={}).to_json().replace("{", '{"later": 1,', 1)
    assert Result.from_json(text).recipe == "lenet"


def test_numbers_that_json_lacks_come_back():
    value = {"nan": math.nan, "inf": [math.inf, -math.inf], "keys": {1: "a", (2, 3): "b"}, "$x": 1}
    back = load_json(dump_json(value))
    assert math.isnan(back.pop("nan"))
    assert back == {key: item for key, item in value.items() if key != "nan"}


def test_what_json_can_not_say_is_refused():
    with pytest.raises(TypeError, match="got set"):
        dump_json({"x": {1}})


def test_after_an_error_the_old_file_stands_and_nothing_else(tmp_path):
    path = tmp_path / "file"
    write_text(path, "old")

    def fail():
        with replacing(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]
    assert path.read_text() == "old"


def test_a_full_disk_is_one_line_and_leaves_the_old_file(tmp_path):
    path = tmp_path / "file"
    write_text(path, "old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
        with pytest.raises(SaveError, match=r"could not write .*file: File too large; make room"):
            write_text(path, "x" * 1000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_a_new_run_folder_remembers_recipe_and_settings(tmp_path):
    folder = RunFolder.create("lenet", {"lr": 0.1, "data": "x"}, tmp_path / "deep" / "run")
    again = RunFolder.open(folder.path, "lenet")
    assert (again.recipe, again.config, again.result) == ("lenet", {"lr": 0.1, "data": "x"}, None)


def test_runs_started_in_the_same_second_get_folders_of_their_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert len({RunFolder.create("lenet", {}).path for _ in range(3)}) == 3


@pytest.mark.parametrize("kind", ["file", "full folder"])
def test_a_place_that_is_taken_is_not_written_to(tmp_path, kind):
    place = tmp_path / "run"
    if kind == "file":
        place.write_text("precious")
    else:
        place.mkdir()
        (place / "precious").touch()
    with pytest.raises(RunFolderError, match="is there already and not empty; give --out another folder"):
        RunFolder.create("lenet", {}, place)


def test_what_is_not_a_run_folder_is_said(tmp_path):
    with pytest.raises(RunFolderError, match=r"has no config.json"):
        RunFolder.open(tmp_path)
    with pytest.raises(RunFolderError, match="is no folder"):
        RunFolder.open(tmp_path / "nowhere")


def test_a_run_of_another_recipe_is_said(tmp_path):
    RunFolder.create("mlp", {}, tmp_path / "run")
    with pytest.raises(RunFolderError, match="is a run of 'mlp', not of 'lenet'; run fathom train mlp"):
        RunFolder.open(tmp_path / "run", "lenet")


def test_a_damaged_file_of_a_run_is_named(tmp_path):
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(RunFolderError, match=r"config\.json is damaged"):
        RunFolder.open(tmp_path, "lenet")


@pytest.mark.parametrize("text", ["{}", "[]", '{"recipe": 3, "config": {}}'])
def test_settings_that_are_no_settings_are_named(tmp_path, text):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(RunFolderError, match=r"config\.json is damaged \(it has no 'recipe'\); start the run anew"):
        RunFolder.open(tmp_path, "lenet")


def test_runs_started_at_the_same_moment_get_folders_of_their_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    barrier = threading.Barrier(7)

    def start(_):
        barrier.wait()
        return RunFolder.create("lenet", {}).path

    with ThreadPoolExecutor(7) as pool:
        assert len(set(pool.map(start, range(7)))) == 7


def test_a_name_that_is_no_text_is_kept_in_json_and_refused_for_a_run(tmp_path):
    name = os.fsdecode(b"n\xe4chste")
    write_text(tmp_path / "x.json", dump_json({name: 1}))
    assert load_json((tmp_path / "x.json").read_text(encoding="utf-8")) == {name: 1}
    with pytest.raises(RunFolderError, match="expected a folder's name in letters that can be printed"):
        RunFolder.create("lenet", {}, tmp_path / name)
