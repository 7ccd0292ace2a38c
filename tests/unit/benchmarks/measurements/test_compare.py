"""Two targets are told apart by what they are, and by figures only where these carry a verdict."""

from pathlib import Path

import pytest

pytest.importorskip("psutil")

from benchmarks.figures.statistics import Interval
from benchmarks.measurements.compare import TargetError, judge, launch_of, slowed
from benchmarks.measurements.duel import Duel, join
from tests.support.tiny import TINY

pytestmark = pytest.mark.development

ROOT = Path(__file__).parents[4]
UNSURE = Interval(0.98, 0.9, 1.05)


def test_an_artifact_is_served_by_this_tree() -> None:
    """Two artifacts differ in nothing else."""
    with launch_of(str(TINY), TINY.parent) as launch:
        assert launch.environment["VERDICT_ARTIFACT_DIR"] == str(TINY)
        assert launch.directory == ROOT


def test_a_tree_serves_the_common_artifact() -> None:
    """Two trees differ in nothing else."""
    with launch_of(str(ROOT), TINY) as launch:
        assert launch.environment["VERDICT_ARTIFACT_DIR"] == str(TINY)
        assert launch.directory == ROOT


def test_what_is_neither_artifact_nor_tree_nor_revision_is_refused(tmp_path: Path) -> None:
    """The message says what was looked for."""
    with pytest.raises(TargetError, match=r"no artifact, no working tree and no revision"), launch_of("none", tmp_path):
        pass


def test_a_slowed_server_is_the_same_server() -> None:
    """Only the command differs."""
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
    """The clock decides, CPU seconds where only they can."""
    assert judge(Duel("load", 1.0, 1.0, clock, cpu), rounds=12) == verdict


def test_an_interval_goes_over_starts_not_over_turns() -> None:
    """Two pairs of processes that are sure of opposite things show nothing, however sure each is."""
    faster, slower = Interval(1.1, 1.09, 1.11), Interval(0.91, 0.90, 0.92)
    starts = [Duel("load", 100.0, 110.0, it, it) for it in (faster, slower) * 6]
    joined = join(starts, confidence=0.99)
    assert pytest.approx((0.91, 1.1)) == (joined.ratio.low, joined.ratio.high)
    assert "no difference shown" == judge(joined, len(starts))


def test_starts_that_agree_carry_a_verdict() -> None:
    """One of twelve that was disturbed changes nothing."""
    ratios = [0.86, 0.85, 0.87, 0.86, 1.3, 0.85, 0.86, 0.84, 0.86, 0.85, 0.87, 0.86]
    starts = [Duel("load", 100.0, 100.0 * it, Interval(it, it, it), UNSURE) for it in ratios]
    assert "B is 14.0% slower" == judge(join(starts, confidence=0.99), len(starts))


def test_few_rounds_carry_no_verdict() -> None:
    """Their interval is no wider than they happened to lie."""
    starts = [Duel("load", 100.0, 112.0, Interval(it, it, it), UNSURE) for it in (1.01, 1.1, 1.12, 1.13, 1.14)]
    assert join(starts, confidence=0.99).ratio.excludes(1.0)
    assert "too few rounds" == judge(join(starts, confidence=0.99), len(starts))
