"""Unit tests of benchmarks/measurements."""
