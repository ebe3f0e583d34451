"""Numbers about predictions, and running sums that survive a restart and merge over processes."""

from fathom.metrics.bleu import Bleu, bleu, corpus_bleu
from fathom.metrics.calibration import Bin, Calibration
from fathom.metrics.classification import accuracy, confusion, top_k_accuracy
from fathom.metrics.per_class import Confusion, PerClass
from fathom.metrics.running import Running

__all__ = [
    "Bin",
    "Bleu",
    "Calibration",
    "Confusion",
    "PerClass",
    "Running",
    "accuracy",
    "bleu",
    "confusion",
    "corpus_bleu",
    "top_k_accuracy",
]
