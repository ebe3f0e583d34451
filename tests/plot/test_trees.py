"""Trees as pictures."""

import pytest
from PIL import Image

from fathom.errors import InputError
from fathom.plot.trees import COLOURS, Drawn, draw_trees, layout

CLASSES = ("very negative", "negative", "neutral", "positive", "very positive")
TREE = Drawn(["not", "$5", "", ".", ""], [(0, 0), (0, 0), (2, 1), (0, 0), (2, 1)], [2, 3, 1, 2, 0], [None, 3, 3, 2, 0])


def test_parents_stand_above_the_middle_of_their_children():
    assert layout(TREE.children) == [(0.0, 0.0), (1.0, 0.0), (0.5, 1.0), (2.0, 0.0), (1.25, 2.0)]


def colours(path):
    with Image.open(path) as picture:
        return {"#{:02X}{:02X}{:02X}".format(*pixel) for _, pixel in picture.convert("RGB").getcolors(2**20)}


def test_nodes_have_the_colours_of_what_is_said_of_them(tmp_path):
    path = draw_trees(tmp_path / "trees.png", [TREE, TREE], CLASSES, ["one", "two"])
    assert set(COLOURS) <= colours(path)  # those that no node has are in the key
    deep = Drawn(["w"] * 40, [(0, 0)] * 40, [2] * 40, [None] * 40)
    assert draw_trees(tmp_path / "wide.png", [deep], CLASSES).is_file()


def test_no_tree_or_other_classes_are_refused(tmp_path):
    with pytest.raises(InputError, match="draw_trees: expected trees and 5 classes, got 0 and 5"):
        draw_trees(tmp_path / "trees.png", [], CLASSES)
    with pytest.raises(InputError, match="got 1 and 2"):
        draw_trees(tmp_path / "trees.png", [TREE], CLASSES[:2])
