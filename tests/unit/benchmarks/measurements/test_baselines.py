"""The baselines and Verdict are measured alike."""

import pytest

pytest.importorskip("psutil")

from benchmarks.measurements.baselines import own_rate

pytestmark = pytest.mark.development


def test_verdicts_own_rate_is_its_median() -> None:
    """It has four duels and each baseline one, so its best rate would flatter it."""
    duels = [{"duels": {"sentences": {"second_per_s": rate}}} for rate in (400.0, 450.0, 380.0, 410.0)]
    assert 405.0 == own_rate(duels, "sentences")
