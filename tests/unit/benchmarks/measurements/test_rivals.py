"""What one would use instead is given the same chances as Verdict."""

import pytest

pytest.importorskip("psutil")

from benchmarks.measurements.rivals import own_rate

pytestmark = pytest.mark.development


def test_verdicts_own_rate_is_not_its_best_one() -> None:
    """It has a duel with each of the others, who have one each; the best of four would flatter it."""
    duels = [{"duels": {"sentences": {"second_per_s": rate}}} for rate in (400.0, 450.0, 380.0, 410.0)]
    assert 405.0 == own_rate(duels, "sentences")
