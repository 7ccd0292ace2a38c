"""The cores of server and load, and the CPU quota of a child."""

import pytest

pytest.importorskip("psutil")

from benchmarks.processes.placement import Placement, QuotaError, place, quota
from benchmarks.processes.process import Process

pytestmark = pytest.mark.development


def test_a_placement_is_resized_with_the_same_cores() -> None:
    """The load keeps its cores if the server takes all."""
    placement = Placement(server=(0,), load=(1, 2))
    assert Placement(server=(0, 1), load=(2,)) == placement.resized(2)
    assert Placement(server=(0, 1, 2), load=(1, 2)) == placement.resized(3)


def test_one_core_is_shared() -> None:
    """Server and load disturb each other there."""
    assert Placement(server=(0,), load=(0,)).shared
    assert not Placement(server=(0,), load=(1,)).shared


def test_a_process_enters_its_control_group() -> None:
    """The group is removed afterwards."""
    try:
        with quota(0.5) as group:
            with Process(["cat"], cores=place().server, group=group, pipes=True) as process:
                assert process.process.stdin is not None
                assert process.process.stdout is not None
                process.process.stdin.write("started\n")
                process.process.stdin.flush()
                process.process.stdout.readline()
                assert str(process.process.pid) in group.read_text().split()
            directory = group.parent
    except QuotaError as error:
        pytest.skip(f"no control groups here: {error}")
    assert not directory.exists()
