"""Machine: where figures come from. Without it they mean nothing."""

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

from artifact.child import ROOT
from artifact.cpu import cgroup_quota, cpu_flags, cpu_model
from artifact.manifest import MODEL, read_manifest
from benchmarks.processes.placement import Placement

# They decide how fast int8, bf16 and fp32 run, on x86 and on Arm.
_SPEED_FLAGS: Final = frozenset(
    {"avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_int8", "amx_bf16", "fma"}
    | {"asimddp", "i8mm", "bf16", "sve"}
)
_PACKAGES: Final = (
    "onnxruntime", "tokenizers", "numpy", "fastapi", "starlette", "uvicorn", "uvloop", "httptools", "pydantic",
    "torch", "transformers", "optimum-onnx",
)  # fmt: skip


def describe(artifact: Path | None = None, placement: Placement | None = None, note: str = "") -> dict[str, Any]:
    """Return machine, versions, artifact and command, ready for JSON.

    Args:
        artifact: what is served; None where many models are measured.
        placement: cores of server and load; None where there is no load.
        note: what else the reader must know of this machine.
    """
    cores = {} if placement is None else {"server_cores": placement.server, "load_cores": placement.load}
    return {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": command(),
        "source_commit": _commit(),
        "machine": {
            "cpu": cpu_model(),
            "flags": sorted(_SPEED_FLAGS & cpu_flags()),
            "cores": os.cpu_count(),
            **{name: list(numbers) for name, numbers in cores.items()},
            "quota_vcpus": cgroup_quota(),
            "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
            "load_average": [round(load, 2) for load in os.getloadavg()],
            "cpu_at_start": asdict(CpuSeconds.now()),
            "system": platform.platform(),
            "python": platform.python_version(),
            "note": note,
        },
        "versions": {name: version for name in _PACKAGES if (version := _version(name))},
        **({} if artifact is None else {"artifact": _artifact(artifact)}),
    }


def command() -> str:
    """Return this process's command."""
    return shlex.join(["python", "-m", "benchmarks", *sys.argv[1:]])


def conclude(context: dict[str, Any]) -> None:
    """Add the share of the machine that other processes took since ``describe`` was called."""
    before = CpuSeconds(**context["machine"]["cpu_at_start"])
    context["machine"]["others_share"] = CpuSeconds.now().others_share(before)


@dataclass(frozen=True, slots=True)
class CpuSeconds:
    """CPU seconds of this machine since an arbitrary time.

    Attributes:
        there: of all cores, idle or not.
        busy: of these, not idle; with the time that other guests of the host took, where the kernel reports it.
        own: of these, of this process and its children that have ended.
    """

    there: float
    busy: float
    own: float

    @classmethod
    def now(cls) -> Self:
        """Return them since the machine and this process started."""
        times = psutil.cpu_times()._asdict()
        spent = {name: seconds for name, seconds in times.items() if not name.startswith("guest")}  # part of user
        busy = sum(seconds for name, seconds in spent.items() if name not in {"idle", "iowait"})
        return cls(sum(spent.values()), busy, sum(os.times()[:4]))

    def others_share(self, before: Self) -> float:
        """Return the share of the machine that others took between two times, from 0 to 1."""
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


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _commit() -> str:
    arguments = ["git", "describe", "--always", "--dirty", "--exclude", "*"]
    try:
        return subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603 - fixed
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
