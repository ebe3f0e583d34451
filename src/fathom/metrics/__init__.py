"""Numbers about predictions, and running sums that survive a restart and merge over processes."""

from fathom.metrics.classification import accuracy, confusion
from fathom.metrics.running import Running

__all__ = ["Running", "accuracy", "confusion"]
