"""Unit tests of benchmarks/promises."""
