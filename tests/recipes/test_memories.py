"""Machines with a memory as recipes: what a user may write, what counts, what is too long; programs run by a net."""

import pytest
import torch

from fathom import data, recipes
from fathom.data import addition_traces as traces
from fathom.data import memory_tasks, stories
from fathom.errors import InputError
from fathom.recipes import memory_network, ntm_associative_recall, ntm_copy, ntm_repeat_copy, programmer_interpreter
from fathom.recipes.common import turing

TASKS = {"ntm-copy": "copy", "ntm-repeat-copy": "repeat-copy", "ntm-associative-recall": "associative-recall"}


def about(task, **options):
    return data.load("".join([task, ",examples=3", *(f",{key}={value}" for key, value in options.items())])).about


# --- bits -----------------------------------------------------------------------------------------------------------


def test_only_bits_that_are_asked_count():
    target = torch.tensor([[[-1.0, -1.0], [1.0, 0.0]], [[0.0, 1.0], [-1.0, -1.0]]])
    logits = torch.tensor([[[9.0, -9.0], [3.0, 2.0]], [[-1.0, -4.0], [7.0, 7.0]]])
    assert turing.right_bits(logits, target).item() == 0.5
    asked = torch.tensor([[3.0, 2.0], [-1.0, -4.0]])
    expected = torch.nn.functional.binary_cross_entropy_with_logits(asked, torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
    torch.testing.assert_close(turing.asked_loss(ntm_copy.Config())(logits, target), expected)


def test_what_a_user_writes_is_asked_as_the_generated_rows_are():
    x, y, shown = ntm_copy.encode(about("copy", bits=3), "101 011")
    assert shown == 2
    assert turing.written(x[0, :2, :3]) == "101 011"
    assert turing.written(y[0, 3:]) == "101 011"
    x, y, _ = ntm_repeat_copy.encode(about("repeat-copy", bits=3), "101 011 x3")
    assert turing.written(y[0, 3:9, :3]) == "101 011 101 011 101 011"
    assert y[0, 9].tolist() == [0, 0, 0, 1]
    assert x[0, 2, 4] == pytest.approx(3 / 5)
    x, y, shown = ntm_associative_recall.encode(about("associative-recall", bits=2), "10/11/01 00/01/11 11/11/00 ? 2")
    assert shown == 12
    assert turing.written(y[0, -3:]) == "11 11 00"
    assert turing.written(x[0, 13:16, :2]) == "00 01 11"


@pytest.mark.parametrize(
    ("module", "task", "text", "message"),
    [
        (ntm_copy, "copy", "101 01", "expected vectors of 3 bits with blanks between, got '01'; as in 101"),
        (ntm_copy, "copy", "", "expected vectors of 3 bits with blanks between, got none"),
        (ntm_copy, "copy", "102", "got '102'"),
        (ntm_repeat_copy, "repeat-copy", "101 011", "expected vectors and how often from x1 to x1000, got '101 011'"),
        (ntm_repeat_copy, "repeat-copy", "101 x0", "how often from x1"),
        (ntm_associative_recall, "associative-recall", "101/111 ? 1", "expected items of 3 vectors with / between"),
        (ntm_associative_recall, "associative-recall", "101/111/000 ? 1", "number of an item with one after it"),
    ],
)
def test_what_can_not_be_read_is_told(module, task, text, message):
    with pytest.raises(InputError, match=message):
        module.encode(about(task, bits=3), text)


def test_a_sequence_longer_than_the_memory_is_told():
    with pytest.raises(InputError, match="--rows: expected a row of the memory for each of 10 vectors, got 7 rows"):
        turing.load_splits("copy", ntm_copy.Config(rows=7, data="copy,examples=3"))
    with pytest.raises(InputError, match=r"--test-rows \(4x\): expected a row of the memory for each of 40 vectors"):
        ntm_copy.RECIPE.tests(ntm_copy.Config(test_rows=30), about("copy"))
    with pytest.raises(
        InputError, match="the sequence: expected a row of the memory for each of 9 vectors, got 8 rows"
    ):
        turing.check_room(9, 8, "the sequence")


@pytest.mark.parametrize("name", sorted(TASKS))
def test_another_task_is_refused(name):
    recipe = recipes.load(name)
    other = "copy" if name != "ntm-copy" else "repeat-copy"
    with pytest.raises(InputError, match=f"{other},examples=3: expected the task {TASKS[name]}, got {other}"):
        turing.load_splits(TASKS[name], recipe.Config(data=f"{other},examples=3"))


def test_trials_are_longer_than_what_was_learnt():
    found = ntm_copy.RECIPE.tests(ntm_copy.Config(data="copy,length=3,examples=5"), about("copy", length=3))
    assert {name: test.tensors["x"].shape[1] for name, test in found.items()} == {"1x": 7, "2x": 13, "4x": 25}
    learnt = {"length": 3, "repeats": 2}
    found = ntm_repeat_copy.RECIPE.tests(
        ntm_repeat_copy.Config(data="repeat-copy,length=3,repeats=2,examples=5"), about("repeat-copy", **learnt)
    )
    assert {name: test.tensors["x"].shape[1] for name, test in found.items()} == {
        "learnt": 11,
        "oftener": 17,
        "longer": 20,
    }
    assert all(test.tensors["x"].shape[0] == turing.SHOWN for test in found.values())


def test_rows_in_use_go_round_the_circle():
    used = torch.zeros(9, dtype=torch.bool).numpy()
    used[[0, 1, 7]] = True
    assert turing.in_use(used).tolist() == [7, 8, 0, 1]
    used[:] = False
    used[[2, 4]] = True
    assert turing.in_use(used).tolist() == [2, 3, 4]


# --- stories --------------------------------------------------------------------------------------------------------


def test_a_story_is_read_as_generated_ones_are():
    x, told = memory_network.encode("zoe went to the attic . Omar picked up the box. where is the box ?", 5)
    assert told == ["zoe went to the attic", "Omar picked up the box"]
    assert x.tolist() == [
        [stories.numbers(text) for text in ("zoe went to the attic", "omar picked up the box", "where is the box")]
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("zoe went to the attic . " * 4 + "where is zoe ?", "the story: expected room for 4 sentences, got 3; shorten"),
        ("where is zoe ?", "expected sentences that end in a full stop, and a question, got 'where is zoe"),
        ("zoe went to the attic .", "expected sentences that end in a full stop, and a question"),
        ("zoe went to the attic . where is zoe", "expected sentences that end in a full stop, and a question"),
        ("zoe flew to the attic . where is zoe ?", "expected words of the stories, got 'flew'"),
    ],
)
def test_a_story_that_can_not_be_read_is_told(text, message):
    with pytest.raises(InputError, match=message):
        memory_network.encode(text, 3)


