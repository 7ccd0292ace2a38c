"""Targets of a comparison are recognized, and a verdict is given only where the figures justify one."""

from pathlib import Path

import pytest

pytest.importorskip("psutil")

from benchmarks import BenchmarkError
from benchmarks.figures.statistics import Interval
from benchmarks.measurements.compare import judge, launch_of, slowed
from benchmarks.measurements.duel import Duel, join
from tests.support.tiny import TINY

pytestmark = pytest.mark.development

ROOT = Path(__file__).parents[4]
UNSURE = Interval(0.98, 0.9, 1.05)


def test_an_artifact_is_served_by_this_tree() -> None:
    """Two artifacts are compared with the same server."""
    with launch_of(str(TINY), TINY.parent, {"first_stage": "on"}) as launch:
        assert "on" == launch.environment["VERDICT_FIRST_STAGE"]
        assert launch.environment["VERDICT_ARTIFACT_DIR"] == str(TINY)
        assert launch.directory == ROOT


def test_a_tree_serves_the_common_artifact() -> None:
    """Two trees are compared with the same artifact."""
    with launch_of(str(ROOT), TINY) as launch:
        assert launch.environment["VERDICT_ARTIFACT_DIR"] == str(TINY)
        assert launch.directory == ROOT


def test_any_other_target_is_refused(tmp_path: Path) -> None:
    """The message lists what a target can be."""
    with (
        pytest.raises(BenchmarkError, match=r"no artifact, no working tree and no revision"),
        launch_of("none", tmp_path),
    ):
        pass


def test_a_slowed_server_is_the_same_server() -> None:
    """Only the command differs, and it does not depend on the other tree's benchmarks."""
    with launch_of(str(TINY), TINY) as launch:
        slow = slowed(launch, 1.15)
    assert [str(ROOT / "benchmarks" / "processes" / "slowed.py"), "1.15"] == list(slow.command[1:])
    assert slow.environment == launch.environment


@pytest.mark.parametrize(
    ("clock", "cpu", "verdict"),
    [
        (UNSURE, UNSURE, "no difference shown"),
        (Interval(0.85, 0.8, 0.9), UNSURE, "B is 15.0% slower"),
        (Interval(1.2, 1.1, 1.3), UNSURE, "B is 20.0% faster"),
        (UNSURE, Interval(0.9, 0.88, 0.92), "B is 10.0% slower"),
    ],
)
def test_a_verdict_needs_an_interval_that_excludes_one(clock: Interval, cpu: Interval, verdict: str) -> None:
    """Wall time decides; if it cannot, CPU seconds do."""
    assert verdict == judge(Duel("load", 1.0, 1.0, clock, cpu), rounds=12)


def test_an_interval_is_over_starts_not_over_turns() -> None:
    """Pairs of processes with opposite results show nothing, however narrow their own intervals are."""
    faster, slower = Interval(1.1, 1.09, 1.11), Interval(0.91, 0.90, 0.92)
    starts = [Duel("load", 100.0, 110.0, ratio, ratio) for ratio in (faster, slower) * 6]
    joined = join(starts, confidence=0.99)
    assert pytest.approx((0.91, 1.1)) == (joined.ratio.low, joined.ratio.high)
    assert "no difference shown" == judge(joined, len(starts))


def test_starts_that_agree_justify_a_verdict() -> None:
    """One disturbed start of twelve changes nothing."""
    ratios = [0.86, 0.85, 0.87, 0.86, 1.3, 0.85, 0.86, 0.84, 0.86, 0.85, 0.87, 0.86]
    starts = [Duel("load", 100.0, 100.0 * ratio, Interval(ratio, ratio, ratio), UNSURE) for ratio in ratios]
    assert "B is 14.0% slower" == judge(join(starts, confidence=0.99), len(starts))


def test_few_rounds_justify_no_verdict() -> None:
    """Their interval is at most their span."""
    ratios = (1.01, 1.1, 1.12, 1.13, 1.14)
    starts = [Duel("load", 100.0, 112.0, Interval(ratio, ratio, ratio), UNSURE) for ratio in ratios]
    assert join(starts, confidence=0.99).ratio.excludes(1.0)
    assert "too few rounds" == judge(join(starts, confidence=0.99), len(starts))
