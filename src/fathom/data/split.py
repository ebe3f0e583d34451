"""Which examples are held out for testing, when the data do not say."""

import numpy as np


def held_out(labels: np.ndarray, fraction: float, seed: int) -> np.ndarray:
    """A mask `(examples,)` of bool, true for the test set: the same `fraction` of every label, drawn from the seed.

    A label with one example stays in training; one with more gives at least one to each side (unless `fraction` is 0).

    Args:
        labels: `(examples,)`; all equal for a plain random split.
        fraction: `0 <= fraction < 1`.
    """
    mask = np.zeros(len(labels), dtype=bool)
    for number, label in enumerate(np.unique(labels)):
        places = np.flatnonzero(labels == label)
        count = round(fraction * len(places)) if fraction else 0
        if fraction and len(places) > 1:
            count = min(max(count, 1), len(places) - 1)
        mask[np.random.default_rng((seed, number)).permutation(places)[:count]] = True
    return mask
