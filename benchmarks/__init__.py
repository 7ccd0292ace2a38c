"""Benchmarks: what this machine gives, measured over HTTP or on an engine by name."""

import artifact  # noqa: F401 - sets what libraries read from the environment when they are first imported
