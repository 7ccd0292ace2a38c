"""Unit tests of benchmarks/report."""
