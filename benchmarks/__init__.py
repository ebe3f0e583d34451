"""Timings beside named peers, in one process and one run: `python -m benchmarks [NAME …]`."""
