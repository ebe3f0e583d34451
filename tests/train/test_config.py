import dataclasses

import pytest

from fathom.errors import InputError
from fathom.train import TrainConfig


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("epochs", 0, "--epochs: expected a number at least 1, got 0"),
        ("batch_size", -3, "--batch-size: expected a number at least 1, got -3"),
        ("lr", 0.0, "--lr: expected a number above 0, got 0.0"),
        ("lr", float("nan"), "--lr: expected a number above 0, got nan"),
        ("clip", -1.0, "--clip: expected a number at least 0"),
        ("seed", 2**32, "--seed: expected a number at least 0 and at most 4294967295, got"),
        ("threads", 100_000, "--threads: expected a number at least 0 and at most 1024, got"),
        ("optimizer", "adamm", "unknown optimizer 'adamm'; did you mean 'adam'"),
        ("schedule", "cosinus", "unknown schedule 'cosinus'; did you mean 'cosine'"),
        ("precision", "bf32", "unknown precision 'bf32'"),
    ],
)
def test_a_value_out_of_range_is_named_with_what_was_expected(field, value, message):
    with pytest.raises(InputError, match=message):
        TrainConfig(**{field: value})


def test_changes_are_the_fields_that_differ_and_matter():
    assert TrainConfig(lr=0.5, seed=3, threads=2).changes() == {"lr": 0.5}


def test_every_field_is_explained_in_the_docstring():
    for entry in dataclasses.fields(TrainConfig):
        assert f"\n        {entry.name}: " in TrainConfig.__doc__