def test_stories_longer_than_the_memory_are_refused():
    with pytest.raises(InputError, match="--memory: expected room for 24 sentences, got 20; shorten the story"):
        memory_network.load_splits(memory_network.Config(memory=20, data="stories,sentences=24,examples=3"))


def test_accuracy_by_facts_counts_the_questions_of_each():
    test = data.load("stories,examples=200", "test")
    torch.manual_seed(0)
    networks = memory_network.build(memory_network.Config(embedding_size=5), test.about)
    found = memory_network.by_facts(networks, test)
    right = networks["hops_2"](test.tensors["x"]).argmax(1) == test.tensors["y"]
    facts = test.tensors["facts"]
    assert found["hops_2_accuracy_2_facts"] == pytest.approx(right[facts == 2].float().mean().item())
    assert len(found) == 9


# --- programs -------------------------------------------------------------------------------------------------------


class Rule(torch.nn.Module):
    """A net that knows the rule: what it would do is worked out from what it has seen, its state."""

    sizes = (1, 5, 7, 12)

    def forward(self, x, state):
        seen = (*(state or ()), tuple(x[0, 0].tolist()))
        step = _next(seen)
        logits = torch.zeros(1, 1, sum(self.sizes))
        if step is None:
            logits[..., 0] = 1.0
        else:
            for place, choice in zip((1, 6, 13), step, strict=True):
                logits[..., place + max(choice, 0)] = 1.0
        return logits, seen


