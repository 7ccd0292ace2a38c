"""Machine: where figures come from, without which they mean nothing."""

import importlib.metadata
import os
import platform
import shlex
import subprocess
import sys
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Self

import psutil

from artifact.manifest import MODEL, read_manifest
from benchmarks.processes.process import ROOT, Placement

_CGROUP: Final = Path("/sys/fs/cgroup")
_QUOTA_FILES: Final = ("cpu.max", "cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us")
# What decides how fast int8, bf16 and fp32 run, on x86 and on Arm.
_SPEED_FLAGS: Final = frozenset(
    {"avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_int8", "amx_bf16", "fma"}
    | {"asimddp", "i8mm", "bf16", "sve"}
)
_PACKAGES: Final = (
    "onnxruntime", "tokenizers", "numpy", "fastapi", "starlette", "uvicorn", "uvloop", "httptools", "pydantic",
    "torch", "transformers", "optimum-onnx",
)  # fmt: skip


def describe(artifact: Path, placement: Placement) -> dict[str, Any]:
    """Return machine, versions, artifact and command, ready for JSON."""
    return {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": shlex.join(["python", "-m", "benchmarks", *sys.argv[1:]]),
        "source_commit": _commit(),
        "machine": {
            "cpu": _cpu_field("model name") or platform.machine(),
            "flags": sorted(_SPEED_FLAGS & set((_cpu_field("flags") or _cpu_field("Features")).split())),
            "cores": os.cpu_count(),
            "server_cores": list(placement.server),
            "load_cores": list(placement.load),
            "quota_vcpus": quota_vcpus(),
            "cgroup": _quota(),
            "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
            "load_average": [round(load, 2) for load in os.getloadavg()],
            "cpu_at_start": asdict(CpuSeconds.now()),
            "system": platform.platform(),
            "python": platform.python_version(),
        },
        "versions": {name: version for name in _PACKAGES if (version := _version(name))},
        "artifact": _artifact(artifact),
    }


def conclude(context: dict[str, Any]) -> None:
    """Add to a description what others took of the machine since it was made."""
    before = CpuSeconds(**context["machine"]["cpu_at_start"])
    context["machine"]["others_share"] = CpuSeconds.now().others_share(before)


@dataclass(frozen=True, slots=True)
class CpuSeconds:
    """CPU seconds of this machine since some moment.

    Attributes:
        there: of all cores, idle or not.
        busy: of these, taken by anybody; by other machines on the same host too, as far as it tells.
        own: taken by this process and its children that have ended.
    """

    there: float
    busy: float
    own: float

    @classmethod
    def now(cls) -> Self:
        """Return them since the machine and this process were started."""
        times = psutil.cpu_times()._asdict()
        spent = {name: seconds for name, seconds in times.items() if not name.startswith("guest")}  # counted in user
        busy = sum(seconds for name, seconds in spent.items() if name not in {"idle", "iowait"})
        return cls(sum(spent.values()), busy, sum(os.times()[:4]))

    def others_share(self, before: Self) -> float:
        """Return what others took of the machine since then, from 0 to 1."""
        others = (self.busy - before.busy) - (self.own - before.own)
        return min(max(others / max(self.there - before.there, 1e-9), 0.0), 1.0)


def _artifact(directory: Path) -> dict[str, Any]:
    manifest = read_manifest(directory)
    return {
        "name": manifest.name,
        "version": manifest.version,
        "quantization": manifest.quantization.scheme,
        "max_length": manifest.max_length,
        "bytes": sum(file.size_bytes for file in manifest.files),
        "model_sha256": next(file.sha256 for file in manifest.files if file.path == MODEL),
    }


def _cpu_field(name: str) -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), "")


def quota_vcpus(cgroup: Path = _CGROUP) -> float | None:
    """Return the CPU seconds per second that the control group gives; None where it sets no limit."""
    quota = _quota(cgroup)
    if "cpu.max" in quota:
        limit, period = quota["cpu.max"].split()
    else:
        limit, period = quota.get("cpu.cfs_quota_us", "-1"), quota.get("cpu.cfs_period_us", "1")
    return None if limit in {"max", "-1"} else int(limit) / int(period)


def _quota(cgroup: Path = _CGROUP) -> dict[str, str]:
    """Return what the cgroup says of CPU time, v2 or v1, as it says it."""
    files = (cgroup / name for name in _QUOTA_FILES)
    return {path.name: path.read_text().strip() for path in files if path.exists()}


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty", "--exclude", "*"]
    try:
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603 - fixed
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
