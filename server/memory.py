"""Memory: free pages that the C library keeps, and that can go back to the system."""

import ctypes
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

WORKER_BYTES: Final = 24 * 1024**2
"""What the runs of one worker allocate and free again, and more: 10 MB for 256 tokens, 20 MB for 512. It is kept: the
first run after it was given back takes a quarter longer, because the system hands out 2,000 pages one by one."""
_LEAST_ARENAS: Final = 2
_M_ARENA_MAX: Final = -8  # malloc.h
_STATM: Final = Path("/proc/self/statm")

Trim = Callable[[int], int]


class Heap:
    """Give free pages of this process back to the system.

    Loading a model leaves 25 MB of holes between what stays; overload and reloads leave more.

    Args:
        kept_bytes: how much the process may grow before free pages are looked for.
        trim: glibc's ``malloc_trim``; None where there is none, and then nothing is given back.
    """

    def __init__(self, kept_bytes: int, trim: Trim | None) -> None:
        self._kept_bytes = kept_bytes
        self._trim = trim
        self._limit_bytes = 0

    def trim(self, *, always: bool = False) -> None:
        """Give free pages back the first time, and when the process has grown by more than is kept, or always."""
        if self._trim is None:
            return
        resident = _resident_bytes()
        if always or resident > self._limit_bytes:
            self._trim(0)  # takes 2 ms after a load
            self._limit_bytes = _resident_bytes() + self._kept_bytes
        else:  # smaller than before: a reload has replaced a model, and the old one is gone
            self._limit_bytes = min(self._limit_bytes, resident + self._kept_bytes)


def limit_arenas(workers: int) -> None:
    """Let the C library divide the heap into one part per worker, at least two; call it before threads begin.

    glibc makes up to eight per core, and ``malloc_trim`` gives back the free end of the first alone. After ten reloads
    on two cores the server kept 200 MB with glibc's own number of parts, and 150 to 157 MB with two. Both are equally
    fast: 1.5 % more CPU for sentences, 2 % less for reviews, on a busy machine. Other C libraries are left alone.
    """
    with suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, max(workers, _LEAST_ARENAS))


def find_trim() -> Trim | None:
    """Return the C library's ``malloc_trim``, or None if it has none or can not be asked."""
    try:
        return ctypes.CDLL(None).malloc_trim if _STATM.exists() else None
    except (AttributeError, OSError, TypeError):
        return None


def _resident_bytes() -> int:
    return int(_STATM.read_bytes().split()[1]) * os.sysconf("SC_PAGESIZE")
