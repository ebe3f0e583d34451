"""Where something is, by the end of a story: memory networks that look once, twice and three times.

The networks learn the same stories; `NETWORK_accuracy_N_facts` is of unseen ones.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from fathom import data, models
from fathom.data import stories
from fathom.errors import InputError
from fathom.plot.charts import heatmap
from fathom.plot.panels import Panel, panels
from fathom.recipes.common import contest, rivals
from fathom.recipes.common.contest_recipe import ContestRecipe, by_share
from fathom.records import Prediction, RunFolder
from fathom.train import TrainConfig
from fathom.train.supervised import Measure

SECTION = "Goodfellow et al. 2016, 10.12; Sukhbaatar et al. 2015, 4"
DATA = "stories"
PUBLISHED: list[dict[str, Any]] = [
    {
        "metric": "hops_3_accuracy_3_facts",
        "value": None,
        "split": "generated stories",
        "source": "Sukhbaatar et al. 2015, arXiv 1503.08895, table 1",
        "note": "the paper's questions of one to three facts are others, those of bAbI; there too more hops help",
    },
]
HOPS = {f"hops_{count}": count for count in (1, 2, 3)}
TITLES = {name: f"{count} hop{'s' * (count > 1)}" for name, count in HOPS.items()}
REFERENCE = "hops_3"


@dataclass(frozen=True, kw_only=True)
class Config(TrainConfig):
    """Networks of 32 features, 10,000 stories of 12 sentences; Adam at 0.005, batches of 64.

    Args:
        embedding_size: features of a sentence.
        memory: sentences for which there is room.
        linear_epochs: at the beginning, in which the softmax over the sentences is left out.
    """

    embedding_size: int = 32
    memory: int = 24
    linear_epochs: int = 9
    epochs: int = 13
    batch_size: int = 64
    lr: float = 0.005
    optimizer: str = "adam"
    clip: float = 40.0
    data: str = DATA

    def __post_init__(self) -> None:
        """Check every range."""
        super().__post_init__()
        for name in ("embedding_size", "memory"):
            self._check(name, at_least=1)
        self._check("linear_epochs", at_least=0)
        self.keep([name for name in contest.UNUSED if name != "clip"], contest.WHY_UNUSED)


def load_splits(config: Config) -> tuple[data.Dataset, data.Dataset]:
    """The stories to learn from, and others; all must fit into the memory."""
    train, test = (data.load(config.data, split) for split in ("train", "test"))
    if train.about.get("kind") != "stories":
        raise InputError(f"{config.data}: expected stories, got {train.about.get('kind')}; give stories,sentences=12")
    check_room(int(train.about["sentences"]), config.memory, "--memory")
    return train, test


def check_room(sentences: int, memory: int, what: str) -> None:
    """InputError if a story has more sentences than the memory has room for."""
    if sentences > memory:
        raise InputError(f"{what}: expected room for {sentences} sentences, got {memory}; shorten the story")


def build(config: Config, about: Mapping[str, Any]) -> nn.ModuleDict:
    """A network for each number of hops."""
    return nn.ModuleDict(
        {
            name: models.on_rung(
                "memory_network",
                config.rung,
                vocab_size=len(about["classes"]),
                hops=hops,
                embedding_size=config.embedding_size,
                memory=config.memory,
            )
            for name, hops in HOPS.items()
        }
    )


class LinearStart(contest.Contest):
    """The contest in which the softmax over the sentences comes after so many updates.

    Args:
        networks, loss, rule: as `Contest` takes them.
        updates: how many.
    """

    def __init__(self, networks: nn.ModuleDict, loss: Measure, rule: contest.Rule, updates: int) -> None:
        super().__init__(networks, REFERENCE, loss, rule)
        self.linear_updates = updates

    def update(self, name: str, x: Tensor, y: Tensor) -> tuple[float, float]:
        """One update of one network; its loss and accuracy before it."""
        network: Any = self.models[name]
        network.linear = self.updates[name] < self.linear_updates
        numbers = super().update(name, x, y)
        network.linear = False
        return numbers


@torch.no_grad()
def by_facts(networks: nn.ModuleDict, test: data.Dataset) -> dict[str, float]:
    """`NETWORK_accuracy_N_facts`: of each network, for questions by how many sentences the answer takes."""
    device, found = rivals.device_of(networks), {}
    x, y, facts = (test.tensors[name].to(device) for name in ("x", "y", "facts"))
    for name, network in networks.items():
        right = network(x).argmax(dim=1) == y
        for count in range(1, stories.FACTS + 1):
            here = right[facts == count]
            found[f"{name}_accuracy_{count}_fact{'s' * (count > 1)}"] = here.float().mean().item() if len(here) else 0.0
    return found


def make_step(config: Config, networks: nn.ModuleDict, train: data.Dataset, loss: Measure, batches: int) -> LinearStart:
    """All learn alike, the softmax left out at first."""
    rule = contest.Rule(config.optimizer, config.lr, clip=config.clip)
    return LinearStart(networks, loss, rule, config.linear_epochs * batches)


RECIPE = ContestRecipe(
    recipe="memory-network",
    config=Config,
    build=build,
    reference=REFERENCE,
    published=PUBLISHED,
    load=load_splits,
    inspect=lambda config, networks, train, test: by_facts(networks, test),
    make_step=make_step,
)
run, measure = RECIPE.run, RECIPE.measure


def encode(source: str, memory: int) -> tuple[Tensor, list[str]]:
    """A story and its question, sentences ending in a full stop, as `(1, sentences + 1, words)`, and the sentences.

    Raises:
        InputError: there is no sentence, not one question at the end, no room for all sentences, or a strange word.
    """
    *told, asked = [part.strip() for part in source.strip().rstrip("?").split(".")]
    if not told or not all(told) or not asked or "?" in source.strip()[:-1] or not source.strip().endswith("?"):
        raise InputError(
            f"expected sentences that end in a full stop, and a question, got {source[:60]!r}; "
            "as in zoe went to the attic . where is zoe ?"
        )
    check_room(len(told), memory, "the story")
    return torch.tensor([[stories.numbers(sentence) for sentence in [*told, asked]]]), told


def predict(folder: RunFolder, source: str) -> Prediction:
    """The answer of the network with three hops; `extra` has where each hop looked, and what the others say."""
    config, classes = Config(**folder.config), folder.data["classes"]
    x, told = encode(str(source), config.memory)
    networks: Any = RECIPE.trained(folder)
    with torch.inference_mode():
        logits, looks = networks[REFERENCE].attend(x)
        said = {TITLES[name]: classes[int(network(x).argmax())] for name, network in networks.items()}
    shares = logits.softmax(dim=1)[0]
    ranked = by_share(shares, classes)
    attention = {}
    for hop, look in enumerate(looks[0], start=1):
        best = look.argsort(descending=True, stable=True)[:2].tolist()
        attention[f"hop {hop} looks at"] = ", ".join(f"{told[place]} ({look[place]:.2f})" for place in best)
    label = said.pop(TITLES[REFERENCE])
    return Prediction(input=str(source)[:200], label=label, probabilities=ranked, extra={**attention, **said})


def draw(folder: RunFolder) -> list[Path]:
    """Accuracy by the number of facts; where each hop looked in a story of three."""
    config, result = Config(**folder.config), folder.result
    if result is None:
        return []
    charts = []
    for count in range(1, stories.FACTS + 1):
        facts = f"{count} fact{'s' * (count > 1)}"
        series = contest.by_epoch(result, f"{{}}_accuracy_{facts.replace(' ', '_')}", TITLES)
        title = f"Questions of {facts}, accuracy"
        charts.append(Panel(series=series, title=title, xlabel="epoch", ylim=(-0.03, 1.05), whole=True))
    pictures = [panels(folder.path / "accuracy.png", charts)]
    _, test = load_splits(config)
    chosen = (test.tensors["facts"] == stories.FACTS).nonzero()[:1, 0]
    if len(chosen):
        pictures.append(draw_looks(folder, config, test.tensors["x"][chosen]))
    return pictures


def draw_looks(folder: RunFolder, config: Config, x: Tensor) -> Path:
    """How much of its look each hop spends on each sentence of one story, `x` `(1, sentences + 1, words)`."""
    network: Any = RECIPE.trained(folder)[REFERENCE]
    classes = folder.data["classes"]
    *told, asked = [" ".join(classes[word] for word in words if word) for words in x[0].tolist()]
    with torch.inference_mode():
        logits, looks = network.attend(x)
    return heatmap(
        folder.path / "looks.png",
        torch.cat([looks.new_full((1, looks.shape[1]), torch.nan), looks[0].T]),
        rows=[f"{asked}?", *told],
        columns=[f"hop {hop}" for hop in range(1, looks.shape[1] + 1)],
        title=f"Answer: {classes[int(logits.argmax())]}",
        form=".2f",
    )
