"""The sizes of a task."""

import pytest

pytest.importorskip("psutil")

from benchmarks.measurements.scaling import Size

pytestmark = pytest.mark.development


@pytest.mark.parametrize(
    ("vcpus", "cores", "is_quota"), [(0.25, 1, True), (1, 1, False), (1.5, 1, True), (2, 2, False)]
)
def test_a_fraction_of_a_vcpu_is_a_quota(vcpus: float, cores: int, is_quota: bool) -> None:
    """Whole vCPUs are whole cores."""
    assert (cores, is_quota) == (Size(vcpus).cores, Size(vcpus).is_quota)
