"""Airfoil self-noise: 1,503 measurements in a wind tunnel, all of them shipped with the package.

One example is five numbers about a blade in an air stream and, to be predicted, how loud it is. Unless asked for
another split, the first 1,500 rows are for training, as in the book, and three are left for testing.

Source: Brooks, Pope and Marcolini 1989, NASA Reference Publication 1218; UCI Machine Learning Repository,
doi 10.24432/C5VW2C. CC BY 4.0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fathom.data.dataset import Card, Dataset, RemoteFile
from fathom.data.options import integer, number
from fathom.errors import DataError
from fathom.records import DataUsed

if TYPE_CHECKING:
    import numpy as np

COLUMNS = ("frequency, Hz", "angle of attack, degrees", "chord, m", "free-stream velocity, m/s", "displacement, m")
TARGET = "sound pressure level, dB"
BOOK_ROWS = 1_500  # Dive into Deep Learning, "Minibatch Stochastic Gradient Descent"
OPTIONS = {
    "test": number(0, below=1),  # fraction of the rows, drawn by chance; the rows come in blocks of one setting each
    "seed": integer(0),
}

CARD = Card(
    name="airfoil",
    title="Airfoil self-noise",
    example="five numbers (5,) about a blade in an air stream, and how loud it is; all standardised",
    splits={"train": 1_500, "test": 3},
    licence="CC BY 4.0, Brooks, Pope and Marcolini",
    homepage="https://doi.org/10.24432/C5VW2C",
    files=(
        RemoteFile(
            name="airfoil_self_noise.dat",
            urls=(),
            sha256=("74c75fd71783f1e6b71f8a622b993dc592897a97cd689c5090a07147a1b097b3",),
            size=59_984,
        ),
    ),
    task="regression",
)
CARDS = (CARD,)


def parse(text: str) -> np.ndarray:
    """The rows of a file, `(rows, 6)` of float64: five inputs and the target, in the file's units.

    Raises:
        DataError: there is no row, or a row is not six finite numbers with tabs between them.
    """
    import numpy as np

    rows = []
    for place, line in enumerate(text.splitlines(), start=1):
        try:
            row = [float(word) for word in line.split("\t")]
        except ValueError:
            row = []
        if len(row) != len(COLUMNS) + 1 or not np.isfinite(row).all():
            raise DataError(f"line {place}: expected six numbers with tabs between them, got {line[:60]!r}; correct it")
        rows.append(row)
    if not rows:
        raise DataError("expected rows of six numbers with tabs between them, got an empty file; fetch it again")
    return np.array(rows)


def read(card: Card, split: str, options: dict[str, Any]) -> Dataset:
    """One split: `x` is `(rows, 5)` and `y` `(rows, 1)`, both float, standardised.

    Args:
        options: `test`, the share of the rows that is held out, drawn from `seed`; then the training rows' statistics
            standardise. Without it the book's first rows are for training, and all rows' statistics standardise, as
            there: the last three are so quiet that without them every loss comes out 1.3 % higher.

    Raises:
        DataError: the file is damaged, or the split has no row.
    """
    import numpy as np
    import torch

    from fathom.data import store
    from fathom.data.split import held_out

    (found,) = store.locate(card)
    rows = parse(found.path.read_text(encoding="ascii"))
    test, known = np.arange(len(rows)) >= BOOK_ROWS, rows
    if "test" in options:
        test = held_out(np.zeros(len(rows)), options["test"], options.get("seed", 0))
        known = rows[~test]
    mean, std = known.mean(axis=0), known.std(axis=0)
    chosen = (rows[test == (split == "test")] - mean) / std
    if not len(chosen):
        raise DataError(f"{card.name}: expected rows in the {split} split, got none; give another test=")
    tensor = torch.from_numpy(chosen).float()
    used = DataUsed(
        name=card.name,
        origin="package",
        path=str(found.path.parent),
        sha256={found.path.name: found.sha256},
        sizes={split: len(chosen)},
    )
    about = {
        "kind": "numbers",
        "classes": [],
        "columns": list(COLUMNS),
        "means": mean[:-1].tolist(),
        "stds": std[:-1].tolist(),
        "target": TARGET,
        "target_mean": float(mean[-1]),
        "target_std": float(std[-1]),
    }
    return Dataset(card, split, {"x": tensor[:, :-1].contiguous(), "y": tensor[:, -1:].contiguous()}, used, about)
