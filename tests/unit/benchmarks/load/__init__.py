"""Unit tests of benchmarks/load."""
