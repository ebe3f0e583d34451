"""A plain recursive network, one layer joining any two children, tells the sentiment of a sentence."""

from dataclasses import dataclass
from typing import Any

from fathom.models.tree_rnn import TreeRNN
from fathom.recipes.common.trees import TreeConfig, TreeRecipe

SECTION = "Goodfellow et al. 2016, 10.6; Socher et al. 2013"
DATA = "sst-trees"
PUBLISHED: list[dict[str, Any]] = [
    {
        "metric": "test_root_accuracy",
        "value": 0.432,
        "split": "roots of 2,210 test trees, five classes",
        "source": "Socher, Perelygin et al. 2013, table 1, RNN",
    },
    {
        "metric": "test_node_accuracy",
        "value": 0.79,
        "split": "all nodes of 2,210 test trees, five classes",
        "source": "Socher, Perelygin et al. 2013, table 1, RNN",
    },
    {
        "metric": "test_root_binary_accuracy",
        "value": 0.824,
        "split": "roots of test trees that are not neutral",
        "source": "Socher, Perelygin et al. 2013, table 1, RNN",
    },
]


@dataclass(frozen=True, kw_only=True)
class Config(TreeConfig):
    """30 numbers a node, within the paper's 25 to 35, random words; AdaGrad, batches of 25, within its 20 to 35.

    The words learn at five times the rate: with random vectors those that occur once or twice would stay where they
    began.
    """

    hidden_size: int = 30
    vectors: bool = False
    lr: float = 0.02
    word_rate: float = 5.0
    epochs: int = 8
    data: str = DATA


RECIPE = TreeRecipe(recipe="tree-rnn", model=TreeRNN, config=Config, published=PUBLISHED, words_as_nodes=True)
run, measure, predict, draw = RECIPE.run, RECIPE.measure, RECIPE.predict, RECIPE.draw
