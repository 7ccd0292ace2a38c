"""Sections: what a table of closed loops says beside its figures."""

from http import HTTPStatus

import pytest

from benchmarks.measurements.sections import _notes, _refusals

pytestmark = pytest.mark.development


def test_what_was_refused_is_told_and_nothing_else_called_so() -> None:
    """A rate beside which callers were sent away is no rate of all that they sent; a lost request is not a refusal."""
    served = {HTTPStatus.OK: 40}
    figures = [
        {"shape": "sentences", "callers": 16, "statuses": served},
        {"shape": "sentences", "callers": 64, "statuses": served | {0: 1}},
        {"shape": "batches", "callers": 64, "statuses": served | {HTTPStatus.TOO_MANY_REQUESTS: 9}},
    ]
    (note,) = _refusals(figures)
    assert note.startswith("64 callers, batches: 9 requests refused; ")


def test_what_was_neither_answered_nor_refused_is_told() -> None:
    """A lost request and an error of the server are faults, in whatever row; an answer and a refusal are not."""
    row = {"generator_share": 0.1, "generator_was_the_limit": False, "requests": 1000}
    sound = row | {"statuses": {HTTPStatus.OK: 1000, HTTPStatus.TOO_MANY_REQUESTS: 10}}
    faulty = row | {"statuses": {HTTPStatus.OK: 1000, 0: 2, HTTPStatus.INTERNAL_SERVER_ERROR: 1}}
    (_,) = _notes([sound])
    (_, note) = _notes([sound, faulty])
    assert note.startswith("3 REQUESTS WERE NEITHER")
