"""Unit tests of benchmarks/figures."""
