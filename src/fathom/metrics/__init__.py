"""Numbers about predictions, and running sums that survive a restart and merge over processes."""

from fathom.metrics.calibration import Bin, Calibration
from fathom.metrics.classification import accuracy, confusion, top_k_accuracy
from fathom.metrics.per_class import Confusion, PerClass
from fathom.metrics.running import Running

__all__ = ["Bin", "Calibration", "Confusion", "PerClass", "Running", "accuracy", "confusion", "top_k_accuracy"]
