import io
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from fathom import plot
from fathom.errors import InputError, SaveError
from fathom.plot.style import spread
from fathom.records import Published


def draw_lines(path: Path) -> Path:
    return plot.lines(path, {"a": [1.0, 2.0, 3.0], "b": ([0, 1], [2.0, 1.0])}, points={"seen": ([0, 1], [1, 2])})


def draw_histogram(path: Path) -> Path:
    return plot.histogram(path, {"a": [0.0, 1.0, 1.0, float("nan")], "b": torch.tensor([0.5])})


def draw_bars(path: Path) -> Path:
    return plot.bars(path, {"a": 0.5, "b": -0.25}, marks={"a": 0.4})


def draw_heatmap(path: Path) -> Path:
    return plot.heatmap(
        path, [[0.0, 1.0, float("nan")], [2.0, 3.0, 5.0]], rows=["x", "y"], columns=["one", "two", "three"]
    )


def draw_images(path: Path) -> Path:
    return plot.images(path, torch.rand(3, 1, 5, 7, generator=torch.Generator().manual_seed(0)),
                       truth=["a", "b", "c"], predicted=["a", "c", "c"], columns=2)  # fmt: skip


def draw_plane(path: Path) -> Path:
    return plot.plane(path, lambda x: x[:, 0] > 0.5, [[0, 0], [0, 1], [1, 0]], [0, 0, 1], steps=20)


def draw_contours(path: Path) -> Path:
    return plot.contours(path, lambda x, y: x**2 + y**2, [[1.0, 1.0], [0.5, 0.2]], marks={"least": (0, 0)}, steps=20)


def draw_curves(path: Path) -> Path:
    history = [{"epoch": 1, "train_loss": 1.0, "test_loss": 2.0, "test_accuracy": 0.5}]
    return plot.curves(path, history, [Published(metric="test_accuracy", value=0.75, split="test", source="x")])


DRAWINGS = [draw_lines, draw_histogram, draw_bars, draw_heatmap, draw_images, draw_plane, draw_contours, draw_curves]


@pytest.mark.parametrize("draw", DRAWINGS)
def test_every_drawing_is_a_picture_and_nothing_else_is_left_in_the_folder(draw, tmp_path):
    path = draw(tmp_path / "picture.png")
    assert path == tmp_path / "picture.png"
    assert [file.name for file in tmp_path.iterdir() if file.is_file()] == ["picture.png"]
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        assert min(picture.size) > 100
        assert len(picture.convert("RGB").getcolors(1 << 24)) > 5


def test_the_same_input_gives_the_same_bytes(tmp_path):
    assert draw_curves(tmp_path / "a.png").read_bytes() == draw_curves(tmp_path / "b.png").read_bytes()


def test_drawing_leaves_matplotlibs_settings_alone(tmp_path):
    import matplotlib

    before = dict(matplotlib.rcParams)
    draw_lines(tmp_path / "a.png")
    assert dict(matplotlib.rcParams) == before


def test_drawing_does_not_import_pyplot(tmp_path):
    import subprocess
    import sys

    code = (
        "import sys; from fathom import plot; assert 'matplotlib' not in sys.modules and 'torch' not in sys.modules; "
        f"plot.lines({str(tmp_path / 'a.png')!r}, {{'a': [1, 2]}}); assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_picture_can_be_drawn_outside_the_main_thread(tmp_path):
    thread = threading.Thread(target=draw_lines, args=(tmp_path / "a.png",))
    thread.start()
    thread.join()
    assert (tmp_path / "a.png").is_file()


def test_names_may_hold_dollars_and_letters_that_no_font_has(tmp_path):
    plot.images(tmp_path / "a.png", np.zeros((1, 3, 3)), ["50 $ to 60 $ \U0001f45f 鞋"])


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(SaveError, match="there is no folder"):
        draw_lines(tmp_path / "nowhere" / "a.png")


def test_an_error_while_drawing_leaves_no_file(tmp_path):
    with pytest.raises(InputError, match="as many x as y"):
        plot.lines(tmp_path / "a.png", {"a": ([1, 2, 3], [1, 2])})
    assert list(tmp_path.glob("*.png")) == []


def test_labels_must_be_as_many_as_the_pictures(tmp_path):
    with pytest.raises(InputError, match="expected 2 predicted"):
        plot.images(tmp_path / "a.png", np.zeros((2, 3, 3)), predicted=["a"])


def test_a_wrong_prediction_is_red_and_a_right_one_is_not(tmp_path):
    def reds(predicted: str) -> int:
        path = plot.images(tmp_path / "a.png", np.zeros((1, 5, 5)), truth=["a"], predicted=[predicted])
        with Image.open(io.BytesIO(path.read_bytes())) as picture:
            pixels = np.asarray(picture.convert("RGB")).astype(int)
        return int(((pixels[..., 0] > 150) & (pixels[..., 1] < 60)).sum())

    assert reds("a") == 0
    assert reds("b") > 5


def test_labels_that_would_overlap_are_moved_apart_and_keep_their_order():
    places = spread([0.5, 0.51, 0.1, 0.49], 0.1)
    assert np.argsort(places).tolist() == np.argsort([0.5, 0.51, 0.1, 0.49]).tolist()
    assert np.diff(sorted(places)).min() >= 0.1 - 1e-9
    assert places[2] == 0.1
