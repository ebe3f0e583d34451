"""On what a result depends besides its settings."""

import os
import platform
from typing import Any

import numpy
import torch

import fathom
from fathom import devices


def environment(device: torch.device) -> dict[str, Any]:
    """Versions, machine, device and threads, as plain values."""
    return {
        "fathom": fathom.__version__,
        "torch": torch.__version__,
        "numpy": numpy.__version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "device": devices.describe(device),
        "threads": torch.get_num_threads(),
        "processors": os.cpu_count(),
    }
