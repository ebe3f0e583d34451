"""What the recipes share in which nets learn sets of pictures of several sizes beside each other, in as many updates.

All hear the same numbers, places, and the net of `size` pictures looks at picture `place % size` for each.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from fathom import data
from fathom.recipes.common import contest
from fathom.recipes.common.classifier import PictureConfig, varied
from fathom.train.channels_last import follow
from fathom.train.supervised import Measure


class Places:
    """Batches of an epoch's places, in random order; resumable.

    Those of an epoch go on where those of the one before ended. So at the end of each epoch, unless `limit` cut them
    short, every one of `size` pictures has been looked at equally often, or some once more where `size` does not divide
    the places.

    Args:
        config: of the run, which has `batch_size`, `seed` and `limit`.
        count: places in an epoch.
        device: where batches come out.
    """

    def __init__(self, config: PictureConfig, count: int, device: torch.device) -> None:
        self.device, self.count = device, count
        self.batches = data.Batches(
            torch.arange(count),
            batch_size=config.batch_size,
            shuffle=True,
            seed=config.seed,
            device=device,
            limit=config.limit,
        )

    def __len__(self) -> int:
        """Batches an epoch."""
        return len(self.batches)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        start = self.batches.epoch * self.count
        for (places,) in self.batches:
            yield start + places, start + places

    def state_dict(self) -> dict[str, Any]:
        """The epoch and the position in it."""
        return self.batches.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go to the place that `state_dict` gave."""
        self.batches.load_state_dict(state)


class BySize(contest.Contest):
    """The contest in which a batch are places, and each net looks at those of its own pictures, varied for it alone.

    Args:
        networks: by kind and size, as `tuned_300`.
        reference, loss, rules, groups: as `Contest` takes them.
        config: of the run.
        train: the pictures, of which a net knows the first `size`.
    """

    def __init__(
        self,
        networks: nn.ModuleDict,
        reference: str,
        loss: Measure,
        rules: Mapping[str, contest.Rule],
        config: PictureConfig,
        train: data.Dataset,
        groups: Mapping[str, list[dict[str, Any]]] | None = None,
    ) -> None:
        super().__init__(networks, reference, loss, rules, groups)
        if config.channels_last:
            for optimizer in self.optimizers.values():
                follow(optimizer)
        device = next(networks.parameters()).device
        self.x, self.y = (train.tensors[name].to(device) for name in ("x", "y"))
        self.vary = varied(config, train.about)

    def learn(self, name: str, x: Tensor, y: Tensor) -> tuple[float, float]:
        """Let one net learn from the pictures at the places `x`."""
        mine = x % int(name.rpartition("_")[2])
        pictures, classes = data.pixels(self.x[mine]), self.y[mine]
        return super().learn(name, *(self.vary((pictures, classes)) if self.vary else (pictures, classes)))
