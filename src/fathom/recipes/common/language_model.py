"""A recipe that trains a language model: its functions, for a cell, settings and a published figure."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch.nn.functional import cross_entropy

from fathom.data.vocabulary import Vocab
from fathom.errors import InputError
from fathom.plot.panels import Panel, panels
from fathom.recipes.common import exports, language
from fathom.recipes.common.attended import Looks, of_blocks
from fathom.recipes.common.gates import draw_gates
from fathom.recipes.common.language import LanguageConfig
from fathom.records import Prediction, Result, RunFolder
from fathom.train import Listener, evaluate, experiment, load_model
from fathom.train.experiment import for_testing, measured_again
from fathom.train.export import Exportable

SIGNS = {" ": "␣", "\n": "↵"}  # of what can't be seen


@dataclass(frozen=True, kw_only=True)
class LanguageModel:
    """What a recipe's module offers: `run`, `measure`, `predict`, `score` and `draw`.

    Args:
        recipe: its name.
        cell: `rnn`, `gru`, `lstm` or `gpt`.
        config: the class of its settings.
        published: the source's figures.
        wishes: what it asks of a text, unless the user says otherwise.
        gates: draw them too.
    """

    recipe: str
    cell: str
    config: type[LanguageConfig]
    published: Sequence[Mapping[str, Any]]
    wishes: Mapping[str, Any] = field(default_factory=dict)
    gates: bool = False

    def run(
        self, config: LanguageConfig, folder: RunFolder | None = None, *, listeners: Sequence[Listener] = ()
    ) -> Result:
        """Train on the text's beginning and measure on its end after each epoch; the best has the least loss there."""
        train, test = language.load_splits(config, **self.wishes)
        task = language.task(self.cell, config, train.about)
        return experiment(
            self.recipe, config, task, train, test, published=self.published, folder=folder, listeners=listeners
        )

    def measure(self, folder: RunFolder) -> Result:
        """Measure the best model of a run on the held-out text again, with n-grams of the training text beside it."""
        config = self.config(**folder.config).for_reading()
        train, test = language.load_splits(config, **self.wishes)
        language.check_same_tokens(folder.data, train)
        task = language.task(self.cell, config, folder.data)
        called = for_testing(task, load_model(folder, task.build))
        unseen = language.windows(config, test, False, torch.device("cpu"))
        measured = evaluate(called, unseen, {"loss": task.loss, **task.measures}, precision=config.precision)
        measured["test_perplexity"] = math.exp(measured["test_loss"])
        counted = ", ".join(f"{n}-grams {value:.1f}" for n, value in language.baselines(train, test).items())
        note = f"the checkpoint of the best epoch; by counting alone, test perplexity of {counted}"
        return measured_again(folder, config, measured, test.used, self.published, note)

    def predict(
        self,
        folder: RunFolder,
        source: str,
        *,
        length: int = 50,
        temperature: float = 0.0,
        top_k: int = 0,
        top_p: float = 1.0,
        seed: int = 0,
        state: str = "best",
    ) -> Prediction:
        """Go on with the text `source`; see `language.continued`.

        Args:
            state: `best` or `last` checkpoint; a text learnt by heart is recited by the last.
        """
        model = language.trained(folder, self.cell, self.config(**folder.config), state)
        step = language.next_logits(model)
        return language.continued(folder.data, step, source, length, temperature, top_k, top_p, seed)

    def score(self, folder: RunFolder, source: str, *, state: str = "best") -> Prediction:
        """How probable the text `source` is: ln P of all its tokens but the first, in all and by token.

        A GPT reads it by windows, each as if nothing had been before it, as it is measured.
        """
        config = self.config(**folder.config)
        model = language.trained(folder, self.cell, config, state)
        tokens = language.encode(folder.data, source)
        if tokens.shape[1] < 2:
            raise InputError(f"{source!r}: expected at least two tokens to score, got one; write more of it")
        windows = tokens[:, :-1].split(config.steps if self.cell == "gpt" else tokens.shape[1], 1)
        with torch.inference_mode():
            logits = torch.cat([model(window)[0] for window in windows], 1)
        total = -float(cross_entropy(logits[0], tokens[0, 1:], reduction="sum"))
        count = tokens.shape[1] - 1
        extra = {"tokens": count, "perplexity": math.exp(-total / count)}
        return Prediction(input=source, label=total, extra=extra)

    def attention(self, folder: RunFolder, source: str) -> list[Looks]:
        """Where each head of the best model looks as it reads the text `source`; nothing of a recurrent one.

        Raises:
            InputError: the text is empty, unknown, or longer than a window.
        """
        config = self.config(**folder.config)
        model = language.trained(folder, self.cell, config, "best")
        tokens = language.encode(folder.data, source)
        if self.cell == "gpt" and tokens.shape[1] > config.steps:
            raise InputError(
                f"text: expected at most {config.steps} tokens, which this run reads at once, got {tokens.shape[1]}"
            )
        names = [SIGNS.get(token, token) for token in Vocab(folder.data["vocab"]).decode(tokens[0].tolist())]
        return of_blocks(model, tokens, names)

    def exportable(self, folder: RunFolder) -> Exportable:
        """One step of the best model, its state as tensors, or a window of a GPT; of torch's layers."""
        config = replace(self.config(**folder.config), rung="torch")
        model = language.trained(folder, self.cell, config, "best")
        build = partial(language.build, self.cell, config, folder.data)
        if self.cell == "gpt":
            return exports.of_windows(folder, model, build, config.steps)
        return exports.of_tokens(folder, model, build)

    def draw(self, folder: RunFolder) -> list[Path]:
        """Perplexity by epoch on both parts of the text, that of n-grams beside it; the gates over a sentence."""
        if folder.result is None:
            return []
        config = self.config(**folder.config)
        train, test = language.load_splits(config, **self.wishes)
        language.check_same_tokens(folder.data, train)
        counted = language.baselines(train, test)
        history = folder.result.history
        epochs = [record["epoch"] for record in history]
        ends = [epochs[0], epochs[-1]]
        series: dict[str, Any] = {
            "training text": (epochs, [record["train_perplexity"] for record in history]),
            "held-out text": (epochs, [record["test_perplexity"] for record in history]),
            **{f"{n}-grams, held out": (ends, [perplexity] * 2) for n, perplexity in counted.items()},
        }
        chart = Panel(series=series, title="Perplexity", xlabel="epoch", logy=True, whole=True)
        drawn = panels(folder.path / "perplexity.png", [chart])
        return [drawn, *(draw_gates(folder, self.cell, config) if self.gates else [])]
