"""The heap: what is free in it, but which the C library keeps from the system for later."""

import ctypes
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

_RUNS_BYTES: Final = 24 * 1024**2
"""What runs of the model take and free again: 10 MB for one of 256 tokens. It is kept: the first run after it was given
back takes a quarter longer, because the system hands out 2,000 pages one by one."""
_STATM: Final = Path("/proc/self/statm")


class Heap:
    """Free pages of this process, where the C library can give them back (glibc).

    Loading a model leaves holes of 25 MB between what stays, and overload or a reload leave more.
    """

    def __init__(self) -> None:
        self._trimmed_bytes = 0

    def trim(self) -> None:
        """Give free pages back to the system if the process has grown since: 2 ms after a load."""
        if _trim is None or _resident_bytes() <= self._trimmed_bytes + _RUNS_BYTES:
            return
        _trim(0)
        self._trimmed_bytes = _resident_bytes()


def _find() -> Callable[[int], int] | None:
    try:
        return ctypes.CDLL(None).malloc_trim if _STATM.exists() else None
    except (AttributeError, OSError, TypeError):  # another C library, or none that can be asked
        return None


def _resident_bytes() -> int:
    return int(_STATM.read_bytes().split()[1]) * os.sysconf("SC_PAGESIZE")


_trim = _find()
