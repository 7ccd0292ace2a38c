"""Process: a child on cores of its own, with what it takes of CPU, memory, threads and file descriptors."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import psutil

ROOT: Final = Path(__file__).parents[2]
# Pins itself, enters the control group if one is named, then becomes the command: threads inherit both.
_LAUNCH: Final = """
import os, sys
cores, group = sys.argv[1:3]
if cores:
    os.sched_setaffinity(0, {int(core) for core in cores.split(",")})
if group:
    open(group, "w").write(str(os.getpid()))
os.execvp(sys.argv[3], sys.argv[3:])
"""
_STOP_TIMEOUT_S: Final = 35.0


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process and its children take.

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


@dataclass(frozen=True, slots=True)
class Placement:
    """Which cores run the server and which the load; the same ones where there is only one."""

    server: tuple[int, ...]
    load: tuple[int, ...]

    @property
    def shared(self) -> bool:
        """Whether server and load disturb each other."""
        return bool(set(self.server) & set(self.load))

    def resized(self, server_cores: int) -> "Placement":
        """Return the same cores dealt out anew, with so many for the server."""
        cores = sorted({*self.server, *self.load})
        return Placement(tuple(cores[:server_cores]), tuple(cores[server_cores:] or self.load))


def can_pin() -> bool:
    """Whether this system lets a process choose its cores."""
    return hasattr(os, "sched_setaffinity")


def place(server_cores: int = 1) -> Placement:
    """Give the first of this process's cores to the server and the rest to the load.

    Ask before ``pin_load``: afterwards this process has no other cores to deal out.
    """
    cores = tuple(sorted(os.sched_getaffinity(0)) if can_pin() else range(os.cpu_count() or 1))
    return Placement(cores, cores).resized(server_cores)


def server_python() -> str:
    """Return the interpreter of the server's own environment where it has been made, else this one."""
    own = ROOT / ".venv-server" / "bin" / "python"
    return str(own) if own.exists() else sys.executable


class Process:
    """A child process that ends with the block that it was started in.

    Args:
        command: program and arguments.
        cores: where it may run; anywhere if the system can not pin.
        environment: added to this process's environment.
        directory: where it runs.
        group: ``cgroup.procs`` of the control group that limits it.
        pipes: whether its standard input and output are pipes; both streams go to ``log`` otherwise.
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
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        pins = ",".join(str(core) for core in cores) if can_pin() else ""
        self.child = subprocess.Popen(  # noqa: S603 - commands of the benchmark's own
            [sys.executable, "-c", _LAUNCH, pins, str(group or ""), *command],
            cwd=directory,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.PIPE if pipes else subprocess.DEVNULL,
            stdout=subprocess.PIPE if pipes else self._log,
            stderr=self._log,
            text=True,
        )

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self.child.poll() is None

    def log(self) -> str:
        """Return what it has written so far."""
        self._log.seek(0)
        return self._log.read().decode(errors="replace")

    def usage(self) -> Usage:
        """Return what it and its children take now."""
        parent = psutil.Process(self.child.pid)
        family = [parent, *parent.children(recursive=True)]
        times = [member.cpu_times() for member in family]
        return Usage(
            resident_bytes=sum(member.memory_info().rss for member in family),
            cpu_s=sum(time.user + time.system for time in times),
            threads=sum(member.num_threads() for member in family),
            descriptors=sum(member.num_fds() for member in family),
        )

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.child.send_signal(number)

    def stop(self) -> int:
        """Ask it to end, kill it if it does not, and return its exit code."""
        if self.running:
            self.child.terminate()
        return self.wait()

    def wait(self) -> int:
        """Let it end by itself, kill it if it does not, and return its exit code."""
        try:
            return self.child.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.child.kill()
            return self.child.wait()

    def close(self) -> None:
        """End it and let go of what belongs to it."""
        self.stop()
        for stream in (self.child.stdin, self.child.stdout, self._log):
            if stream is not None:
                stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()
