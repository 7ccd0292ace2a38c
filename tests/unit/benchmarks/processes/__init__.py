"""Unit tests of benchmarks/processes."""
