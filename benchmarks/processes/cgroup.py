"""Cgroup: a CPU quota for a server, as a container of a fraction of a vCPU has it.

Needs the right to make control groups (root, outside of a container that forbids it), version 1 or 2.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_ROOT: Final = Path("/sys/fs/cgroup")
_PERIOD_US: Final = 100_000


class QuotaError(Exception):
    """This system gives no quota to this process; the message says why."""


@contextlib.contextmanager
def quota(vcpus: float) -> Iterator[Path]:
    """Make a control group and return the file that a process enters it by; it is removed at the end.

    Args:
        vcpus: CPU seconds per second that the group gets.

    Raises:
        QuotaError: if the group can not be made.
    """
    second = (_ROOT / "cgroup.controllers").exists()
    group = (_ROOT if second else _ROOT / "cpu") / f"verdict-benchmark-{os.getpid()}"
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
