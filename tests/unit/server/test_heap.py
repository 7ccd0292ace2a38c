"""The heap: memory between what stays goes back to the system."""

import resource
import sys
from pathlib import Path

import pytest

from server import heap
from server.heap import Heap

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or heap._trim is None, reason="this C library keeps what is free"
)

_BLOCK = 64 * 1024  # bytes: below what the C library takes from the system apart


def test_free_memory_between_what_stays_goes_back() -> None:
    """Every hundredth block stays, so that nothing is free at the end of the heap alone; the first time and again."""
    trimmed = Heap()
    for _ in range(2):
        kept = _leave_holes(2000)
        before = _resident_bytes()
        trimmed.trim()
        assert before - _resident_bytes() > 100 * 1024**2
        assert all(len(block) == _BLOCK for block in kept)


def test_what_the_next_run_takes_is_kept() -> None:
    """Pages that come and go with every run stay: to get them anew takes the next one a quarter of its time."""
    trimmed = Heap()
    trimmed.trim()
    _leave_holes(160)
    before = _resident_bytes()
    trimmed.trim()
    assert _resident_bytes() == before


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is asked of a library that can not do it."""
    monkeypatch.setattr(heap, "_trim", None)
    Heap().trim()


def _leave_holes(blocks: int) -> list[bytes]:
    """Take so many blocks, free all but every hundredth, and return those."""
    return [b"x" * _BLOCK for _ in range(blocks)][::100]


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
