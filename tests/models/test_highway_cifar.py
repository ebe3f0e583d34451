import pytest
import torch

from fathom import models
from fathom.models.highway_cifar import GATE_BIAS, HighwayBlock, highway_cifar


def block_and_input(in_channels=5, channels=7, stride=2):
    torch.manual_seed(0)
    return HighwayBlock(in_channels, channels, stride).double().eval(), torch.randn(2, in_channels, 11, 13).double()


def with_gate(block, share):
    """The block with the same `share` at every pixel and channel."""
    torch.nn.init.zeros_(block.gate.weight)
    torch.nn.init.constant_(block.gate.bias, torch.logit(torch.tensor(share, dtype=torch.float64)).item())
    return block


def test_a_closed_gate_lets_the_input_pass_as_it_is():
    block, x = block_and_input(in_channels=5, channels=5, stride=1)
    torch.testing.assert_close(with_gate(block, 1e-12)(x), x)


def test_where_the_shape_changes_every_other_pixel_passes_and_zeros_fill_up():
    block, x = block_and_input()
    passed = with_gate(block, 1e-12)(x)
    torch.testing.assert_close(passed[:, :5], x[:, :, ::2, ::2])
    assert passed[:, 5:].abs().max() < 1e-9


def test_an_open_gate_gives_what_the_convolutions_make():
    block, x = block_and_input()
    made = torch.relu(block.bn2(block.conv2(torch.relu(block.bn1(block.conv1(x))))))
    torch.testing.assert_close(with_gate(block, 1 - 1e-12)(x), made)


def test_between_them_it_is_their_mean_weighted_by_the_gate():
    block, x = block_and_input(in_channels=5, channels=5, stride=1)
    made, share = with_gate(block, 1 - 1e-12)(x), 0.3
    torch.testing.assert_close(with_gate(block, share)(x), share * made + (1 - share) * x)


def test_at_first_most_of_the_input_passes():
    torch.manual_seed(0)
    gates = [module.gate for module in models.create("highway20_cifar").modules() if isinstance(module, HighwayBlock)]
    assert len(gates) == 9
    assert all(bool((gate.bias == GATE_BIAS).all()) for gate in gates)


@pytest.mark.parametrize("depth", [8, 14])
def test_it_has_as_many_convolutions_as_its_depth_says(depth):
    names = [name for name, _ in highway_cifar(depth).named_parameters()]
    assert sum(".conv" in f".{name}" and name.endswith("weight") for name in names) + 1 == depth


def test_it_has_the_residual_twin_s_parameters_and_the_gates():
    highway, twin = models.create("highway20_cifar"), models.create("resnet20_cifar")
    gates = {name for name, _ in highway.named_parameters() if ".gate." in name}
    assert {name for name, _ in highway.named_parameters()} - gates == {name for name, _ in twin.named_parameters()}
