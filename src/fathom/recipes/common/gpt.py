"""What the recipes of decoders that model a text share: their settings."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from fathom.errors import InputError
from fathom.recipes.common.language import LanguageConfig

WHY = "attention reads each window by itself, and embeds a token in as many features as it has units"


@dataclass(frozen=True, kw_only=True)
class GPTConfig(LanguageConfig):
    """nanoGPT's settings for a processor: 4 blocks of 128 units and 4 heads, 64 steps, batches of 12, 2,000 updates.

    Adam's rate of 0.001 rises over 100 updates and falls along a cosine to a tenth; matrices decay by 0.1; the gradient
    is clipped at 1.

    Args:
        num_heads: attention heads of a block.
    """

    RUNGS: ClassVar[tuple[str, ...]] = ("torch", "scratch")

    steps: int = 64
    hidden_size: int = 128
    num_layers: int = 4
    num_heads: int = 4
    sampling: Literal["sequential", "random"] = "random"
    epochs: int = 5
    limit: int = 400
    batch_size: int = 12
    lr: float = 1e-3
    optimizer: str = "adamw,betas=0.9/0.99,weight_decay=0.1"
    schedule: str = "cosine,end=0.1"
    warmup: int = 100

    def __post_init__(self) -> None:
        """Check every range."""
        super().__post_init__()
        self._check("num_heads", at_least=1)
        if self.hidden_size % self.num_heads:
            raise InputError(
                f"--hidden-size: expected a multiple of --num-heads ({self.num_heads}), got {self.hidden_size}"
            )
        self.keep(["embedding_size", "sampling"], WHY)
