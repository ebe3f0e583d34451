"""A recipe that trains a translator: its functions, for a model, settings and published figures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from fathom.errors import InputError
from fathom.plot.attention import attention_maps
from fathom.plot.panels import Panel, panels
from fathom.recipes.common import translation
from fathom.recipes.common.attended import Looks
from fathom.recipes.common.translation import Build, TranslationConfig
from fathom.recipes.common.translator_exports import of_pairs
from fathom.records import Prediction, Result, RunFolder
from fathom.train import Listener, evaluate, experiment
from fathom.train.experiment import measured_again
from fathom.train.export import Exportable

DRAWN = 3  # alignments
LONGEST = 14  # tokens of a sentence whose alignment is drawn
BEAM = 4


@dataclass(frozen=True, kw_only=True)
class Translator:
    """What a recipe's module offers: `run`, `measure`, `predict`, `attention`, `exportable` and `draw`.

    Args:
        recipe: its name.
        build: gives the model, an `EncoderDecoder`.
        config: the class of its settings.
        published: the source's figures.
    """

    recipe: str
    build: Build
    config: type[TranslationConfig]
    published: Sequence[Mapping[str, Any]]

    def run(
        self, config: TranslationConfig, folder: RunFolder | None = None, *, listeners: Sequence[Listener] = ()
    ) -> Result:
        """Train on pairs; after each epoch measure on the held-out ones, and translate them and the book's sentences.

        `test_bleu` is of greedy translations of `--translations` held-out pairs, 0–100, as sacrebleu counts it;
        `sentences_bleu` the mean of the book's own BLEU of its four sentences, which are among the training pairs.
        """
        train, test = translation.load_splits(config.data)
        return experiment(
            self.recipe,
            config,
            translation.task(self.build, config, train, test),
            train,
            test,
            published=self.published,
            folder=folder,
            listeners=listeners,
        )

    def measure(self, folder: RunFolder) -> Result:
        """Measure the best model of a run again; the note has BLEU of all held-out pairs, greedy and with a beam.

        Raises:
            InputError: the run held nothing out, and its data are not the book's.
        """
        config = self.config(**folder.config)
        train, test = translation.load_splits(config.data)
        translation.check_same_tokens(folder.data, train)
        model = translation.trained(folder, self.build, config)
        measured = translation.points(model, config, train, test)
        if not measured:
            raise InputError(f"{folder.path}: expected held-out pairs, got none with {config.data}; leave test=0 out")
        notes = ["the checkpoint of the best epoch" if folder.best.is_file() else "the last checkpoint"]
        if test is not None:
            what = translation.task(self.build, config, train, test)
            unseen = translation.batches(config, test, False, torch.device("cpu"))
            record = evaluate(model, unseen, {"loss": what.loss, **what.measures}, precision=config.precision)
            translation.per_token(record)
            measured = {**record, **measured}
            rows = translation.spaced(test, config.limit * config.batch_size)
            for width in (1, BEAM):
                said = translation.translated(model, test, folder.data, rows, width=width)
                own, every = (translation.bleu_of(said, test, rows, every) for every in (False, True))
                notes.append(
                    f"BLEU of {len(rows):,} held-out pairs {own:.2f} with a beam of {width}, {every:.2f} with all "
                    "held-out translations of a sentence as references"
                )
        if "sentences_bleu" in measured:
            single = translation.book_bleu(model, folder.data)
            notes += [f"{sentence} BLEU {value:.3f}" for sentence, value in single.items()]
        return measured_again(folder, config, measured, (test or train).used, self.published, "; ".join(notes))

    def predict(
        self, folder: RunFolder, source: str, *, width: int = BEAM, best: int = 3, alpha: float = 0.6
    ) -> Prediction:
        """The best translation of a sentence; `extra` has the next best with their scores, and the alignment.

        Args:
            width: of the beam.
            best: translations wanted, at most `width`.
            alpha: how far the score makes up for length; 0 does not.

        Raises:
            InputError: the sentence is empty, has no known token or too many, or a number is out of range.
        """
        if 1 <= width < best:
            raise InputError(f"best: expected at most {width}, the beam's width, got {best}; give a larger --width")
        config, about = self.config(**folder.config), folder.data
        model, target = translation.trained(folder, self.build, config), translation.coder(about, "target")
        found = translation.best_of(model, about, source, width=width, best=best, alpha=alpha)
        listed = [{"text": target.decode(tokens), "score": score} for score, tokens in found]
        seen = translation.alignment(model, about, source, found[0][1])
        extra = {"translations": listed, **({"alignment": seen} if seen else {})}
        return Prediction(input=source[:200], label=str(listed[0]["text"]), extra=extra)

    def attention(self, folder: RunFolder, source: str) -> list[Looks]:
        """Where each head of each layer looks as a sentence is translated; nothing of a model without.

        Raises:
            InputError: the sentence is empty, has no known token or too many.
        """
        config, about = self.config(**folder.config), folder.data
        model = translation.trained(folder, self.build, config)
        tokens = translation.best_of(model, about, source, width=BEAM)[0][1]
        return translation.looks(model, about, source, tokens)

    def exportable(self, folder: RunFolder) -> Exportable:
        """The best model under a teacher, of torch's layers."""
        config = replace(self.config(**folder.config), rung="torch")
        model = translation.trained(folder, self.build, config)
        return of_pairs(folder, model, partial(self.build, config, folder.data))

    def draw(self, folder: RunFolder) -> list[Path]:
        """Loss and BLEU by epoch; of a model with attention, the alignments of some held-out sentences."""
        if folder.result is None:
            return []
        history = folder.result.history
        epochs = [record["epoch"] for record in history]
        named = {"train_loss": "training pairs", "test_loss": "held-out pairs"}
        charts = [
            Panel(
                series={
                    title: (epochs, [record[name] for record in history])
                    for name, title in named.items()
                    if name in history[0]
                },
                title="Loss under a teacher, nats a token",
                xlabel="epoch",
                whole=True,
            )
        ]
        for name, title in {
            "test_bleu": "BLEU of held-out pairs",
            "sentences_bleu": "Four sentences by the book's BLEU",
        }.items():
            if name in history[0]:
                lines = {title: (epochs, [record[name] for record in history])}
                charts.append(Panel(series=lines, title=title, xlabel="epoch", whole=True, names=False))
        drawn = panels(folder.path / "translation.png", charts)
        return [drawn, *self._alignments(folder)]

    def _alignments(self, folder: RunFolder) -> list[Path]:
        config = self.config(**folder.config)
        train, test = translation.load_splits(config.data)
        pairs = test or train
        model = translation.trained(folder, self.build, config)
        drawn = []
        for number, sentence in enumerate(telling(pairs), 1):
            tokens = translation.best_of(model, folder.data, sentence, width=BEAM)[0][1]
            seen = translation.alignment(model, folder.data, sentence, tokens)
            if seen:
                drawn.append(
                    attention_maps(
                        folder.path / f"alignment-{number}.png",
                        {"": seen["weights"]},
                        queries=seen["target"],
                        keys=seen["source"],
                        xlabel="source",
                        ylabel="translation",
                    )
                )
        return drawn


def telling(pairs: Any) -> list[str]:
    """Some of the longest sentences that are short enough to draw, the same ones every time."""
    lengths = pairs.tensors["x_length"]
    fitting = lengths.masked_fill(lengths > LONGEST, 0)
    return [pairs.source_texts[row] for row in fitting.argsort(descending=True, stable=True)[:DRAWN].tolist()]
