"""Every row of the ladder: from scratch equals the framework, in value and gradient."""

import inspect
import typing

import pytest
import torch
from torch import nn

from fathom import layers
from fathom.layers import composed
from fathom.layers.ladder import compare
from fathom.layers.twins import TWINS

by_name = pytest.mark.parametrize("twin", TWINS, ids=lambda twin: twin.name)
LAYERS = sorted({twin.layer for twin in TWINS})


@by_name
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
def test_scratch_equals_twin_in_value_and_gradient(twin, dtype):
    row = compare(twin, dtype)
    assert row.output_difference <= row.tolerance
    assert row.gradient_difference <= row.tolerance


@by_name
def test_scratch_starts_with_the_weights_of_its_twin(twin):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        ours = twin.scratch().state_dict()
        torch.manual_seed(0)
        theirs = twin.twin().state_dict()
    assert list(ours) == list(theirs)
    for name in theirs:
        torch.testing.assert_close(ours[name], theirs[name], rtol=0, atol=0)


@by_name
def test_the_two_sides_of_a_row_are_not_the_same_class(twin):
    ours, theirs = twin.scratch(), twin.twin()
    assert type(ours).__module__.startswith("fathom.")
    assert type(theirs).__module__.startswith(("torch.nn.", composed.__name__))


@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer_takes_the_arguments_of_its_twin_in_order_with_their_defaults(layer):
    ours = inspect.signature(getattr(layers, layer)).parameters
    twin = composed.layer(nn, layer)
    overloads = typing.get_overloads(twin.__init__)  # torch's recurrent layers tell their arguments only there
    theirs = dict(inspect.signature(overloads[0] if overloads else twin).parameters)
    theirs.pop("self", None)
    positional = [name for name, p in ours.items() if p.kind is p.POSITIONAL_OR_KEYWORD]
    assert positional == list(theirs)[: len(positional)]
    for name, parameter in ours.items():
        if name in theirs:
            default = theirs[name].default
            if callable(default):  # a function has a twin of the same name
                assert parameter.default.__name__ == default.__name__
            else:
                assert parameter.default == default, name


def test_names_of_rows_are_unique():
    names = [twin.name for twin in TWINS]
    assert len(set(names)) == len(names)


def test_every_layer_is_in_the_table():
    public = {
        name
        for name in layers.__all__
        if inspect.isclass(getattr(layers, name)) and getattr(layers, name).__module__.startswith("fathom.")
    }
    assert public == set(LAYERS)


def test_a_planted_error_is_seen():
    twin = next(twin for twin in TWINS if twin.name == "Linear")

    class Wrong(layers.Linear):
        def forward(self, x):
            return super().forward(x) * (1 + 1e-7)

    planted = type(twin)(name="planted", scratch=lambda: Wrong(5, 3), twin=twin.twin, inputs=twin.inputs)
    assert not compare(planted).within
    assert compare(twin).within
