"""The CPU: what this process may use, read from control groups of both versions."""

import os
import platform
from pathlib import Path

import pytest

from artifact.cpu import cgroup_quota, cpu_flags, cpu_model, cpu_quota, default_threads, int8_features


@pytest.fixture(autouse=True)
def _eight_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", {0: set(range(8))}.__getitem__, raising=False)


def write(path: Path, text: str) -> None:
    """Write a file with its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.mark.parametrize(
    ("text", "vcpus"),
    [
        ("25000 100000\n", 0.25),
        ("200000 100000\n", 2.0),
        ("50000 20000\n", 2.5),
        ("1600000 100000\n", 8.0),
        ("max 100000\n", 8.0),
        ("", 8.0),
        ("nonsense\n", 8.0),
        ("1 2 3\n", 8.0),
    ],
)
def test_the_quota_of_version_2(tmp_path: Path, text: str, vcpus: float) -> None:
    """``cpu.max`` holds quota and period; no quota, or one that can not be read, leaves the cores."""
    write(tmp_path / "cpu.max", text)
    assert vcpus == cpu_quota(tmp_path)


@pytest.mark.parametrize(
    ("quota", "period", "vcpus"),
    [
        ("150000", "100000", 1.5),
        ("-1", "100000", 8.0),
        ("0", "100000", 8.0),
        ("x", "100000", 8.0),
        ("1600000", "100000", 8.0),
    ],
)
def test_the_quota_of_version_1(tmp_path: Path, quota: str, period: str, vcpus: float) -> None:
    """Version 1 has a file for each of the two, and -1 for no quota."""
    write(tmp_path / "cpu" / "cpu.cfs_quota_us", quota)
    write(tmp_path / "cpu" / "cpu.cfs_period_us", period)
    assert vcpus == cpu_quota(tmp_path)


def test_without_control_groups_the_cores_count(tmp_path: Path) -> None:
    """Where there is no file at all, the affinity of the process says how many cores it may use."""
    assert 8.0 == cpu_quota(tmp_path)
    assert cgroup_quota(tmp_path) is None


def test_without_affinity_the_machine_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Systems without affinity tell their number of cores, or nothing, which is taken as one."""
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert 6.0 == cpu_quota(tmp_path)
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert 1.0 == cpu_quota(tmp_path)


@pytest.mark.parametrize(("quota", "threads"), [(0.1, 1), (0.99, 1), (1.0, 1), (1.9, 1), (2.0, 2), (7.5, 7)])
def test_threads_never_exceed_the_quota(quota: float, threads: int) -> None:
    """Fractions round to one thread, the rest down: a thread too many stalls on the quota."""
    assert threads == default_threads(quota)


CPUINFO = """processor\t: 0
model name\t: Imaginary CPU @ 3.00GHz
flags\t\t: fpu avx2 sse4_2 avx512_vnni amx_int8 avx512f
processor\t: 1
model name\t: Another
"""


def test_the_cpu_is_named_with_what_decides_int8(tmp_path: Path) -> None:
    """The first processor's name and those of its flags that choose the int8 kernels."""
    write(tmp_path / "cpuinfo", CPUINFO)
    cpuinfo = tmp_path / "cpuinfo"
    assert "Imaginary CPU @ 3.00GHz" == cpu_model(cpuinfo)
    assert ["avx2", "avx512_vnni", "amx_int8"] == int8_features(cpuinfo)
    assert {"fpu", "avx2", "sse4_2", "avx512_vnni", "amx_int8", "avx512f"} == cpu_flags(cpuinfo)


@pytest.mark.parametrize("text", [None, "", "processor: 0\n"])
def test_a_system_that_does_not_tell_its_cpu(tmp_path: Path, text: str | None) -> None:
    """Where nothing is known the architecture stands for the name and there are no flags; nothing fails."""
    if text is not None:
        write(tmp_path / "cpuinfo", text)
    cpuinfo = tmp_path / "cpuinfo"
    assert (platform.machine(), []) == (cpu_model(cpuinfo), int8_features(cpuinfo))
