"""Placement: the cores and the CPU quota that the server and the load get."""

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from artifact.cpu import usable_cores
from benchmarks import BenchmarkError

_CGROUP: Final = Path("/sys/fs/cgroup")
_PERIOD_US: Final = 100_000


class QuotaError(BenchmarkError):
    """This process may not set a CPU quota; the message says why."""


@dataclass(frozen=True, slots=True)
class Placement:
    """The cores of the server and of the load. They are the same where the machine has only one."""

    server: tuple[int, ...]
    load: tuple[int, ...]

    @property
    def shared(self) -> bool:
        """Whether server and load disturb each other."""
        return bool(set(self.server) & set(self.load))

    def resized(self, server_cores: int) -> "Placement":
        """Return the same cores with ``server_cores`` of them for the server."""
        cores = sorted({*self.server, *self.load})
        return Placement(tuple(cores[:server_cores]), tuple(cores[server_cores:] or self.load))


def can_pin() -> bool:
    """Whether this system lets a process choose its cores."""
    return hasattr(os, "sched_setaffinity")


def place(server_cores: int = 1) -> Placement:
    """Give the first of this process's cores to the server and the rest to the load.

    Call it before ``pin_load``, which takes the server's cores from this process.
    """
    cores = tuple(usable_cores())
    return Placement(cores, cores).resized(server_cores)


def pin_load(cores: Sequence[int]) -> None:
    """Keep this process, which sends the load, off the server's cores."""
    if can_pin():
        os.sched_setaffinity(0, cores)


@contextlib.contextmanager
def quota(vcpus: float) -> Iterator[Path]:
    """Make a control group with a CPU quota, as a container has one, and remove it at the end.

    It needs root outside of a container that forbids control groups. Versions 1 and 2 work.

    Args:
        vcpus: CPU seconds per second that the group gets.

    Yields:
        The file ``cgroup.procs`` by which a process enters the group.

    Raises:
        QuotaError: if the group cannot be made.
    """
    second = (_CGROUP / "cgroup.controllers").exists()
    group = (_CGROUP if second else _CGROUP / "cpu") / f"verdict-benchmark-{os.getpid()}"
    limit = round(vcpus * _PERIOD_US)
    try:
        group.mkdir()
    except OSError as error:
        raise QuotaError(f"no control group can be made in {group.parent}: {error.strerror}") from error
    try:
        try:
            if second:
                (group / "cpu.max").write_text(f"{limit} {_PERIOD_US}")
            else:
                (group / "cpu.cfs_period_us").write_text(str(_PERIOD_US))
                (group / "cpu.cfs_quota_us").write_text(str(limit))
        except OSError as error:
            raise QuotaError(f"{group} takes no CPU quota: {error.strerror}") from error
        yield group / "cgroup.procs"
    finally:
        group.rmdir()
