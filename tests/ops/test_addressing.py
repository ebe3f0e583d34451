"""Addressing by content and by place, against loops over rows."""

import math

import pytest
import torch

from fathom.errors import InputError, ShapeError
from fathom.ops import addressing

BATCH, HEADS, ROWS, WIDTH = 2, 3, 7, 5


@pytest.fixture
def drawn():
    torch.manual_seed(0)
    return {
        "memory": torch.randn(BATCH, ROWS, WIDTH, dtype=torch.float64),
        "keys": torch.randn(BATCH, HEADS, WIDTH, dtype=torch.float64),
        "strengths": 3 * torch.rand(BATCH, HEADS, 1, dtype=torch.float64),
        "weights": torch.randn(BATCH, HEADS, ROWS, dtype=torch.float64).softmax(-1),
        "gates": torch.rand(BATCH, HEADS, 1, dtype=torch.float64),
        "shifts": torch.randn(BATCH, HEADS, 3, dtype=torch.float64).softmax(-1),
        "powers": 1 + 2 * torch.rand(BATCH, HEADS, 1, dtype=torch.float64),
    }


def every():
    return ((batch, head) for batch in range(BATCH) for head in range(HEADS))


def test_content_weights_are_a_softmax_of_cosines(drawn):
    found = addressing.content_weights(drawn["keys"], drawn["strengths"], drawn["memory"])
    for batch, head in every():
        key, strength = drawn["keys"][batch, head], drawn["strengths"][batch, head, 0]
        raised = [
            math.exp(strength * torch.nn.functional.cosine_similarity(key, row, dim=0))
            for row in drawn["memory"][batch]
        ]
        expected = torch.tensor(raised, dtype=torch.float64) / sum(raised)
        torch.testing.assert_close(
            found[batch, head], expected, rtol=1e-3, atol=0
        )  # EMPTY lengthens every row a little


def test_an_empty_row_is_like_nothing_and_has_a_slope(drawn):
    memory = torch.zeros(BATCH, ROWS, WIDTH, dtype=torch.float64, requires_grad=True)
    alike = addressing.cosine_similarity(drawn["keys"], memory)
    assert torch.equal(alike, torch.zeros_like(alike))
    alike.sum().backward()
    assert memory.grad.isfinite().all()
    assert memory.grad.abs().max() <= HEADS / math.sqrt(addressing.EMPTY)


def test_a_shift_is_a_circular_convolution(drawn):
    found = addressing.shifted(drawn["weights"], drawn["shifts"])
    for batch, head in every():
        for row in range(ROWS):
            expected = sum(
                drawn["weights"][batch, head, (row - step) % ROWS] * drawn["shifts"][batch, head, step + 1]
                for step in (-1, 0, 1)
            )
            assert found[batch, head, row].item() == pytest.approx(expected.item())


@pytest.mark.parametrize("rows", [3, 4])
def test_a_sure_step_on_moves_all_rows_by_one(rows):
    weights = torch.eye(rows)[None]
    on = torch.tensor([0.0, 0.0, 1.0]).expand(1, rows, 3)
    assert torch.equal(addressing.shifted(weights, on), weights.roll(1, dims=2))
    assert torch.equal(addressing.shifted(weights, on.flip(-1)), weights.roll(-1, dims=2))


def test_where_heads_look_follows_the_papers_equations(drawn):
    content = addressing.content_weights(drawn["keys"], drawn["strengths"], drawn["memory"])
    found = addressing.located(content, drawn["weights"], drawn["gates"], drawn["shifts"], drawn["powers"])
    gated = drawn["gates"] * content + (1 - drawn["gates"]) * drawn["weights"]
    moved = addressing.shifted(gated, drawn["shifts"])
    raised = moved ** drawn["powers"]
    torch.testing.assert_close(found, raised / raised.sum(-1, keepdim=True))
    torch.testing.assert_close(found.sum(-1), torch.ones(BATCH, HEADS, dtype=torch.float64))


@pytest.mark.parametrize("heads", [1, HEADS])
def test_writing_erases_for_all_heads_and_then_adds(drawn, heads):
    weights = drawn["weights"][:, :heads]
    erase, add = torch.rand(BATCH, heads, WIDTH).double(), torch.randn(BATCH, heads, WIDTH).double()
    found = addressing.written(drawn["memory"], weights, erase, add)
    for batch in range(BATCH):
        for row in range(ROWS):
            cells = drawn["memory"][batch, row].clone()
            for head in range(heads):
                cells = cells * (1 - weights[batch, head, row] * erase[batch, head])
            for head in range(heads):
                cells = cells + weights[batch, head, row] * add[batch, head]
            torch.testing.assert_close(found[batch, row], cells)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([0.5, 0.6], "weights: expected probabilities that sum to 1, got a sum of 1.1; divide by it"),
        ([1.5, -0.5], "weights: expected probabilities of at least 0, got -0.5"),
        ([float("nan"), 1.0], "weights: expected probabilities of at least 0, got nan"),
    ],
)
def test_weights_that_are_no_probabilities_are_told(weights, message):
    with pytest.raises(InputError, match=message):
        addressing.check_probabilities("weights", torch.tensor([[1.0, 0.0], weights]))


def test_a_single_number_is_no_row_of_weights():
    with pytest.raises(ShapeError, match=r"weights: expected probabilities \(\.\.\., rows\), got a single number"):
        addressing.check_probabilities("weights", torch.tensor(1.0))
