"""The notes below the tables of closed and open loops."""

from http import HTTPStatus

import pytest

from benchmarks.measurements.loops import _notes, _refusals

pytestmark = pytest.mark.development


def test_a_note_counts_refused_requests() -> None:
    """Only status 429 is a refusal; a lost request is not."""
    served = {HTTPStatus.OK: 40}
    figures = [
        {"shape": "sentences", "callers": 16, "statuses": served},
        {"shape": "sentences", "callers": 64, "statuses": served | {0: 1}},
        {"shape": "batches", "callers": 64, "statuses": served | {HTTPStatus.TOO_MANY_REQUESTS: 9}},
    ]
    (note,) = _refusals(figures)
    assert note.startswith("64 callers, batches: 9 requests refused with 429")


def test_a_note_counts_requests_without_answer_or_refusal() -> None:
    """A lost request and an error of the server are faults, in any row."""
    row = {"generator_share": 0.1, "generator_was_the_limit": False, "requests": 1000}
    sound = row | {"statuses": {HTTPStatus.OK: 1000, HTTPStatus.TOO_MANY_REQUESTS: 10}}
    faulty = row | {"statuses": {HTTPStatus.OK: 1000, 0: 2, HTTPStatus.INTERNAL_SERVER_ERROR: 1}}
    (_,) = _notes([sound])
    (_, note) = _notes([sound, faulty])
    assert note.startswith("3 REQUESTS WERE NEITHER")
