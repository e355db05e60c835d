"""Other programs run on what was exported: `python -m benchmarks.consumers`."""
