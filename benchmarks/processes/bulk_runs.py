"""Runs of bulk scoring and of the server over the same texts, with what they cost."""

import contextlib
import json
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Final

import psutil
import pyarrow as pa
from pyarrow import parquet

from artifact.child import ROOT, Child, ServedArtifact
from benchmarks import BenchmarkError
from benchmarks.processes.process import server_python

CALLERS: Final = 16
REQUEST_TEXTS: Final = 64
_POLL_S: Final = 0.05
_RAY_WORKER: Final = "ray::RaySwordfi"
"""How daft's workers on Ray begin their names; Linux keeps 15 characters of them."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds of a run, and the processor seconds in them, which a busy neighbour does not stretch."""

    seconds: float
    cpu_s: float


def serve(artifact: Path, texts: Sequence[str]) -> Cost:
    """Return what the server needs to answer all texts."""
    requests = [
        json.dumps({"texts": list(texts[start : start + REQUEST_TEXTS])}).encode()
        for start in range(0, len(texts), REQUEST_TEXTS)
    ]
    with ServedArtifact(artifact, interpreter=server_python()) as server:
        local, port = threading.local(), server.port

        def ask(body: bytes) -> None:
            if not hasattr(local, "connection"):
                local.connection = HTTPConnection("127.0.0.1", port, timeout=120)
            while True:
                local.connection.request("POST", "/predict/batch", body, {"content-type": "application/json"})
                response = local.connection.getresponse()
                response.read()
                if response.status != 429:  # noqa: PLR2004 - refused for now
                    break
            if response.status != 200:  # noqa: PLR2004 - answered
                raise BenchmarkError(f"the server answered {response.status}")

        process = psutil.Process(server.process.pid)
        started, used = time.perf_counter(), _cpu_s(process)
        with ThreadPoolExecutor(CALLERS) as callers:
            list(callers.map(ask, requests))
        return Cost(time.perf_counter() - started, _cpu_s(process) - used)


def run(
    artifact: Path, source: Path, output: Path, *more: str, watch: Callable[[psutil.Process], None] | None = None
) -> Cost:
    """Score a table and check its rows; return what the whole process took."""
    started = time.perf_counter()
    cpu_s = 0.0
    with Child([*command(artifact, source, output), *more]) as child:
        process = psutil.Process(child.process.pid)
        while child.running:
            with contextlib.suppress(psutil.Error):  # it has just ended
                cpu_s = _cpu_s(process)
                if watch is not None:
                    watch(process)
            time.sleep(_POLL_S)
        seconds = time.perf_counter() - started
        if child.process.returncode:
            raise BenchmarkError(f"{child} ended with exit code {child.process.returncode}; it wrote:\n{child.log}")
    ids = parquet.read_table(output / f"{source.stem}.parquet", columns=["id"])["id"]
    if [int(value) for value in ids.to_pylist()] != list(range(len(ids))):
        raise BenchmarkError(f"{output} lost or doubled a row")
    return Cost(seconds, cpu_s)


class WorkerKiller:
    """End a worker of this process's Ray cluster with kill -9 from time to time, while parts go on to be scored.

    Args:
        output: of the run.
        kills: at most.

    Attributes:
        killed: workers so far.
    """

    def __init__(self, output: Path, kills: int) -> None:
        self.killed = 0
        self._output = output
        self._kills = kills
        self._chance = random.Random(1)  # noqa: S311 - not cryptography
        self._next_parts = 1

    def __call__(self, _: psutil.Process) -> None:
        """End a worker if enough parts were scored since the last one."""
        parts = len(list(self._output.glob("_bulk/parts/*/*.parquet")))
        below = psutil.Process().children(recursive=True)
        workers = [one for one in below if _name(one).startswith(_RAY_WORKER)]
        if self.killed < self._kills and parts >= self._next_parts and workers:
            self._chance.choice(workers).kill()
            self.killed += 1
            self._next_parts = parts + self._chance.randint(1, 6)


def _name(process: psutil.Process) -> str:
    try:
        return str(process.name())
    except psutil.NoSuchProcess:  # it has just ended
        return ""


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def first_row_s(artifact: Path, source: Path, output: Path) -> float:
    """Return the seconds from the start of the process until a scored part, or the output, is there."""
    started = time.perf_counter()
    with Child(command(artifact, source, output)) as child:
        while not list(output.glob("_bulk/parts/*/*.parquet")) and not list(output.glob("*.parquet")):
            if not child.running:
                break
            time.sleep(_POLL_S / 10)
        return time.perf_counter() - started


def command(artifact: Path, source: Path, output: Path) -> list[str | Path]:
    """Return the command that scores a table."""
    return [sys.executable, "-m", "bulk", source, "--text", "text", "--output", output, "--artifact", artifact]


def output_of(command: Sequence[str | Path]) -> str:
    """Return the last line that a command prints."""
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()[-1]  # noqa: S603 - our own command


def write_table(path: Path, texts: Sequence[str]) -> Path:
    """Write texts with their numbers as a table."""
    parquet.write_table(pa.table({"id": list(range(len(texts))), "text": list(texts)}), path)
    return path


def megabytes(process: psutil.Process) -> float:
    """Return the resident memory of a process and all below it."""
    return sum(one.memory_info().rss for one in [process, *process.children(recursive=True)]) / 1e6
