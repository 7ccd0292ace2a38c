"""The heap: what is free in it, but which the C library keeps from the system for later."""

import ctypes
from collections.abc import Callable


def trim() -> None:
    """Give free pages back to the system, where the C library can (glibc): 2 ms after a load, else 0.2.

    Loading a model leaves holes of 25 MB between what stays, and overload or a reload leave more.
    """
    if _trim is not None:
        _trim(0)


def _find() -> Callable[[int], int] | None:
    try:
        return ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):  # another C library, or none that can be asked
        return None


_trim = _find()