def _next(seen):
    """What a call that has seen all this does next."""
    *cells, program = seen[0]
    done = len(seen) - 1
    total = sum(digit for digit in cells[:3] if digit != traces.BLANK)
    acts = {
        traces.ADD1: [(traces.ACT, 2, total % 10), *[(traces.CARRY, -1, -1)] * (total >= 10)],
        traces.CARRY: [(traces.ACT, 5, traces.LEFT), (traces.ACT, 1, 1), (traces.ACT, 5, traces.RIGHT)],
        traces.LSHIFT: [(traces.ACT, 3 + row, traces.LEFT) for row in range(4)],
    }
    if program == traces.ADD:
        acts[program] = [(traces.ADD1, -1, -1), (traces.LSHIFT, -1, -1)]
        blank = all(digit == traces.BLANK for digit in seen[-1][:3])
        return None if blank and done % 2 == 0 else acts[program][done % 2]
    return acts[program][done] if done < len(acts[program]) else None


@pytest.mark.parametrize(("first", "second"), [(0, 0), (123, 989), (99999, 1), (8, 10**40 + 5)])
def test_a_net_that_knows_the_rule_adds(first, second):
    assert programmer_interpreter.adds_up(Rule(), first, second)
    assert programmer_interpreter.interpreted(Rule(), first, second)[0].total() == str(first + second)


def test_a_net_that_forgets_the_carry_does_not_add_up():
    class Forgetful(Rule):
        def forward(self, x, state):
            return super().forward(x.where(torch.arange(5) != 2, traces.BLANK), state)

    assert programmer_interpreter.adds_up(Forgetful(), 123, 456)
    assert not programmer_interpreter.adds_up(Forgetful(), 129, 456)


def test_steps_come_in_the_order_and_depth_of_the_trace():
    pad, steps, reason = programmer_interpreter.interpreted(Rule(), 6, 5)
    assert reason == ""
    assert pad.total() == "11"
    written = ["  " * depth + traces.describe(step) for depth, step in steps]
    assert written[:6] == [
        "  ADD1",
        "    ACT(write sum, 1)",
        "    CARRY",
        "      ACT(move carry, left)",
        "      ACT(write carry, 1)",
        "      ACT(move carry, right)",
    ]
    assert written[6] == "  LSHIFT"


def test_a_program_that_does_not_end_is_stopped():
    class Endless(Rule):
        def forward(self, x, state):
            logits = torch.zeros(1, 1, sum(self.sizes))
            logits[..., 1 + traces.ADD1] = 1.0
            return logits, None

    _, _, reason = programmer_interpreter.interpreted(Endless(), 1, 2)
    assert reason.startswith("expected the program to end within 36 steps")
    assert not programmer_interpreter.adds_up(Endless(), 1, 2)


def test_right_steps_and_their_loss_count_what_is_told_alone():
    target = torch.tensor([[[0, 4, 2, 7], [1, -1, -1, -1], [-1, -1, -1, -1]]])
    logits = torch.zeros(1, 3, 25)
    logits[0, 0, [0, 1 + 4, 6 + 2, 13 + 7]] = torch.tensor([-9.0, 9.0, 9.0, 9.0])
    logits[0, 1, 0] = -9.0
    assert programmer_interpreter.right_steps(logits, target).item() == 0.5
    loss = programmer_interpreter.trace_loss(programmer_interpreter.Config())
    assert loss(logits, target).item() == pytest.approx(4.5, abs=0.01)  # the missed end: 9 nats over two steps
    logits[0, 1, 0] = 9.0
    assert loss(logits, target).item() < 0.01


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("12+", "expected two whole numbers with \\+ between, got '12\\+'; as in 123\\+989"),
        ("12-3", "expected two whole numbers"),
        ("1+2+3", "expected two whole numbers"),
        ("-1+2", "expected two whole numbers"),
        ("1" * 4001 + "+2", "expected numbers of up to 4,000 digits, got 4,001"),
    ],
)
def test_what_is_no_addition_is_told(text, message):
    with pytest.raises(InputError, match=message):
        programmer_interpreter.addends(text)


def test_other_data_than_traces_or_stories_are_refused():
    with pytest.raises(InputError, match="expected traces, got bits; give addition-traces"):
        programmer_interpreter.load_splits(programmer_interpreter.Config(data="copy,examples=3"))
    with pytest.raises(InputError, match="expected stories, got bits; give stories,sentences=12"):
        memory_network.load_splits(memory_network.Config(data="copy,examples=3"))


def test_the_tasks_are_those_of_the_data():
    assert set(TASKS.values()) == {card.name for card in memory_tasks.CARDS}
