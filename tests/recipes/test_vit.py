import pytest
import torch
from torch.nn import CrossEntropyLoss

from fathom.errors import InputError
from fathom.recipes import vit
from fathom.recipes.common.by_size import Places

CONFIG = vit.Config(
    sizes=(8, 24),
    hidden_size=4,
    num_heads=2,
    num_layers=1,
    test_examples=8,
    batch_size=8,
    augment="",
    data="drawn-shapes,size=8",
)


@pytest.fixture(scope="module")
def trial():
    train, test = vit.load(CONFIG)
    torch.manual_seed(0)
    about = {**train.about, "example_shape": list(train.tensors["x"].shape[1:])}
    return vit.build(CONFIG, about), train, test


def test_each_net_sees_its_own_pictures_only(trial):
    nets, train, _ = trial
    step = vit.make_step(CONFIG, nets, train, CrossEntropyLoss(), 10)
    seen = {}
    for name, net in nets.items():
        net.register_forward_pre_hook(lambda net, given, name=name: seen.setdefault(name, []).append(given[0]))
    for batch in Places(CONFIG, len(train), torch.device("cpu")):
        step(batch)
    pictures = vit.data.pixels(train.tensors["x"])
    for name, batches in seen.items():
        own = pictures[: int(name.partition("_")[2])]
        looked_at = torch.cat(batches)
        assert all((own == picture).flatten(1).all(1).any() for picture in looked_at)
        assert len(looked_at) == 24  # as many updates for all


def test_nets_of_one_kind_begin_alike(trial):
    torch.manual_seed(0)
    _, train, _ = trial
    nets = vit.build(CONFIG, {**train.about, "example_shape": list(train.tensors["x"].shape[1:])})
    for kind in vit.NETS:
        small, large = nets[f"{kind}_8"].state_dict(), nets[f"{kind}_24"].state_dict()
        assert all(torch.equal(small[name], large[name]) for name in small)


def test_each_kind_learns_by_its_own_rule(trial):
    nets, train, _ = trial
    step = vit.make_step(CONFIG, nets, train, CrossEntropyLoss(), 10)
    kinds = {name: type(optimizer).__name__ for name, optimizer in step.optimizers.items()}
    assert kinds["vit_8"] == kinds["vit_24"] != kinds["resnet_8"] == kinds["resnet_24"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sizes": (9, 9)}, "--sizes: expected different numbers"),
        ({"sizes": ()}, "sizes"),
        ({"sizes": (10**6,)}, "--sizes: expected at most"),
        ({"examples": 5}, "--examples: expected 0, since --sizes says"),
        ({"hidden_size": 5}, "--num-heads: expected a divisor of --hidden-size 5, got 2"),
    ],
)
def test_bad_settings_are_said(changes, message):
    settings = {"data": "drawn-shapes,size=8", "num_heads": 2, "hidden_size": 4, **changes}
    with pytest.raises(InputError, match=message):
        vit.load(vit.Config(**settings))
