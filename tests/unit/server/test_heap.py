"""The heap: memory between what stays goes back to the system."""

import resource
import sys
from pathlib import Path

import pytest

from server import heap

_BLOCK = 64 * 1024  # bytes: below what the C library takes from the system apart


@pytest.mark.skipif(sys.platform != "linux", reason="the size of a process is read where Linux keeps it")
def test_free_memory_between_what_stays_goes_back() -> None:
    """Every hundredth block stays, so that nothing is free at the end of the heap alone."""
    if heap._trim is None:
        pytest.skip("this C library keeps what is free")
    blocks = [b"x" * _BLOCK for _ in range(2000)]
    kept = blocks[::100]
    blocks.clear()
    before = _resident_bytes()
    heap.trim()
    assert before - _resident_bytes() > 100 * 1024**2
    assert all(len(block) == _BLOCK for block in kept)


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is asked of a library that can not do it."""
    monkeypatch.setattr(heap, "_trim", None)
    heap.trim()


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
