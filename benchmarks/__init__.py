"""Benchmarks: measure the server, the engine and what they are compared with. See benchmarks/README.md."""


class BenchmarkError(Exception):
    """A measurement is impossible; the message tells the user why and what to do."""
