"""What the hub costs, measured against a server that does nothing; `python -m benchmarks --help`."""
