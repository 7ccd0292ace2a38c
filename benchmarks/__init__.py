"""Benchmarks: what this machine gives, measured over HTTP or on an engine by name."""
