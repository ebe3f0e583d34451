"""Fashion-MNIST: 70,000 grey pictures of clothes, 28 × 28, in ten classes; and the sample of it that we ship.

One example is `(1, 28, 28)` float in 0–1 (0 is the background) and a label 0–9. The original order is kept.

Source: Xiao, Rasul and Vollgraf 2017, arXiv 1708.07747. MIT licence, Zalando SE.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fathom.data.dataset import Card, RemoteFile
from fathom.data.options import IMAGE_OPTIONS

if TYPE_CHECKING:
    from fathom.data.dataset import Dataset

CLASSES = (
    "t-shirt",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
)
MIRRORS = (
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
    "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
)


def _file(name: str, size: int, *sha256: str) -> RemoteFile:
    return RemoteFile(name=name, urls=tuple(mirror + name for mirror in MIRRORS), sha256=sha256, size=size)


# The second digest of each file is that of Debian's dataset-fashion-mnist: the same bytes, compressed again.
FILES = (
    _file(
        "train-images-idx3-ubyte.gz",
        26_421_880,
        "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        "b0564c3eedabfbf835052cff8503ea422014ce006caf5b757f851416ee8300c7",
    ),
    _file(
        "train-labels-idx1-ubyte.gz",
        29_515,
        "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        "0ae29f65d86684f32d1b9c85147786c547b9c6aebcaf235f0400a0cce308b056",
    ),
    _file(
        "t10k-images-idx3-ubyte.gz",
        4_422_102,
        "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        "cc1d090a38ace84dfa1aa66e3ada7c336ef481a96936906477e6dd344da56eaa",
    ),
    _file(
        "t10k-labels-idx1-ubyte.gz",
        5_148,
        "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        "8d3605d196f4be44669e46906da9733c8131fef761fdbfec72c424d5222f1a05",
    ),
)

CARD = Card(
    name="fashion-mnist",
    title="Fashion-MNIST",
    example="a grey picture (1, 28, 28) of a piece of clothing, and its class",
    splits={"train": 60_000, "test": 10_000},
    licence="MIT, Zalando SE",
    homepage="https://github.com/zalandoresearch/fashion-mnist",
    files=FILES,
    sample="fashion-mnist-sample",
    classes=CLASSES,
)
SAMPLE = Card(
    name="fashion-mnist-sample",
    title="Fashion-MNIST, the first 10,000 training and 2,000 test pictures",
    example=CARD.example,
    splits={"train": 10_000, "test": 2_000},
    licence=CARD.licence,
    homepage=CARD.homepage,
    files=(
        RemoteFile(
            name="train-images-idx3-ubyte.gz",
            urls=(),
            sha256=("dbc97073061adfe46b8bf8af6112364d34cf4cf2363dd8191a14d6515e121e6b",),
            size=4_347_397,
        ),
        RemoteFile(
            name="train-labels-idx1-ubyte.gz",
            urls=(),
            sha256=("0b1c9fd85da433904cd8c43816d58e9156256c8dde6e23698c4b9340b0494067",),
            size=5_112,
        ),
        RemoteFile(
            name="t10k-images-idx3-ubyte.gz",
            urls=(),
            sha256=("34b6848fb35a59e5287bf485522433dfd8bd017eb126fde6f02e96123c8ff741",),
            size=877_584,
        ),
        RemoteFile(
            name="t10k-labels-idx1-ubyte.gz",
            urls=(),
            sha256=("6a1ad38ad7d33240e59f70a44ddce4e9483e573ffad983d287064bd467dcbd4e",),
            size=1_033,
        ),
    ),
    classes=CLASSES,
)
CARDS = (CARD, SAMPLE)


OPTIONS = IMAGE_OPTIONS


def read(card: Card, split: str, options: dict[str, Any]) -> Dataset:
    """One split of the full set or of the sample; see `idx_images.read`."""
    from fathom.data import idx_images

    return idx_images.read(card, split, options)
