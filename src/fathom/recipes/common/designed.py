"""Features of pictures that people designed, for a machine that learns only the last step: HOG, and SIFT as words."""

import hashlib
import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fathom.data import cache
from fathom.errors import MissingExtraError

ORIENTATIONS = 9  # Dalal and Triggs 2005, section 6.3
STRIDE, SIDE = 4, 2  # pixels from one descriptor to the next, and a side of one of its 4 × 4 cells
ENLARGED = 8  # times, for drawing
BATCH = 500  # pictures whose descriptors are in memory together
SAMPLE = 20_000  # descriptors among which the words are found


def hog(x: Tensor, cell: int) -> Tensor:
    """Histograms of oriented gradients, `(examples, features)` of float32.

    Each cell of `cell` × `cell` pixels has the gradients' lengths by their direction, 9 of them over half a turn; four
    neighbouring cells are a block and are divided by their norm; blocks overlap.

    Args:
        x: grey pictures `(examples, 1, height, width)` in 0–1, of at least two cells a side.

    Source: Dalal and Triggs 2005, "Histograms of Oriented Gradients for Human Detection"; the work is scikit-image's.
    """
    describe = package("skimage.feature", "scikit-image").hog
    return torch.from_numpy(np.stack([describe(picture, **_hog_options(cell)) for picture in x[:, 0].numpy()])).float()


def hog_picture(picture: Tensor, cell: int) -> Tensor:
    """The histograms of one grey picture `(height, width)`, drawn as stars of lines that run along the edges.

    The picture is enlarged first, and its cells with it: a star needs more pixels than a cell has.
    """
    describe = package("skimage.feature", "scikit-image").hog
    large = nn.functional.interpolate(picture[None, None], scale_factor=ENLARGED, mode="bilinear")[0, 0]
    lines = torch.from_numpy(describe(large.numpy(), **_hog_options(ENLARGED * cell), visualize=True)[1]).float()
    return nn.functional.max_pool2d(lines[None, None], 3, 1, 1)[0, 0].sqrt()  # thick enough to be seen


def _hog_options(cell: int) -> dict[str, Any]:
    return {"orientations": ORIENTATIONS, "pixels_per_cell": (cell, cell), "cells_per_block": (2, 2)}


def sift(x: Tensor) -> Tensor:
    """SIFT descriptors on a grid, `(examples, rows, columns, 128)` of float32, as kornia computes them on a batch.

    Args:
        x: grey pictures `(examples, 1, height, width)` in 0–1.

    Source: Lowe 2004, "Distinctive Image Features from Scale-Invariant Keypoints", section 6, at every `STRIDE` pixels
    instead of at key points, with the square roots of Arandjelović and Zisserman 2012.
    """
    feature = package("kornia.feature", "kornia")
    describe: nn.Module = feature.DenseSIFTDescriptor(spatial_bin_size=SIDE, stride=STRIDE, padding=1)
    with torch.inference_mode():
        found: Tensor = describe(x).permute(0, 2, 3, 1)
    return found


def vocabulary(x: Tensor, words: int, seed: int) -> Tensor:
    """`(words, 128)`: the centres that k-means finds among the descriptors of some pictures.

    Args:
        x: grey pictures `(examples, 1, height, width)`; so many of the first are taken as `SAMPLE` descriptors need.
        words: at least 1; fewer are found if there are fewer descriptors.
    """
    cluster = package("sklearn.cluster", "scikit-learn")
    each = sift(x[:1])[0, :, :, 0].numel()
    descriptors = sift(x[: max(1, SAMPLE // each)]).flatten(0, 2).numpy()
    finder = cluster.KMeans(min(words, len(descriptors)), n_init=1, max_iter=30, random_state=seed)
    return torch.from_numpy(finder.fit(descriptors).cluster_centers_).float()


def bags(x: Tensor, vocabulary: Tensor) -> Tensor:
    """How often each word is nearest to a descriptor: in the whole picture and in its quarters, `(examples, 5 words)`.

    Shares, of which the square roots are taken: then a linear machine compares histograms by Hellinger's distance.

    Args:
        x: grey pictures `(examples, 1, height, width)`.
        vocabulary: `(words, 128)`.

    Source: Csurka et al. 2004, "Visual Categorization with Bags of Keypoints"; the quarters are the second level of
    Lazebnik, Schmid and Ponce 2006, "Beyond Bags of Features".
    """
    return torch.cat([_bags(sift(part), vocabulary) for part in x.split(BATCH)])


def _bags(descriptors: Tensor, vocabulary: Tensor) -> Tensor:
    examples, rows, columns, _ = descriptors.shape
    words = torch.cdist(descriptors.flatten(1, 2), vocabulary).argmin(dim=2)  # (examples, places)
    one_hot = nn.functional.one_hot(words, len(vocabulary)).view(examples, rows, columns, -1)
    upper, left = (rows + 1) // 2, (columns + 1) // 2
    parts = [one_hot]
    for half in (one_hot[:, :upper], one_hot[:, upper:]):
        parts += [half[:, :, :left], half[:, :, left:]]
    counts = torch.cat([part.sum(dim=(1, 2)) for part in parts], dim=1)
    return (counts / (rows * columns)).sqrt()


def support_vectors(
    kernel: str, x: Tensor, y: Tensor, penalty: float, components: int = 200
) -> Callable[[Tensor], Tensor]:
    """A support vector machine on the principal components of `x`; maps features to the numbers of classes.

    Args:
        kernel: `linear`, or `rbf` with γ = 1 / (features · variance).
        x: `(examples, features)`.
        y: `(examples,)` of int, of at least two classes.
        penalty: C, what a violated margin costs.
        components: most that the machine sees; there are never more than features, and fewer than examples.

    Source: Cortes and Vapnik 1995; one machine for each pair of classes votes. The work is scikit-learn's.
    """
    count = min(components, x.shape[1], len(x) - 1)
    axes = package("sklearn.decomposition", "scikit-learn").PCA(
        count, svd_solver="full" if len(x) < x.shape[1] else "covariance_eigh"
    )
    machine = package("sklearn.svm", "scikit-learn").SVC(kernel=kernel, C=penalty)
    machine.fit(axes.fit_transform(x.numpy()), y.numpy())
    return lambda unseen: torch.from_numpy(machine.predict(axes.transform(unseen.numpy())))


def kept(what: str, x: Tensor, work: Callable[[Tensor], Tensor], *others: Tensor) -> Tensor:
    """`work(x)`, from the cache if it has been done before.

    Args:
        what: names the work and its settings.
        others: further tensors on which it depends.
    """
    digest = hashlib.sha256(repr([what, x.shape]).encode())
    for tensor in (x, *others):
        digest.update(tensor.contiguous().numpy().data)
    key = f"features-{digest.hexdigest()[:40]}"
    if found := cache.load_arrays(key):
        return found[0]["features"]
    features = work(x).contiguous()
    cache.save_arrays(key, {"features": features})
    return features


def package(module: str, name: str) -> Any:
    """A module of an optional package.

    Raises:
        MissingExtraError: the package is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise MissingExtraError(name, "classical", "a classical feature") from error
