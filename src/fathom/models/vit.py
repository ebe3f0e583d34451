"""A vision Transformer: a picture as a sequence of patches, read by the Transformer's encoder.

Source: Dosovitskiy et al. 2020, "An image is worth 16x16 words", arXiv 2010.11929, section 3.1; small, for pictures of
32×32 pixels.

    (batch, 3, 32, 32)
      ── Conv 4×4, stride 4 ──> 8 × 8 patches ── a class token before them ── + learnt positions ──> (batch, 65, 96)
      ── encoder block: norm ─ attention ─ add, norm ─ two linear layers with GELU ─ add      num_layers times
      ── LayerNorm, of the class token ──> (batch, 96) ── Linear ──> (batch, 10) logits
"""

from collections.abc import Sequence
from typing import Any

import torch

from fathom.errors import InputError, ShapeError
from fathom.models.model import Model, concatenate
from fathom.models.parts import at_least, image_size
from fathom.models.transformer_blocks import EncoderBlock, Positions

NAMES = ("vit",)
SPREAD = 0.02  # of class token and positions at the start


class ViT(Model):
    """Images `(batch, in_channels, height, width)` to logits `(batch, num_classes)`.

    Args:
        in_channels: 1 for grey images, 3 for colour.
        num_classes: how many classes there are.
        input_size: height and width in pixels, multiples of `patch_size`.
        patch_size: pixels a side of a patch.
        hidden_size: features of a patch throughout; a multiple of `num_heads`.
        num_heads: attention heads of a block.
        num_layers: blocks.
        dropout: probability `0 <= p < 1`.
        nn: the namespace of layers.

    Raises:
        InputError: a number is out of range, or patches do not fill the image.
    """

    def __init__(
        self,
        in_channels: int = 3,
        num_classes: int = 10,
        input_size: int | Sequence[int] = 32,
        patch_size: int = 4,
        hidden_size: int = 96,
        num_heads: int = 4,
        num_layers: int = 6,
        dropout: float = 0.0,
        *,
        nn: Any = torch.nn,
    ) -> None:
        super().__init__()
        at_least(1, in_channels=in_channels, num_classes=num_classes, patch_size=patch_size, num_layers=num_layers)
        self.size = height, width = image_size(input_size, patch_size)
        if height % patch_size or width % patch_size:
            raise InputError(
                f"input_size: expected multiples of patch_size ({patch_size}), got {height}×{width}; resize the images"
            )
        self.grid = height // patch_size, width // patch_size
        self.patches = nn.Conv2d(in_channels, hidden_size, patch_size, stride=patch_size)
        self.token = nn.Embedding(1, hidden_size)
        self.positions = Positions("learned", 1 + self.grid[0] * self.grid[1], hidden_size, nn=nn)
        for table in (self.token, self.positions.learned):
            nn.init.normal_(table.weight, 0.0, SPREAD)
        self.dropout = nn.Dropout(dropout)
        sizes = hidden_size, num_heads, 4 * hidden_size, dropout, True
        self.blocks = nn.ModuleList([EncoderBlock(*sizes, activation="gelu", nn=nn) for _ in range(num_layers)])
        self.norm = nn.LayerNorm(hidden_size)
        self.output = nn.Linear(hidden_size, num_classes)

    def forward(self, x: Any) -> Any:
        """Map `(batch, in_channels, height, width)` to `(batch, num_classes)`.

        Raises:
            ShapeError: the images are of another size than the positions are for.
        """
        if tuple(x.shape[2:]) != self.size:
            height, width = self.size
            raise ShapeError(f"x: expected images of {height}×{width} pixels, got {tuple(x.shape)}; resize them")
        x = self.patches(x).flatten(2).transpose(1, 2)  # (batch, patches, hidden_size)
        x = concatenate([self.token.weight.expand(len(x), 1, -1), x], 1)
        x = self.dropout(self.positions(x))
        for block in self.blocks:
            x = block(x)
        return self.output(self.norm(x[:, 0]))


vit = ViT
