"""`torch.compile`, with one line for what keeps it from compiling."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from fathom.errors import InputError


def compiled(model: nn.Module) -> Callable[..., Any]:
    """The model's forward pass, fused when it is first called.

    Raises:
        InputError: when called, if it can't be compiled here: without a C++ compiler, say.
    """
    from torch._dynamo.exc import TorchDynamoException  # the base of all that torch.compile complains of

    fused = torch.compile(model)

    def forward(*inputs: Any) -> Any:
        try:
            return fused(*inputs)
        except TorchDynamoException as error:
            reason = " ".join(str(error).strip().partition("\n\n")[0].split())
            raise InputError(
                f"--compile: torch.compile could not compile the model ({reason[:200]}); "
                "install what it lacks, a C++ compiler perhaps, or leave --compile out"
            ) from error

    return forward
