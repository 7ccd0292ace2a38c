"""Sections: what a table of closed loops says beside its figures."""

from http import HTTPStatus

import pytest

from benchmarks.sections import _refusals

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
