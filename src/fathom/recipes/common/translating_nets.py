"""What the recipes share in which several encoder-decoders learn from pairs of sentences beside each other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from fathom.data import Dataset
from fathom.data.pairs import PAD, PairDataset
from fathom.errors import InputError
from fathom.recipes.common import translation
from fathom.recipes.common.contest_recipe import ContestRecipe
from fathom.records import Prediction, Result, RunFolder
from fathom.train import evaluate

UNUSED = ("clip_value", "average", "accumulate", "precision", "compile", "channels_last", "teacher", "patience")


class Translating(nn.Module):
    """An encoder-decoder that takes its three inputs as one.

    Args:
        model: the encoder-decoder.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Logits `(batch * steps, vocab)` of `(source, source_length, given)`."""
        logits: Tensor = self.model(*inputs)
        return logits


def token_accuracy(logits: Tensor, target: Tensor) -> Tensor:
    """The share of the tokens, padding left out, that have the largest logit."""
    flat = target.flatten()
    return (logits.argmax(1) == flat)[flat != PAD].float().mean()


def load_splits(config: Any) -> tuple[PairDataset, PairDataset]:
    """Training and held-out pairs; InputError if none are held out."""
    train, test = translation.load_splits(config.data)
    if test is None:
        raise InputError(f"--data: expected a set with held-out pairs, got {config.data}; leave test=0 out")
    translation.check_lengths(config, train, test)
    return train, test


def by_net(
    config: Any, nets: nn.ModuleDict, about: Mapping[str, Any], test: PairDataset
) -> dict[str, dict[str, float]]:
    """Of each net on held-out pairs: `bleu`, `exact`, the share of right translations, and `loss` without smoothing.

    Args:
        config: of the run; `translations` of the pairs are translated.
        nets: `Translating`, by name.
        about: of the training pairs.
        test: the held-out pairs, all of which the loss is of.
    """
    found = {}
    rows = translation.spaced(test, config.translations)
    for name, net in nets.items():
        model: Any = net.model
        unseen = translation.batches(config, test, False, next(net.parameters()).device)
        said = translation.translated(model, test, about, rows)
        tokens = translation.TokenLoss(config.rung)
        sums = evaluate(model, unseen, {"loss": tokens, "nats": tokens.nats, "tokens": tokens.tokens}, prefix="")
        translation.per_token(sums)
        bleu, exact = translation.bleu_of(said, test, rows), translation.exact_of(said, test, rows)
        found[name] = {"bleu": bleu, "exact": exact, "loss": sums["loss"]}
    return found


@dataclass(frozen=True, kw_only=True)
class TranslatorContest(ContestRecipe):
    """A recipe in which several `Translating` nets learn; all that is measured of them is what `inspect` gives."""

    def numbers(self, config: Any, models: nn.ModuleDict, train: Dataset, test: Dataset) -> dict[str, float]:
        """What is measured of the nets as they are."""
        return dict(self.inspect(config, models, train, test))

    def measure(self, folder: RunFolder) -> Result:
        """Compare a run's nets on the held-out pairs again."""
        train, _ = self.load(self.config(**folder.config))
        assert isinstance(train, PairDataset)
        translation.check_same_tokens(folder.data, train)
        return super().measure(folder)

    def predict(self, folder: RunFolder, source: str | Path) -> Prediction:
        """What the reference makes of a sentence; `extra` has what each net makes of it."""
        sentence, target, said = str(source), translation.coder(folder.data, "target"), {}
        for name, net in self.trained(folder).items():
            model: Any = net.model
            said[name] = target.decode(translation.best_of(model, folder.data, sentence)[0][1])
        reference = self.named(self.config(**folder.config))
        return Prediction(input=sentence[:200], label=said[reference], extra=said)
