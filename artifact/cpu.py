"""The CPU that this process may really use: its cgroup quota, not the machine's cores.

``os.cpu_count()`` says 2 in a container limited to 0.25 vCPU; threads sized by it stall on the quota.
"""

import os
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")


def cpu_quota(cgroup: Path = _CGROUP) -> float:
    """Return the vCPUs this process may use: the smaller of its cgroup quota (v2, then v1) and its affinity."""
    available = float(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    for quota in (_quota_v2(cgroup), _quota_v1(cgroup)):
        if quota is not None:
            return min(quota, available)
    return available


def default_threads(quota: float) -> int:
    """Return the threads worth starting for a quota in vCPUs: fractions round to one, the rest down."""
    return max(1, int(quota))


def _quota_v2(cgroup: Path) -> float | None:
    try:
        quota, period = (cgroup / "cpu.max").read_text().split()
        return None if quota == "max" else int(quota) / int(period)
    except (OSError, ValueError):
        return None


def _quota_v1(cgroup: Path) -> float | None:
    try:
        quota = int((cgroup / "cpu" / "cpu.cfs_quota_us").read_text())
        period = int((cgroup / "cpu" / "cpu.cfs_period_us").read_text())
        return None if quota <= 0 else quota / period
    except (OSError, ValueError):
        return None


def cpu_model() -> str:
    """Return the processor's name, or "unknown" where the system does not tell."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return "unknown"


_INT8_FLAGS = ("avx2", "avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm")


def int8_features() -> list[str]:
    """Return the CPU flags that decide how fast, and by which kernels, int8 runs."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return []
    for line in text.splitlines():
        if line.startswith(("flags", "Features")):
            flags = set(line.partition(":")[2].split())
            return [flag for flag in _INT8_FLAGS if flag in flags]
    return []
