"""Latencies under steady load on a machine whose speed changes."""

from benchmarks.load.client import HttpResponse
from benchmarks.load.requests import predict
from benchmarks.load.result import Attempt, LoadResult
from benchmarks.promises.steady import Stretch


def stretch(review_s: float, *latencies_s: float) -> Stretch:
    """Return a stretch with these latencies."""
    attempts = [Attempt(predict("fine"), 0.0, 0.0, 0.0, latency_s, HttpResponse(200)) for latency_s in latencies_s]
    return Stretch(100.0, review_s, LoadResult(attempts, 1.0, 0.0))


def test_latencies_are_in_units_of_a_review_in_their_own_stretch() -> None:
    """A machine at half the speed gives the same figures."""
    assert [3.0, 6.0] == stretch(0.01, 0.03, 0.06).review_times() == stretch(0.02, 0.06, 0.12).review_times()
