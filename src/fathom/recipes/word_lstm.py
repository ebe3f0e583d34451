"""Two layers of long short-term memory that model the words of the Penn Treebank."""

from dataclasses import dataclass

from fathom.recipes.common.language import LanguageConfig
from fathom.recipes.common.language_model import LanguageModel

SECTION = "Zaremba, Sutskever and Vinyals 2014, section 4.1"
DATA = "ptb"
EPOCH = 2_323  # updates, on the treebank
PUBLISHED = [
    {
        "metric": "test_perplexity",
        "value": 114.5,
        "split": "test words",
        "source": "Zaremba et al. 2014, arXiv 1409.2329, table 1, non-regularised",
    },
]


@dataclass(frozen=True, kw_only=True)
class Config(LanguageConfig):
    """The paper's small network: two layers of 200 units, embeddings of 200, 20 steps, batches of 20, 13 epochs.

    The paper's loss is summed over the steps, ours is a mean: its rate of 1, and its gradient clipped at 5, are 20 and
    0.25 here. The rate is halved after each epoch from the fourth on.
    """

    steps: int = 20
    hidden_size: int = 200
    num_layers: int = 2
    embedding_size: int = 200
    epochs: int = 13
    batch_size: int = 20
    lr: float = 20.0
    clip: float = 0.25
    schedule: str = f"multi-factor,milestones={'/'.join(str(EPOCH * done) for done in range(4, 13))},factor=0.5"
    data: str = DATA


RECIPE = LanguageModel(recipe="word-lstm", cell="lstm", config=Config, published=PUBLISHED, wishes={"unit": "space"})
run, measure, predict, score, draw = RECIPE.run, RECIPE.measure, RECIPE.predict, RECIPE.score, RECIPE.draw
