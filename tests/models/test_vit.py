import pytest
import torch
from torch import nn

from fathom import models
from fathom.errors import InputError, ShapeError
from fathom.models.vit import ViT


def build(rung="torch", **changes):
    torch.manual_seed(0)
    sizes = {"in_channels": 2, "num_classes": 5, "input_size": (8, 12), "hidden_size": 6, "num_heads": 2}
    return models.on_rung("vit", rung, **{**sizes, "num_layers": 2, **changes}).double().eval()


def as_torch_writes_it(model, x):
    """The same of torch's own encoder layers, and patches cut out one by one."""
    rows = [
        (model.patches.weight * x[:, None, :, i : i + 4, j : j + 4]).sum((2, 3, 4)) + model.patches.bias
        for i in range(0, 8, 4)
        for j in range(0, 12, 4)
    ]
    y = torch.stack([model.token.weight.expand(len(x), -1), *rows], dim=1) + model.positions.learned.weight
    for block in model.blocks:
        theirs = nn.TransformerEncoderLayer(6, 2, 24, 0.0, "gelu", batch_first=True, norm_first=True).double()
        own = block.state_dict()
        theirs.load_state_dict(
            {
                "self_attn.in_proj_weight": own["attention.qkv.weight"],
                "self_attn.in_proj_bias": own["attention.qkv.bias"],
                "self_attn.out_proj.weight": own["attention.out.weight"],
                "self_attn.out_proj.bias": own["attention.out.bias"],
                "linear1.weight": own["feed_forward.linear1.weight"],
                "linear1.bias": own["feed_forward.linear1.bias"],
                "linear2.weight": own["feed_forward.linear2.weight"],
                "linear2.bias": own["feed_forward.linear2.bias"],
                "norm1.weight": own["add_attention.norm.weight"],
                "norm1.bias": own["add_attention.norm.bias"],
                "norm2.weight": own["add_feed_forward.norm.weight"],
                "norm2.bias": own["add_feed_forward.norm.bias"],
            }
        )
        y = theirs(y)
    return model.output(model.norm(y)[:, 0])


@pytest.mark.parametrize("rung", ["torch", "scratch"])
def test_it_equals_torchs_encoder_over_patches_cut_by_hand(rung):
    model, x = build(rung), torch.randn(3, 2, 8, 12, dtype=torch.float64)
    torch.testing.assert_close(model(x), as_torch_writes_it(model, x))


def test_where_a_patch_stands_matters():
    model, x = build(), torch.randn(1, 2, 8, 12, dtype=torch.float64)
    model.positions.learned.weight.data *= 50
    assert not torch.allclose(model(x), model(x.roll(4, dims=3)))


def test_without_positions_patches_may_change_places():
    model, x = build(), torch.randn(1, 2, 8, 12, dtype=torch.float64)
    model.positions.learned.weight.data.zero_()
    torch.testing.assert_close(model(x), model(x.roll(4, dims=3)))


def test_its_parameters_are_those_of_the_formula():
    size, patches = 96, 64
    block = 12 * size**2 + 13 * size
    count = 48 * size + size + size + (patches + 1) * size + 6 * block + 2 * size + 10 * size + 10
    assert sum(p.numel() for p in ViT().parameters()) == count == 683_242


def test_bad_input_is_said():
    with pytest.raises(InputError, match=r"input_size: expected multiples of patch_size \(4\), got 8×10"):
        build(input_size=(8, 10))
    with pytest.raises(InputError, match=r"num_heads: expected a divisor of d_model \(6\), got 4"):
        build(num_heads=4)
    with pytest.raises(ShapeError, match=r"x: expected images of 8×12 pixels, got \(1, 2, 12, 8\)"):
        build()(torch.zeros(1, 2, 12, 8, dtype=torch.float64))
