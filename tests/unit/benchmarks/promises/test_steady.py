"""Steady load: latencies of a machine whose speed changes from one stretch to the next."""

from benchmarks.load.capacity import Capacity
from benchmarks.load.client import Answer, predict
from benchmarks.load.outcome import Exchange, Outcome
from benchmarks.promises.steady import Stretch


def stretch(review_s: float, *latencies_s: float) -> Stretch:
    """Return a stretch in which requests took so long."""
    exchanges = [Exchange(predict("fine"), 0.0, 0.0, 0.0, it, Answer(200)) for it in latencies_s]
    return Stretch(100.0, review_s, Outcome(exchanges, 1.0, 0.0))


def test_latencies_are_told_in_reviews_of_their_own_stretch() -> None:
    """A stretch in which everything takes twice as long says the same as one in which it does not."""
    assert stretch(0.01, 0.03, 0.06).review_times() == stretch(0.02, 0.06, 0.12).review_times()


def test_a_capacity_is_averaged_with_what_came_after() -> None:
    """Texts have the tokens that they have; only the rate is the machine's."""
    assert Capacity(250.0, 42.0) == Capacity(200.0, 42.0).averaged(300.0)
