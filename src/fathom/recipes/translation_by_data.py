"""Three encoder-decoders by how many pairs there are to learn from: one vector, attention, Transformer.

`test_KIND_SIZE_bleu` is of greedy translations of held-out pairs by a net that learns SIZE pairs, in as many updates as
those that learn all; KIND is seq2seq, bahdanau or transformer.
"""

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from fathom import optim
from fathom.data.pair_batches import PairBatches
from fathom.data.pairs import PairDataset, shares
from fathom.errors import InputError
from fathom.plot.panels import Panel, panels
from fathom.recipes.common import contest, stability, transformer, translation
from fathom.recipes.common import translating_nets as translating
from fathom.recipes.common.matched import parameters
from fathom.recipes.common.transformer import TransformerConfig
from fathom.recipes.common.translation import Build, RecurrentConfig, recurrent
from fathom.records import Result, RunFolder

SECTION = "Koehn and Knowles 2017, section 3.2"
DATA = "eng-fra,vocab=4000,steps=20,pairs=167130"  # all of them; where numbers stand in, as many
PUBLISHED: list[dict[str, Any]] = [
    {
        "metric": "test_bleu",  # of the Transformer that learns most pairs
        "value": None,
        "split": "held-out pairs",
        "source": "Koehn and Knowles 2017, arXiv 1706.03872, section 3.2, figure 3",
        "note": "curves: English to Spanish, a recurrent net with attention gains more from more data than phrases "
        "do, and is behind them where there are few; no Transformer",
    },
]
KINDS: dict[str, tuple[str, Build]] = {
    "seq2seq": ("one vector", recurrent("seq2seq")),
    "bahdanau": ("attention", recurrent("bahdanau")),
    "transformer": ("Transformer", transformer.build),
}
PARTS = 4  # of a batch of pairs


@dataclass(frozen=True, kw_only=True)
class Config(TransformerConfig, RecurrentConfig):
    """Small nets, 128 features wide, of 1,000 to 50,000 pairs; the recurrent ones learn by a rule of their own.

    Args:
        sizes: how many of the training pairs a net learns: those that the data's option `examples` would choose.
        embedding_size: features of a token in the recurrent nets.
        hidden_size: units of a layer of the recurrent encoders and decoders.
        recurrent_layers: layers of each.
        d_model: features of a token throughout the Transformer.
        num_layers: blocks of its encoder and decoder each.
        recurrent_optimizer: the recurrent nets' rule.
        recurrent_lr: their learning rate.
    """

    sizes: tuple[int, ...] = (1_000, 4_000, 14_000, 50_000)
    recurrent_layers: int = 1
    recurrent_optimizer: str = "adam"
    recurrent_lr: float = 0.005
    embedding_size: int = 128
    hidden_size: int = 128
    bidirectional_encoder: bool = True
    d_ff: int = 256
    norm_first: bool = True
    epochs: int = 2
    lr: float = 2e-3
    schedule: str = "cosine"
    warmup: int = 200
    clip: float = 1.0
    data: str = DATA

    def __post_init__(self) -> None:
        """Check every range."""
        super().__post_init__()
        stability.in_range(**{f"sizes {size}": (size, 1) for size in self.sizes}, sizes=(len(self.sizes), 1))
        if len(set(self.sizes)) < len(self.sizes):
            raise InputError(f"--sizes: expected different numbers, got {self.sizes}")
        self._check("recurrent_layers", at_least=1)
        self._check("recurrent_lr", above=0)
        contest.check_fixed(self.schedule)
        self.keep(translating.UNUSED, contest.WHY_UNUSED)
        optim.check(self.recurrent_optimizer, self.recurrent_lr, self.rung)


def build(config: Config, about: Mapping[str, Any]) -> nn.ModuleDict:
    """The nets, as `seq2seq_1000`; those of one kind begin alike."""
    nets: dict[str, nn.Module] = {}
    for kind, (_, fresh) in KINDS.items():
        own = config if kind == "transformer" else replace(config, num_layers=config.recurrent_layers)
        first = translating.Translating(fresh(own, about))
        nets |= {f"{kind}_{size}": deepcopy(first) for size in sorted(config.sizes)}
    return nn.ModuleDict(nets)


def reference(config: Config) -> str:
    """The Transformer that learns most pairs."""
    return f"transformer_{max(config.sizes)}"


# --- data -----------------------------------------------------------------------------------------------------------


def load(config: Config) -> tuple[PairDataset, PairDataset]:
    """The training pairs of the largest set, and those held-out pairs that are translated.

    Raises:
        InputError: there are fewer training pairs, or none are held out.
    """
    train, test = translating.load_splits(config)
    if max(config.sizes) > len(train):
        raise InputError(f"--sizes: expected at most {len(train):,}, the training pairs, got {max(config.sizes)}")
    return learnt(train, max(config.sizes)), taken(test, translation.spaced(test, config.translations))


def learnt(train: PairDataset, size: int) -> PairDataset:
    """`size` of the training pairs, by a hash of their sentences: part of those of any larger size."""
    chosen = shares(train.source_texts).argsort(kind="stable")[:size]
    return taken(train, torch.from_numpy(chosen).sort().values)


