"""What a size gives is what it costs by."""

import pytest

pytest.importorskip("psutil")

from benchmarks.measurements.scaling import Size, cost_of_a_million
from benchmarks.processes.cgroup import QuotaError, quota
from benchmarks.processes.process import Placement, Process, place

pytestmark = pytest.mark.development


def test_a_million_texts_cost_the_hours_that_they_take() -> None:
    """At 100 texts per vCPU second they take 10,000 s, which are 2.78 hours."""
    assert pytest.approx(0.1) == cost_of_a_million(100, price_per_hour=0.036)


@pytest.mark.parametrize(
    ("vcpus", "cores", "is_quota"), [(0.25, 1, True), (1, 1, False), (1.5, 1, True), (2, 2, False)]
)
def test_a_fraction_of_a_vcpu_is_a_quota(vcpus: float, cores: int, is_quota: bool) -> None:
    """Whole vCPUs are cores of their own."""
    assert (Size(vcpus).cores, Size(vcpus).is_quota) == (cores, is_quota)


def test_cores_are_dealt_out_anew() -> None:
    """The load keeps its own where the server has taken all."""
    placement = Placement(server=(0,), load=(1, 2))
    assert placement.resized(2) == Placement(server=(0, 1), load=(2,))
    assert placement.resized(3) == Placement(server=(0, 1, 2), load=(1, 2))


def test_a_process_enters_its_control_group() -> None:
    """Its quota is that of the group; the group is gone afterwards."""
    try:
        with quota(0.5) as group:
            with Process(["cat"], cores=place().server, group=group, pipes=True) as process:
                assert process.child.stdin is not None
                assert process.child.stdout is not None
                process.child.stdin.write("started\n")
                process.child.stdin.flush()
                process.child.stdout.readline()
                assert str(process.child.pid) in group.read_text().split()
            directory = group.parent
    except QuotaError as error:
        pytest.skip(f"no control groups here: {error}")
    assert not directory.exists()
