"""The CPU time of this machine and of the processes on it."""

import time

import pytest

pytest.importorskip("psutil")

from benchmarks.report.machine import CpuSeconds

pytestmark = pytest.mark.development


def test_the_share_of_others_is_the_busy_time_that_is_not_our_own() -> None:
    """Of 20 CPU seconds, 12 were busy and 9 of these our own."""
    before, after = CpuSeconds(100.0, 50.0, 1.0), CpuSeconds(120.0, 62.0, 10.0)
    assert pytest.approx(0.15) == after.others_share(before)


def test_cpu_seconds_of_this_process_are_counted_as_its_own() -> None:
    """The share of others stays between 0 and 1."""
    before = CpuSeconds.now()
    until = time.process_time() + 0.1
    while time.process_time() < until:
        pass
    after = CpuSeconds.now()
    assert after.own - before.own > 0.05
    assert 0.0 <= after.others_share(before) <= 1.0
