"""Benchmarks with real servers: their output, not their figures."""
