"""Benchmarks: measure the server, the engine and what they are compared with. See benchmarks/README.md."""

import artifact  # noqa: F401 - sets what libraries read from the environment when they are first imported


class BenchmarkError(Exception):
    """A measurement is impossible; the message tells the user why and what to do."""
