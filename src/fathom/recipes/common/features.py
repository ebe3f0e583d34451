"""What a network that learns no more makes of pictures, computed once, and models that go on from there."""

import hashlib

import torch
from torch import Tensor, nn

from fathom import data
from fathom.data import cache
from fathom.models.stages import head

AT_ONCE = 32  # pictures that go through the network together


def without_head(network: nn.Module) -> nn.Module:
    """The network, changed in place, so that it gives what its last layer was given."""
    parent, _, name = head(network).rpartition(".")
    setattr(network.get_submodule(parent), name, nn.Identity())
    return network


def features(network: nn.Module, x: Tensor) -> Tensor:
    """What `network` makes of pictures in evaluation mode, `(examples, features)` of float; kept in the cache.

    The cache's key is a digest of the network's tensors and of the pictures, so what it keeps is never out of date.

    Args:
        network: takes pictures `(batch, channels, height, width)` in 0–1; `without_head` makes it give features.
        x: `(examples, channels, height, width)` of uint8, or of float in 0–1.
    """
    digest = hashlib.sha256(f"{type(network).__module__}.{type(network).__name__} {tuple(x.shape)}".encode())
    for tensor in (x, *network.parameters(), *network.buffers()):
        digest.update(tensor.detach().cpu().contiguous().numpy().data)
    key = f"features-{digest.hexdigest()[:40]}"
    if kept := cache.load_arrays(key):
        return kept[0]["features"]
    network.eval()
    with torch.no_grad():
        found = torch.cat([network(data.pixels(part)).flatten(1) for part in x.split(AT_ONCE)])
    cache.save_arrays(key, {"features": found})
    return found


class OnFrozen(nn.Module):
    """A network whose first part is never trained: pictures, or what that part makes of them, to logits.

    Args:
        frozen: maps pictures `(batch, channels, height, width)` in 0–1 to `(batch, features)`.
        head: maps `(batch, features)` to logits `(batch, classes)`.
    """

    def __init__(self, frozen: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.frozen, self.head = frozen.requires_grad_(False).eval(), head

    def forward(self, x: Tensor) -> Tensor:
        """Map pictures `(batch, channels, height, width)`, or features `(batch, features)`, to `(batch, classes)`."""
        logits: Tensor = self.head(self.frozen(x).flatten(1) if x.dim() == 4 else x)
        return logits

    def train(self, mode: bool = True) -> "OnFrozen":
        """As of any module, but the first part always answers as it did when it was tested."""
        super().train(mode)
        self.frozen.eval()
        return self
