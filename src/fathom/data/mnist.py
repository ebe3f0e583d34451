"""MNIST: 70,000 grey pictures of handwritten digits, 28 × 28, in ten classes.

One example is `(1, 28, 28)` float in 0–1 (0 is the background) and a label 0–9. None of it is shipped: when it can't be
had, digits that we draw ourselves (`drawn-digits`) stand in.

Source: LeCun, Bottou, Bengio and Haffner 1998, "Gradient-based learning applied to document recognition".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fathom.data.dataset import Card, RemoteFile
from fathom.data.options import IMAGE_OPTIONS

if TYPE_CHECKING:
    from fathom.data.dataset import Dataset

MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)


def _file(name: str, size: int, *sha256: str) -> RemoteFile:
    return RemoteFile(name=name, urls=tuple(mirror + name for mirror in MIRRORS), sha256=sha256, size=size)


# The second digest of each file is that of the same bytes, compressed again.
CARD = Card(
    name="mnist",
    title="MNIST handwritten digits",
    example="a grey picture (1, 28, 28) of a digit, and the digit",
    splits={"train": 60_000, "test": 10_000},
    licence="CC BY-SA 3.0 as usually stated (LeCun, Cortes)",
    homepage="https://yann.lecun.com/exdb/mnist/",
    files=(
        _file(
            "train-images-idx3-ubyte.gz",
            9_912_422,
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            "db8f937d487057fb14a9f0fbe97f0bc8d311ab41b750d41e1ff37c43b9e55e19",
        ),
        _file(
            "train-labels-idx1-ubyte.gz",
            28_881,
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            "ec02e7948609e5754d47881c09b8afdd8dfa60600b9e5388c8c54a67069ec772",
        ),
        _file(
            "t10k-images-idx3-ubyte.gz",
            1_648_877,
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            "167310007f03058885c7e95e6c0b19c20de5c7fd3031f4cbdadc9014a523d80b",
        ),
        _file(
            "t10k-labels-idx1-ubyte.gz",
            4_542,
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
            "fc607395669ec21321ea83e4b82c0544b7e8e63ff5b34337c06bc0a17cc0da3c",
        ),
    ),
    sample="drawn-digits",
    classes=tuple("0123456789"),
)
CARDS = (CARD,)


OPTIONS = IMAGE_OPTIONS


def read(card: Card, split: str, options: dict[str, Any]) -> Dataset:
    """One split; see `idx_images.read`."""
    from fathom.data import idx_images

    return idx_images.read(card, split, options)
