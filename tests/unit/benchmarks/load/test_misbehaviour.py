"""Misbehaving callers are drawn by a seed, and each request knows its right statuses."""

import pytest

pytest.importorskip("httptools")

from benchmarks.load.corpus import compose
from benchmarks.load.misbehaviour import mixed_callers

POOL = compose("sentences", 50)


def test_the_same_seed_gives_the_same_callers() -> None:
    """A failure can be reproduced."""
    assert mixed_callers(POOL, 100, seed=1) == mixed_callers(POOL, 100, seed=1)
    assert mixed_callers(POOL, 100, seed=1) != mixed_callers(POOL, 100, seed=2)


def test_every_kind_of_trouble_occurs() -> None:
    """Bad input, missed deadlines, dropped connections and batches."""
    requests = mixed_callers(POOL, 500, seed=1)
    statuses = {status for request in requests for status in request.expected}
    assert {200, 400, 413, 415, 422, 504} == statuses
    assert any(request.abandon_after_s for request in requests)
    assert any(request.texts > 1 for request in requests)
