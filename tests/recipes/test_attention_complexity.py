import pytest
import torch

from fathom.recipes import attention_complexity as complexity


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


@pytest.mark.parametrize("kind", complexity.TITLES)
@pytest.mark.parametrize("length", [2, 5, 9, 28])
@pytest.mark.parametrize("what", ["operations", "rounds", "path"])
def test_what_is_measured_is_what_the_formula_says(kind, length, what):
    assert getattr(complexity, what)(kind, 6, length) == complexity.formula(kind, what, 6, length)


@pytest.mark.parametrize("kind", complexity.TITLES)
def test_a_long_path_is_not_lost_in_rounding(kind):
    assert complexity.path(kind, 8, 256) == complexity.formula(kind, "path", 8, 256)


def test_a_recurrence_in_rounds_is_the_recurrence():
    x = torch.randn(1, 7, 5)
    layer = torch.nn.RNN(5, 5, bias=False, batch_first=True)
    step = torch.nn.RNNCell(5, 5, bias=False)
    step.load_state_dict({name.removesuffix("_l0"): value for name, value in layer.state_dict().items()})
    states = torch.zeros(1, 7, 5)
    for _ in range(7):
        states = step(x[0], torch.nn.functional.pad(states[0], (0, 0, 1, -1)))[None]
    torch.testing.assert_close(states, layer(x)[0])


@pytest.mark.parametrize("kind", ["convolution", "dilated"])
@pytest.mark.parametrize("longest", [2, 9, 16, 48])
def test_a_net_of_convolutions_just_sees_its_longest_sequence(kind, longest):
    dilations = complexity.steps(kind, longest)
    seen = 1 + 2 * sum(dilations)
    assert seen >= longest > seen - 2 * dilations[-1]


@pytest.mark.parametrize("kind", complexity.TITLES)
def test_every_net_can_use_the_first_symbol(kind):
    net = complexity.Recaller(kind, 13, 4, 8, 16).double()
    kept = []

    def keep(part, given, embedded):
        embedded.retain_grad()
        kept.append(embedded)

    net.embedding.register_forward_hook(keep)
    net(torch.randint(13, (1, 16))).sum().backward()
    assert kept[0].grad[0, 0].abs().sum() > 0
