"""Troublesome callers are drawn by a seed, and each knows the answers that are right for it."""

import pytest

pytest.importorskip("httptools")

from benchmarks.load.corpus import compose
from benchmarks.load.misbehaviour import callers

CORPUS = compose("sentences", 50)


def test_the_same_seed_gives_the_same_callers() -> None:
    """A failure that was found once can be found again."""
    assert callers(CORPUS, 100, seed=1) == callers(CORPUS, 100, seed=1)
    assert callers(CORPUS, 100, seed=1) != callers(CORPUS, 100, seed=2)


def test_every_kind_of_trouble_occurs() -> None:
    """Refusals of every kind, missed deadlines, dropped connections and batches."""
    requests = callers(CORPUS, 500, seed=1)
    statuses = {status for request in requests for status in request.expected}
    assert {200, 400, 413, 415, 422, 504} == statuses
    assert any(request.abandon_after_s for request in requests)
    assert any(request.texts > 1 for request in requests)
