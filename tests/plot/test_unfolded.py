"""The unfolded graph has the edges that a net's steps have."""

import pytest
from PIL import Image

from fathom.errors import InputError
from fathom.plot.unfolded import Edge, Pattern, graphs, unfold
from fathom.recipes.unfolding import GRAPHS

HIDDEN = Pattern(nodes=("x", "h", "o"), edges=(Edge("x", "h"), Edge("h", "h", 1), Edge("h", "o")))


def ends(pattern, steps):
    return {(start, end) for start, end, _ in unfold(pattern, steps)}


def test_a_recurrence_from_the_state_unfolds_into_a_chain():
    chain = {(("h", 0), ("h", 1)), (("h", 1), ("h", 2))}
    steps = {edge for step in range(3) for edge in ((("x", step), ("h", step)), (("h", step), ("o", step)))}
    assert ends(HIDDEN, 3) == chain | steps


def test_a_delay_skips_steps():
    pattern = Pattern(nodes=("h",), edges=(Edge("h", "h", 3),))
    assert ends(pattern, 5) == {(("h", 0), ("h", 3)), (("h", 1), ("h", 4))}


def test_a_constant_goes_to_every_step():
    pattern = Pattern(nodes=("c", "h"), edges=(Edge("c", "h"), Edge("h", "h", 1)), constant=("c",))
    assert {end for start, end in ends(pattern, 4) if start == ("c", 0)} == {("h", step) for step in range(4)}


@pytest.mark.parametrize(
    ("edge", "got"), [(Edge("x", "z"), "between x, h"), (Edge("h", "h"), "to another node or to a later step")]
)
def test_an_edge_that_can_not_be_is_refused(edge, got):
    with pytest.raises(InputError, match=got):
        Pattern(nodes=("x", "h"), edges=(edge,))


def test_without_steps_there_is_no_graph(tmp_path):
    with pytest.raises(InputError, match="at least 1 step, got 0"):
        unfold(HIDDEN, 0)
    with pytest.raises(InputError, match="at least one pattern and 2 steps, got 1 and 1"):
        graphs(tmp_path / "graphs.png", [HIDDEN], steps=1)


def test_the_graphs_of_the_recipe_are_drawn(tmp_path):
    with Image.open(graphs(tmp_path / "graphs.png", GRAPHS)) as picture:
        assert min(picture.size) > 500
