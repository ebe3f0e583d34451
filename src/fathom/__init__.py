"""Dive into Deep Learning and the papers behind it: from scratch, equal to PyTorch, beside the published figures."""

__version__ = "0.1.0"
