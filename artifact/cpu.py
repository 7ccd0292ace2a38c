"""The CPU: its name, its flags, and how much of it this process may use.

``os.cpu_count()`` says 2 in a container limited to 0.25 vCPU; threads sized by it stall on the quota.
"""

import os
import platform
from pathlib import Path
from typing import Final

_CGROUP: Final = Path("/sys/fs/cgroup")
_CPUINFO: Final = Path("/proc/cpuinfo")
_INT8_FLAGS: Final = ("avx2", "avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm")


def usable_cores() -> list[int]:
    """Return the numbers of the cores that this process may run on, in ascending order."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))


def cgroup_quota(cgroup: Path = _CGROUP) -> float | None:
    """Return the vCPUs that the control group (v2, then v1) grants; None where it sets no limit."""
    for quota in (_quota_v2(cgroup), _quota_v1(cgroup)):
        if quota is not None:
            return quota
    return None


def cpu_quota(cgroup: Path = _CGROUP) -> float:
    """Return the vCPUs that this process may use: the smaller of its cgroup quota and its cores."""
    cores = float(len(usable_cores()))
    quota = cgroup_quota(cgroup)
    return cores if quota is None else min(quota, cores)


def default_threads(quota: float) -> int:
    """Return the threads worth starting for a quota in vCPUs: at least one, fractions rounded down."""
    return max(1, int(quota))


def cpu_model(cpuinfo: Path = _CPUINFO) -> str:
    """Return the processor's name; its architecture, such as "aarch64", where the system tells no more."""
    return _field(cpuinfo, "model name") or platform.machine() or "unknown"


def cpu_flags(cpuinfo: Path = _CPUINFO) -> frozenset[str]:
    """Return the processor's instruction set flags, empty where the system does not tell."""
    return frozenset((_field(cpuinfo, "flags") or _field(cpuinfo, "Features")).split())


def int8_features(cpuinfo: Path = _CPUINFO) -> list[str]:
    """Return the flags that decide how fast, and by which kernels, int8 runs."""
    flags = cpu_flags(cpuinfo)
    return [flag for flag in _INT8_FLAGS if flag in flags]


def _field(cpuinfo: Path, name: str) -> str:
    try:
        lines = cpuinfo.read_text().splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), "")


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
