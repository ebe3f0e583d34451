"""A recursive tensor network, whose nodes are quadratic forms of their children, tells the sentiment of a sentence."""

from dataclasses import dataclass
from typing import Any

from fathom.models.rntn import RNTN
from fathom.recipes.common.trees import TreeConfig, TreeRecipe

SECTION = "Goodfellow et al. 2016, 10.6; Socher et al. 2013"
DATA = "sst-trees"
PUBLISHED: list[dict[str, Any]] = [
    {
        "metric": "test_root_accuracy",
        "value": 0.457,
        "split": "roots of 2,210 test trees, five classes",
        "source": "Socher, Perelygin et al. 2013, table 1, RNTN",
    },
    {
        "metric": "test_node_accuracy",
        "value": 0.807,
        "split": "all nodes of 2,210 test trees, five classes",
        "source": "Socher, Perelygin et al. 2013, table 1, RNTN",
    },
    {
        "metric": "test_root_binary_accuracy",
        "value": 0.854,
        "split": "roots of test trees that are not neutral",
        "source": "Socher, Perelygin et al. 2013, table 1, RNTN",
    },
]


@dataclass(frozen=True, kw_only=True)
class Config(TreeConfig):
    """30 numbers a node, within the paper's 25 to 35, random words; AdaGrad, batches of 25, within its 20 to 35.

    The words learn at five times the rate: with random vectors those that occur once or twice would stay where they
    began. The tensor learns at a fraction of it: AdaGrad's first steps move every number by the whole rate, and each
    number of a node is a sum of 3,600 of the tensor's.

    Args:
        tensor_rate: by what the learning rate of the tensor is multiplied.
    """

    hidden_size: int = 30
    vectors: bool = False
    lr: float = 0.02
    word_rate: float = 5.0
    tensor_rate: float = 0.03
    epochs: int = 8
    data: str = DATA

    def __post_init__(self) -> None:
        """Check every range."""
        super().__post_init__()
        self._check("tensor_rate", at_least=0)

    @property
    def rates(self) -> dict[str, float]:
        """By layer, what its learning rate is multiplied by."""
        return {**super().rates, "tensor": self.tensor_rate}


RECIPE = TreeRecipe(recipe="rntn", model=RNTN, config=Config, published=PUBLISHED, words_as_nodes=True)
run, measure, predict, draw = RECIPE.run, RECIPE.measure, RECIPE.predict, RECIPE.draw
