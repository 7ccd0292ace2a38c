"""Unit tests of benchmarks/baselines."""
