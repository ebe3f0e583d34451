import pytest
import torch
from torch import nn

from fathom.errors import InputError
from fathom.recipes import large_batches
from fathom.recipes.common import contest
from fathom.recipes.large_batches import SCALINGS, Config

SAMPLE = "fashion-mnist-sample"


def test_rates_grow_with_the_batch_as_each_way_says():
    config = Config()
    for size, linear, root in ((256, 1, 1), (1024, 4, 2), (4096, 16, 4)):
        found = {name: large_batches.rule(scaling, size, config, 10) for name, scaling in SCALINGS.items()}
        assert found["fixed"].lr == pytest.approx(0.02)
        assert found["scaled"].lr == pytest.approx(0.02 * linear)
        assert found["lars"].lr == pytest.approx(SCALINGS["lars"].rate * root)
        assert found["lamb"].lr == pytest.approx(SCALINGS["lamb"].rate * root)
        assert {rule.batch_size for rule in found.values()} == {size}


def test_a_warm_up_rises_in_a_line_and_then_leaves_the_rate_alone():
    warm = large_batches.rule(SCALINGS["scaled"], 512, Config(warmup_epochs=1.5), 10).schedule
    assert [warm(step) for step in (0, 1, 14, 15, 1000)] == pytest.approx([1 / 15, 2 / 15, 1, 1, 1])
    assert large_batches.rule(SCALINGS["fixed"], 512, Config(), 10).schedule is None
    assert large_batches.rule(SCALINGS["scaled"], 512, Config(warmup_epochs=0), 10).schedule is None


def test_every_network_sees_all_examples_in_batches_of_its_own():
    config = Config(sizes=(3, 12), batch_size=12, width=4)
    networks = large_batches.build(config, {"example_shape": [5], "classes": list("abc")})
    start = networks["fixed_3"].state_dict()
    assert all(
        torch.equal(start[key], value) for other in networks.values() for key, value in other.state_dict().items()
    )
    rules = {
        f"{name}_{size}": large_batches.rule(way, size, config, 4) for name, way in SCALINGS.items() for size in (3, 12)
    }
    race = contest.Contest(networks, config.reference, nn.CrossEntropyLoss(), rules)
    for _ in range(2):
        race((torch.randn(12, 5), torch.randint(0, 3, (12,))))
    assert race.updates == {name: 8 if name.endswith("_3") else 2 for name in networks}


def test_the_fixed_rate_learns_less_from_fewer_updates():
    config = Config(sizes=(64, 1024), batch_size=1024, epochs=2, width=16, device="cpu", threads=1, data=SAMPLE)
    metrics = large_batches.run(config).metrics
    assert metrics["test_fixed_64_accuracy"] > metrics["test_fixed_1024_accuracy"] + 0.05
    assert metrics["train_scaled_1024_loss"] < metrics["train_fixed_1024_loss"]
    assert metrics["test_accuracy"] == metrics["test_fixed_64_accuracy"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sizes": (8192,)}, "--sizes: expected at most --batch-size, 4096, got 8192"),
        ({"sizes": ()}, "--sizes: expected different numbers"),
        ({"warmup_epochs": -1.0}, "--warmup-epochs: expected a number at least 0"),
        ({"optimizer": "lamb"}, "--optimizer: expected sgd, since the ways to learn are what is compared"),
    ],
)
def test_wrong_settings_are_refused(changes, message):
    with pytest.raises(InputError, match=message):
        Config(**changes)
