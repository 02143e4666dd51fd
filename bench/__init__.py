"""Measures speed and size: `make bench` prints one table, ours beside the raw limit and the peers of the same run."""
