"""Make the sample again from the full Fashion-MNIST: python make_sample.py FOLDER_OF_THE_FULL_SET.

The pictures come out the same on any machine; the compressed bytes do with the same zlib.
"""

import gzip
import sys
from pathlib import Path

import numpy as np

from fathom.data import idx

COUNTS = {"train": 10_000, "t10k": 2_000}


def make(source: Path, target: Path) -> None:
    """Write the first examples of each file in `source` to `target`; the originals are shuffled already."""
    for prefix, count in COUNTS.items():
        for suffix in ("images-idx3-ubyte.gz", "labels-idx1-ubyte.gz"):
            first: np.ndarray = idx.read(source / f"{prefix}-{suffix}")[:count]
            packed = gzip.compress(idx.dump(first), compresslevel=9, mtime=0)
            (target / f"{prefix}-{suffix}").write_bytes(packed)


if __name__ == "__main__":
    make(Path(sys.argv[1]), Path(__file__).parent)
