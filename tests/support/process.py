"""A server in a separate process, as a user starts it; it never outlives its test."""

import sys
from pathlib import Path

from artifact.child import ROOT, ServedArtifact
from tests.support.tiny import TINY

__all__ = ["ROOT", "server_process"]


def server_process(
    artifact: Path = TINY, *, interpreter: str | Path = sys.executable, **settings: str
) -> ServedArtifact:
    """Return a server on a free port, to be used as a context manager.

    Args:
        artifact: served by it.
        interpreter: of the environment that it runs in; the tests' own by default.
        settings: environment variables; ``VERDICT_`` is put before those in lower case.
    """
    return ServedArtifact(artifact, settings, interpreter=interpreter)
