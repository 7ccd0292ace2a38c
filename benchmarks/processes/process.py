"""Process: a child on its own cores, and the CPU, memory, threads and file descriptors that it uses."""

import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import psutil

from artifact.child import ROOT, Child
from benchmarks.processes.placement import can_pin

# Pins itself, enters the control group if one is named, then becomes the command. Threads inherit both.
_LAUNCH: Final = """
import os, sys
cores, group = sys.argv[1:3]
if cores:
    os.sched_setaffinity(0, {int(core) for core in cores.split(",")})
if group:
    open(group, "w").write(str(os.getpid()))
os.execvp(sys.argv[3], sys.argv[3:])
"""


@dataclass(frozen=True, slots=True)
class Usage:
    """The resources of a process and its children.

    Attributes:
        resident_bytes: resident memory.
        cpu_s: CPU seconds since they started.
        threads: of all of them.
        descriptors: open file descriptors of all of them.
    """

    resident_bytes: int
    cpu_s: float
    threads: int
    descriptors: int


def server_python() -> str:
    """Return the interpreter of the server's own environment; this process's where that has not been made."""
    own = ROOT / ".venv-server" / "bin" / "python"
    return str(own) if own.exists() else sys.executable


class Process(Child):
    """A pinned child process that ends with its ``with`` block.

    Args:
        command: program and arguments.
        cores: where it may run; anywhere if the system cannot pin.
        environment: added to this process's environment.
        directory: where it runs.
        group: ``cgroup.procs`` of the control group that limits it.
        pipes: whether its standard input and output are text pipes.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        cores: Sequence[int],
        environment: Mapping[str, str] | None = None,
        directory: Path = ROOT,
        group: Path | None = None,
        pipes: bool = False,
    ) -> None:
        self._command = command
        pins = ",".join(str(core) for core in cores) if can_pin() else ""
        launch = [sys.executable, "-c", _LAUNCH, pins, str(group or ""), *command]
        super().__init__(launch, environment=environment, directory=directory, pipes=pipes)

    def __str__(self) -> str:
        return " ".join(self._command)

    def usage(self) -> Usage:
        """Return the resources that it and its children use now."""
        parent = psutil.Process(self.process.pid)
        family = [parent, *parent.children(recursive=True)]
        times = [member.cpu_times() for member in family]
        return Usage(
            resident_bytes=sum(member.memory_info().rss for member in family),
            cpu_s=sum(time.user + time.system for time in times),
            threads=sum(member.num_threads() for member in family),
            descriptors=sum(member.num_fds() for member in family),
        )


class UsageSampler:
    """Samples a process's usage on a thread between enter and exit, until the process ends.

    Args:
        process: to sample.
        every_s: seconds between samples; one takes about a millisecond of this process.

    Attributes:
        samples: (seconds since the start, usage).
    """

    def __init__(self, process: Process, every_s: float) -> None:
        self.samples: list[tuple[float, Usage]] = []
        self._process = process
        self._every_s = every_s
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def between(self, start: float, end: float) -> list[Usage]:
        """Return the samples of a part of the time, given by its limits from 0 to 1."""
        last = self.samples[-1][0]
        return [usage for seconds, usage in self.samples if start * last <= seconds <= end * last]

    def _sample(self) -> None:
        started = time.perf_counter()
        while True:
            try:
                self.samples.append((time.perf_counter() - started, self._process.usage()))
            except psutil.NoSuchProcess:
                return
            if self._ended.wait(self._every_s):
                return

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._ended.set()
        self._thread.join()
