"""What the recipes that translate with a Transformer share: its settings, and how it is built of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from fathom import models
from fathom.errors import InputError
from fathom.recipes.common.translation import TranslationConfig, coder

ADAM = "adam,betas=0.9/0.98,eps=1e-9"  # Vaswani et al. 2017, section 5.3


@dataclass(frozen=True, kw_only=True)
class TransformerConfig(TranslationConfig):
    """A small one: 2 blocks of 128 features on either side.

    Args:
        d_model: features of a token throughout.
        num_heads: of each attention; a divisor of d_model.
        num_layers: blocks of encoder and decoder each.
        d_ff: units between the two linear maps of a block.
        dropout: probability, of what each sub-layer gives and of the embeddings.
        norm_first: normalise what goes into a sub-layer, and not the sum with what comes out of it.
        positions: sinusoidal, learned, relative (of self-attention, up to 16 steps) or none.
        max_steps: tokens of the longest sentence.
    """

    d_model: int = 128
    num_heads: int = 4
    num_layers: int = 2
    d_ff: int = 512
    dropout: float = 0.1
    norm_first: bool = False
    positions: Literal["sinusoidal", "learned", "relative", "none"] = "sinusoidal"
    max_steps: int = 512
    optimizer: str = ADAM
    schedule: str = "inverse-square-root"
    batch_size: int = 64

    def __post_init__(self) -> None:
        """Check every range."""
        super().__post_init__()
        for name in ("d_model", "num_heads", "num_layers", "max_steps"):
            self._check(name, at_least=1)
        self._check("d_ff", at_least=0)
        if self.d_model % self.num_heads:
            raise InputError(f"--num-heads: expected a divisor of --d-model {self.d_model}, got {self.num_heads}")
        if not 0 <= self.dropout < 1:
            raise InputError(f"--dropout: expected a probability 0 <= p < 1, got {self.dropout}")
        if self.positions not in ("sinusoidal", "learned", "relative", "none"):
            raise InputError(f"--positions: expected sinusoidal, learned, relative or none, got {self.positions!r}")


def build(config: Any, about: Mapping[str, Any], **options: Any) -> Any:
    """The Transformer of a run; if both sides have one vocabulary, they share their embeddings.

    Args:
        options: further arguments of `models.transformer.Transformer`.
    """
    sides = about["sides"]
    return models.on_rung(
        "transformer",
        config.rung,
        source_vocab_size=len(coder(about, "source")),
        target_vocab_size=len(coder(about, "target")),
        d_model=config.d_model,
        num_heads=config.num_heads,
        num_layers=config.num_layers,
        d_ff=config.d_ff,
        dropout=config.dropout,
        norm_first=config.norm_first,
        shared=sides["source"] == sides["target"],
        positions=config.positions,
        max_steps=config.max_steps,
        **options,
    )