def taken(pairs: PairDataset, rows: Tensor) -> PairDataset:
    """The pairs of these rows, `(rows,)` of int."""
    return replace(
        pairs,
        tensors={name: tensor[rows] for name, tensor in pairs.tensors.items()},
        used=replace(pairs.used, sizes={pairs.split: len(rows)}),
        source_texts=[pairs.source_texts[row] for row in rows.tolist()],
        target_texts=[pairs.target_texts[row] for row in rows.tolist()],
    )


class Abreast:
    """Batches of several sets of pairs, one of each at a time, and the parts of all in a row; resumable.

    An epoch is one of the first set; the others go on from where they are, and begin anew when they end.

    Args:
        sets: their batches.
    """

    def __init__(self, sets: Sequence[PairBatches]) -> None:
        self.sets = list(sets)
        self.device = self.sets[0].device

    def __len__(self) -> int:
        """Batches an epoch."""
        return len(self.sets[0])

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        first, *others = self.sets
        endless = [chain.from_iterable(repeat(batches)) for batches in others]
        for batch in first:
            yield (*batch, *chain.from_iterable(next(other) for other in endless))

    def state_dict(self) -> dict[str, Any]:
        """The places of all sets."""
        return {str(number): batches.state_dict() for number, batches in enumerate(self.sets)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go to the places that `state_dict` gave."""
        for number, batches in enumerate(self.sets):
            batches.load_state_dict(state[str(number)])


def by_size(config: Config, train: Any, device: torch.device) -> Abreast:
    """The batches of each size's pairs, the largest first."""
    sizes = sorted(config.sizes, reverse=True)
    return Abreast([translation.batches(config, learnt(train, size), True, device) for size in sizes])


# --- learning and measuring -----------------------------------------------------------------------------------------


class BySize(contest.Contest):
    """The contest in which each net learns from the batch of its own size, by the rule of its kind.

    Args:
        nets: by kind and size.
        config: of the run.
        updates: in the whole training.
    """

    def __init__(self, nets: nn.ModuleDict, config: Config, updates: int) -> None:
        course = optim.create_schedule(config.schedule, updates, config.warmup)
        rules = {}
        for name in nets:
            attentive = name.startswith("transformer")
            rule = config.optimizer if attentive else config.recurrent_optimizer
            rate = config.lr if attentive else config.recurrent_lr
            rules[name] = contest.Rule(rule, rate, course, clip=config.clip)
        loss = translation.TokenLoss(config.rung, config.label_smoothing)
        super().__init__(nets, reference(config), loss, rules, score=translating.token_accuracy)
        self.places = {size: PARTS * place for place, size in enumerate(sorted(config.sizes, reverse=True))}

    def learn(self, name: str, *batch: Tensor) -> tuple[float, float]:
        """Let one net learn from the part of its size in what `Abreast` gives."""
        place = self.places[int(name.rpartition("_")[2])]
        *inputs, target = batch[place : place + PARTS]
        packed: Any = inputs
        return self.update(name, packed, target)


def numbers(config: Config, nets: nn.ModuleDict, train: Any, test: Any) -> dict[str, float]:
    """BLEU, share of right translations and loss of each net; the reference's without a name, too."""
    found = translating.by_net(config, nets, train.about, test)
    plain = {f"test_{what}": value for what, value in found[reference(config)].items()}
    return plain | {f"test_{name}_{what}": value for name, one in found.items() for what, value in one.items()}


def counts(config: Config, nets: nn.ModuleDict, train: Any, test: Any) -> dict[str, float]:
    """Parameters of each kind."""
    return {f"{kind}_parameters": float(parameters(nets[f"{kind}_{max(config.sizes)}"])) for kind in KINDS}


RECIPE = translating.TranslatorContest(
    recipe="translation-by-data",
    config=Config,
    build=build,
    reference=reference,
    published=PUBLISHED,
    load=load,
    inspect=numbers,
    at_start=counts,
    make_step=lambda config, nets, train, loss, batches: BySize(nets, config, config.epochs * batches),
    make_batches=by_size,
)
run, measure, predict = RECIPE.run, RECIPE.measure, RECIPE.predict


def draw(folder: RunFolder) -> list[Path]:
    """BLEU of held-out translations, and the loss of held-out pairs and of those that were learnt, by their number."""
    config, result = Config(**folder.config), folder.result
    if result is None:
        return []
    unlike = config.label_smoothing > 0  # the loss that is learnt by is then another
    charts = [
        chart(config, result, "test_{}_bleu", "BLEU of held-out pairs"),
        replace(
            chart(config, result, "test_{}_loss", "Loss, nats a token" + "; thin: on what was learnt" * (not unlike)),
            thin={} if unlike else lines(config, result, "train_{}_loss"),
        ),
    ]
    return [panels(folder.path / "by-size.png", charts)]


def chart(config: Config, result: Result, metric: str, title: str) -> Panel:
    """`metric` at the end by the number of pairs."""
    return Panel(
        series=lines(config, result, metric),
        title=title,
        xlabel="training pairs",
        logx=True,
        ticks={f"{size:,}": size for size in sorted(config.sizes)},
    )


def lines(config: Config, result: Result, metric: str) -> dict[str, tuple[list[int], list[float]]]:
    """`(sizes, values)` of `metric` (as `test_{}_bleu`) at the end, of each kind."""
    last, sizes = result.history[-1], sorted(config.sizes)
    return {
        title: (sizes, [last[metric.format(f"{kind}_{size}")] for size in sizes]) for kind, (title, _) in KINDS.items()
    }
