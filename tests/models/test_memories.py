"""Models with a memory beside them: step by step by hand, at other sizes than they were built with, and bad input."""

import pytest
import torch
from torch.nn.functional import softplus

from fathom.errors import InputError, ShapeError
from fathom.models.memory_network import memory_network
from fathom.models.neural_turing_machine import State, neural_turing_machine
from fathom.models.programmer_interpreter import programmer_interpreter
from fathom.ops import addressing


def machine(**options):
    torch.manual_seed(0)
    return neural_turing_machine(3, 2, hidden_size=11, rows=7, width=5, **options).double()


@pytest.mark.parametrize("controller", ["feed-forward", "lstm"])
def test_a_machine_equals_its_equations_step_by_step(controller):
    net, x = machine(controller=controller), torch.randn(2, 3, 3, dtype=torch.float64)
    outputs, state = net(x)
    memory = torch.full((2, 7, 5), 1e-6, dtype=torch.float64)
    looks = [torch.eye(7, dtype=torch.float64)[:1].repeat(2, 1) for _ in range(2)]
    read, own = torch.zeros(2, 5, dtype=torch.float64), None
    for step in range(3):
        given = torch.cat([x[:, step], read], dim=1)
        if controller == "lstm":
            own = net.controller(given, own)
            hidden = own[0]
        else:
            hidden = (given @ net.controller.weight.T + net.controller.bias).tanh()
        numbers = hidden @ net.heads.weight.T + net.heads.bias
        for head in range(2):
            key, strength, power, gate, shift = numbers[:, 11 * head : 11 * head + 11].split([5, 1, 1, 1, 3], dim=1)
            lengths = (memory.square().sum(2) + 1e-4).sqrt() * (key.square().sum(1, keepdim=True) + 1e-4).sqrt()
            content = (softplus(strength) * (memory @ key[..., None])[..., 0] / lengths).softmax(1)
            share, steps = gate.sigmoid(), shift.softmax(1)
            mixed = share * content + (1 - share) * looks[head]
            moved = sum(steps[:, way + 1, None] * mixed.roll(way, dims=1) for way in (-1, 0, 1))
            raised = moved ** (1 + softplus(power))
            looks[head] = raised / raised.sum(1, keepdim=True)
        erase, add = numbers[:, 22:].split([5, 5], dim=1)
        place = looks[1][..., None]
        memory = memory * (1 - place * erase.sigmoid()[:, None]) + place * add[:, None]
        read = (looks[0][:, None] @ memory)[:, 0]
        expected = torch.cat([hidden, read], dim=1) @ net.output.weight.T + net.output.bias
        torch.testing.assert_close(outputs[:, step], expected)
    torch.testing.assert_close(state.memory, memory)
    torch.testing.assert_close(state.weights, torch.stack(looks, dim=1))


@pytest.mark.parametrize("controller", ["feed-forward", "lstm"])
def test_a_machine_goes_on_from_a_state(controller):
    net, x = machine(controller=controller, read_heads=2, write_heads=3), torch.randn(2, 5, 3, dtype=torch.float64)
    whole, last = net(x)
    first, between = net(x[:, :2])
    second, end = net(x[:, 2:], between)
    torch.testing.assert_close(torch.cat([first, second], dim=1), whole)
    torch.testing.assert_close(end.memory, last.memory)


def test_the_memory_may_have_more_rows_than_the_machine_was_built_with():
    net, x = machine(), torch.randn(2, 5, 3, dtype=torch.float64)
    outputs, state = net(x, rows=13)
    assert state.memory.shape == (2, 13, 5)
    assert outputs.shape == (2, 5, 2)


def test_a_trace_tells_where_the_heads_looked():
    net, x = machine(), torch.randn(2, 5, 3, dtype=torch.float64)
    _, state, looks = net.trace(x)
    assert len(looks) == 5
    torch.testing.assert_close(looks[-1].weights, state.weights)
    for look in looks:
        torch.testing.assert_close(look.content.sum(2), torch.ones(2, 2, dtype=torch.float64))
        addressing.check_probabilities("weights", look.weights)


