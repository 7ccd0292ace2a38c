"""The heap: what is free in it, but which the C library keeps from the system for later."""

import ctypes
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

WORKER_BYTES: Final = 24 * 1024**2
"""What the runs of a worker take and free again, and more: 10 MB for 256 tokens, 20 for 512. It is worth keeping: the
first run after it was given back takes a quarter longer, because the system hands out 2,000 pages one by one."""
_STATM: Final = Path("/proc/self/statm")


class Heap:
    """Free pages of this process, where the C library can give them back (glibc).

    Loading a model leaves holes of 25 MB between what stays, and overload or a reload leave more.

    Args:
        kept_bytes: what the process may grow by before it is worth looking for them.
    """

    def __init__(self, kept_bytes: int) -> None:
        self._kept_bytes = kept_bytes
        self._limit_bytes = 0

    def trim(self) -> None:
        """Give free pages back to the system, the first time and when the process has grown by more than is kept."""
        if _trim is None:
            return
        resident = _resident_bytes()
        if resident > self._limit_bytes:
            _trim(0)  # 2 ms after a load
            self._limit_bytes = _resident_bytes() + self._kept_bytes
        else:  # smaller than it was: the model that a reload has replaced is gone
            self._limit_bytes = min(self._limit_bytes, resident + self._kept_bytes)


def _find() -> Callable[[int], int] | None:
    try:
        return ctypes.CDLL(None).malloc_trim if _STATM.exists() else None
    except (AttributeError, OSError, TypeError):  # another C library, or none that can be asked
        return None


def _resident_bytes() -> int:
    return int(_STATM.read_bytes().split()[1]) * os.sysconf("SC_PAGESIZE")


_trim = _find()
