"""Networks on trees: their equations by plain loops, level by level as node by node, on both rungs alike."""

import pytest
import torch

from fathom import data, models
from fathom.data.tree_batches import rows_of
from fathom.errors import InputError
from fathom.models.rntn import RNTN
from fathom.models.tree_lstm import TreeLSTM
from fathom.models.tree_rnn import TreeRNN
from fathom.ops import trees

SIZES = {
    TreeRNN: {"hidden_size": 5},
    RNTN: {"hidden_size": 5},
    TreeLSTM: {"embedding_size": 3, "hidden_size": 7},
}
every_model = pytest.mark.parametrize("model", SIZES, ids=lambda model: model.__name__)


def built(model, rung="torch", vocab=41, **options):
    torch.manual_seed(0)
    return models.on_rung(model, rung, vocab_size=vocab, num_classes=5, **SIZES[model], **options).double()


@pytest.fixture(scope="module")
def forest():
    return data.load("sentiment-grammar,examples=23").tensors["nodes"]


def answers(network, forest, forward):
    network.zero_grad()
    logits = getattr(network, forward)(forest)
    logits.sin().sum().backward()
    return logits, [parameter.grad for parameter in network.parameters()]


@every_model
def test_level_by_level_equals_node_by_node_in_values_and_gradients(model, forest):
    network = built(model)
    logits, gradients = answers(network, forest, "forward")
    judged, judged_gradients = answers(network, forest, "by_node")
    torch.testing.assert_close(logits, judged, rtol=1e-13, atol=1e-13)
    torch.testing.assert_close(gradients, judged_gradients, rtol=1e-11, atol=1e-11)  # sums of thousands


@pytest.mark.slow  # the whole treebank is read
@every_model
def test_on_the_treebank_level_by_level_equals_node_by_node(model, real_data):
    examples = data.load("sst-trees", "test")
    forest = examples.tensors["nodes"][rows_of(examples.tensors["x"][:30])]
    network = built(model, vocab=len(examples.about["vocab"]))
    torch.testing.assert_close(network(forest), network.by_node(forest), rtol=1e-13, atol=1e-13)


@every_model
def test_both_rungs_are_equal(model, forest):
    ours, theirs = (answers(built(model, rung), forest, "forward") for rung in ("scratch", "torch"))
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


@every_model
def test_every_parameter_gets_a_gradient(model, forest):
    network = built(model)
    answers(network, forest, "forward")
    for name, parameter in network.named_parameters():
        assert parameter.grad.abs().sum() > 0, name


@every_model
def test_the_other_trees_of_a_batch_change_nothing(model, forest):
    network, cut = built(model), int(trees.roots(forest)[8]) + 1
    torch.testing.assert_close(network(forest)[:cut], network(forest[:cut]), rtol=1e-13, atol=1e-13)


def one_tree():
    """((1 2) 3), and its states' places: words in rows 0, 1 and 3, nodes in 2 and 4."""
    return torch.tensor([(1, 0, 0, 0), (2, 0, 0, 0), (0, 2, 1, 1), (3, 0, 0, 0), (0, 2, 1, 2)])


def test_a_tree_rnn_along_a_left_branching_tree_is_torchs_rnn():
    network, recurrent = built(TreeRNN), torch.nn.RNN(5, 5).double()
    words = torch.tensor([1, 2, 3, 4, 5, 6, 7])
    rows = trees.shape(7, "left")
    numbers = torch.zeros(13).long().masked_scatter(rows[:, 2] == 0, words)
    weight = network.linear.weight.detach()
    recurrent.load_state_dict(
        {
            "weight_hh_l0": weight[:, :5],
            "weight_ih_l0": weight[:, 5:],
            "bias_hh_l0": torch.zeros(5),
            "bias_ih_l0": network.linear.bias.detach(),
        }
    )
    leaves = network.embedding(words).tanh()
    hidden, _ = recurrent(leaves[1:], leaves[:1])
    logits = network(torch.cat([numbers[:, None], rows], dim=1))
    torch.testing.assert_close(logits[rows[:, 2] > 0], network.output(hidden))


def test_a_node_of_the_tensor_network_is_its_quadratic_form():
    network = built(RNTN)
    left, right = torch.randn(2, 5, dtype=torch.float64)
    x = torch.cat([left, right])
    tensor = network.tensor.weight.view(5, 10, 10)
    for k in range(5):
        form = sum(x[i] * tensor[k, i, j] * x[j] for i in range(10) for j in range(10))
        linear = sum(network.linear.weight[k, i] * x[i] for i in range(10)) + network.linear.bias[k]
        expected = torch.tanh(form + linear)
        torch.testing.assert_close(network.join(left[None], right[None])[0, k], expected)


def test_a_tree_lstm_follows_the_papers_equations():
    network = built(TreeLSTM)
    word = network.embedding.weight
    w, b = network.leaf_gates.weight.view(3, 7, 3), network.leaf_gates.bias.view(3, 7)
    u, d = network.inner_gates.weight.view(5, 7, 14), network.inner_gates.bias.view(5, 7)

    def leaf(number):
        i, o, candidate = (w[gate] @ word[number] + b[gate] for gate in range(3))
        c = torch.sigmoid(i) * torch.tanh(candidate)
        return torch.sigmoid(o) * torch.tanh(c), c

    def node(left, right):
        def gate(k):
            return u[k, :, :7] @ left[0] + u[k, :, 7:] @ right[0] + d[k]

        forgotten = torch.sigmoid(gate(1)) * left[1] + torch.sigmoid(gate(2)) * right[1]
        c = torch.sigmoid(gate(0)) * torch.tanh(gate(4)) + forgotten
        return torch.sigmoid(gate(3)) * torch.tanh(c), c

    inner = node(leaf(1), leaf(2))
    states = [leaf(1), leaf(2), inner, leaf(3), node(inner, leaf(3))]
    expected = torch.stack([network.output.weight @ h + network.output.bias for h, _ in states])
    torch.testing.assert_close(network(one_tree()), expected)


def test_dropout_acts_where_a_node_is_read_and_in_training_alone():
    network = built(TreeLSTM, dropout=0.5)
    assert not torch.equal(network(one_tree()), network(one_tree()))
    network.eval()
    assert torch.equal(network(one_tree()), network(one_tree()))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hidden_size": 0}, "hidden_size: expected a whole number of at least 1, got 0"),
        ({"dropout": 1.0}, "dropout: expected a probability 0 <= p < 1, got 1.0"),
    ],
)
@every_model
def test_a_size_that_can_not_be_is_said(model, options, message):
    with pytest.raises(InputError, match=message):
        model(vocab_size=3, num_classes=2, **options)