def test_a_state_whose_weights_are_no_probabilities_is_told():
    net, x = machine(), torch.randn(2, 5, 3, dtype=torch.float64)
    state = net.first_state(x)
    with pytest.raises(InputError, match="state: weights: expected probabilities that sum to 1, got a sum of 2"):
        net(x, state._replace(weights=2 * state.weights))
    with pytest.raises(ShapeError, match=r"state: expected weights \(2, 2, 7\), got \(2, 1, 7\)"):
        net(x, State(state.memory, state.weights[:, :1], state.reads, state.controller))


def test_a_machine_needs_three_rows_and_a_step():
    with pytest.raises(InputError, match="rows: expected a whole number of at least 3, got 2"):
        neural_turing_machine(3, 2, rows=2)
    with pytest.raises(ShapeError, match=r"x: expected sequences \(batch, steps, features\) of a step or more"):
        machine()(torch.zeros(2, 0, 3))


# --- the memory network ---------------------------------------------------------------------------------------------


def network(**options):
    torch.manual_seed(0)
    return memory_network(11, hops=3, embedding_size=5, memory=7, **options).double()


def stories():
    torch.manual_seed(1)
    x = torch.randint(1, 11, (2, 4, 3))
    x[0, 1, 2] = x[1, 3, 1] = x[1, 3, 2] = 0
    return x


@pytest.mark.parametrize("encoding", ["position", "bag"])
@pytest.mark.parametrize("linear", [False, True])
def test_a_memory_network_equals_its_equations(encoding, linear):
    net, x = network(encoding=encoding), stories()
    net.linear = linear
    found, looked = net.attend(x)

    def encoded(words, table):
        count = int((words != 0).sum())
        total = torch.zeros(5, dtype=torch.float64)
        for j, word in enumerate(words[:count].tolist(), start=1):
            for k in range(1, 6):
                weight = (1 - j / count) - (k / 5) * (1 - 2 * j / count) if encoding == "position" else 1.0
                total[k - 1] = total[k - 1] + weight * table.weight[word, k - 1]
        return total

    for row in range(2):
        u = encoded(x[row, -1], net.embeddings[0])
        for hop in range(3):
            keys, values = (
                torch.stack(
                    [encoded(x[row, i], net.embeddings[side]) + net.times[side].weight[2 - i] for i in range(3)]
                )
                for side in (hop, hop + 1)
            )
            look = keys @ u if linear else (keys @ u).softmax(0)
            torch.testing.assert_close(looked[row, hop], look)
            u = u + look @ values
        torch.testing.assert_close(found[row], net.embeddings[-1].weight @ u)


def test_an_empty_sentence_is_not_looked_at():
    net, x = network(), stories()
    x[0, 0] = 0
    looked = net.attend(x)[1]
    assert (looked[0, :, 0] == 0).all()
    torch.testing.assert_close(looked.sum(2), torch.ones(2, 3, dtype=torch.float64))


def test_a_story_longer_than_the_memory_is_told():
    with pytest.raises(ShapeError, match="x: expected at most 7 sentences, the size of the memory, got 8; shorten"):
        network()(torch.ones(2, 9, 3, dtype=torch.int64))
    with pytest.raises(ShapeError, match="x: expected a story and a question as"):
        network()(torch.ones(2, 1, 3, dtype=torch.int64))


# --- the programmer-interpreter -------------------------------------------------------------------------------------


def test_an_interpreter_goes_on_from_a_state():
    torch.manual_seed(0)
    net = programmer_interpreter(vocab_size=5, programs=3, hidden_size=7).double()
    x = torch.randint(3, (2, 5, 5))
    whole, _ = net(x)
    first, state = net(x[:, :2])
    torch.testing.assert_close(torch.cat([first, net(x[:, 2:], state)[0]], dim=1), whole)


def test_the_next_program_is_looked_up_by_its_key():
    torch.manual_seed(0)
    net = programmer_interpreter(hidden_size=7).double()
    with torch.no_grad():
        net.keys.weight[1] = net.keys.weight[3]
    logits = net(torch.randint(5, (2, 3, 5)))[0]
    _, programs, _, _ = logits.split(net.sizes, dim=-1)
    torch.testing.assert_close(programs[..., 1], programs[..., 3])


def test_another_number_of_cells_is_told():
    with pytest.raises(
        ShapeError, match=r"x: expected \(batch, steps, 5\), the cells and the program, got \(2, 3, 4\)"
    ):
        programmer_interpreter()(torch.zeros(2, 3, 4, dtype=torch.int64))
