"""Benchmarks against real servers: what they write, not what they measure."""
