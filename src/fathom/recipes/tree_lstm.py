"""A Tree-LSTM tells the sentiment of a sentence from its parse."""

from dataclasses import dataclass
from typing import Any

from fathom.models.tree_lstm import TreeLSTM
from fathom.recipes.common.trees import TreeConfig, TreeRecipe

SECTION = "Goodfellow et al. 2016, 10.6; Tai et al. 2015"
DATA = "sst-trees"
PUBLISHED: list[dict[str, Any]] = [
    {
        "metric": "test_root_accuracy",
        "value": 0.51,
        "split": "2,210 test trees, five classes",
        "source": "Tai, Socher and Manning 2015, table 2",
        "note": "with GloVe vectors of 300 numbers; a mean of 5 runs",
    },
    {
        "metric": "test_root_binary_accuracy",
        "value": 0.88,
        "split": "1,821 test trees that are not neutral",
        "source": "Tai, Socher and Manning 2015, table 2",
        "note": "of a network trained for these two classes; here the five are put together",
    },
]


@dataclass(frozen=True, kw_only=True)
class Config(TreeConfig):
    """The paper's settings: 150 units, dropout of a half where a node is read, decay 0.0001, AdaGrad at 0.05."""

    dropout: float = 0.5
    data: str = DATA


RECIPE = TreeRecipe(recipe="tree-lstm", model=TreeLSTM, config=Config, published=PUBLISHED, words_as_nodes=False)
run, measure, predict, draw = RECIPE.run, RECIPE.measure, RECIPE.predict, RECIPE.draw
