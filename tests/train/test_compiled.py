from functools import partial

import pytest
import torch
from torch import nn

from fathom.errors import InputError
from fathom.train.compiled import compiled


def no_compiler(graph, inputs):
    raise RuntimeError("No working C++ compiler found\nin any of these places")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # torch's own, on importing its compiler
def test_a_model_that_can_not_be_compiled_is_one_line(monkeypatch):
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=no_compiler))
    with pytest.raises(
        InputError, match=r"--compile: .*No working C\+\+ compiler found.*leave --compile out"
    ) as caught:
        compiled(nn.Linear(3, 2))(torch.ones(5, 3))
    assert "\n" not in str(caught.value)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_compiled_model_gives_the_same_outputs_and_gradients(monkeypatch):
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="aot_eager"))
    model, x = nn.Sequential(nn.Linear(3, 2), nn.Tanh()).double(), torch.randn(5, 3, dtype=torch.float64)
    expected = torch.autograd.grad(model(x).sum(), list(model.parameters()))
    ours = torch.autograd.grad(compiled(model)(x).sum(), list(model.parameters()))
    torch.testing.assert_close(ours, expected)
