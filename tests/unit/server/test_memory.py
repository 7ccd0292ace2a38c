"""The heap: memory between what stays goes back to the system."""

import resource
from pathlib import Path

import pytest

from server import memory as heap
from server.memory import Heap

needs_trim = pytest.mark.skipif(heap._trim is None, reason="this C library keeps what is free")

_BLOCK = 64 * 1024  # bytes: below what the C library takes from the system apart
_MB = 1024**2


@needs_trim
def test_free_memory_between_what_stays_goes_back() -> None:
    """Every fiftieth block stays, so that nothing is free at the end of the heap alone; the first time and again."""
    trimmed = Heap(24 * _MB)
    for _ in range(2):
        kept = _leave_holes(2000)
        before = _resident_bytes()
        trimmed.trim()
        assert before - _resident_bytes() > 100 * _MB
        assert all(len(block) == _BLOCK for block in kept)


@needs_trim
def test_what_the_next_run_takes_is_kept() -> None:
    """Pages that come and go with every run stay: to get them anew takes the next one a quarter of its time."""
    trimmed = Heap(24 * _MB)
    trimmed.trim()
    least = _resident_bytes()
    kept = _leave_holes(300)
    before = _resident_bytes()
    trimmed.trim()
    assert before - least > 8 * _MB, "there was something to give back"
    assert before - _resident_bytes() < _MB
    assert all(len(block) == _BLOCK for block in kept)


def test_the_size_after_a_reload_is_what_growth_is_told_from(monkeypatch: pytest.MonkeyPatch) -> None:
    """A look while two models are loaded does not allow the one that stays to grow to the size of both."""
    sizes = iter(size * _MB for size in (160, 140, 210, 200, 140, 165, 140))
    trims: list[int] = []
    monkeypatch.setattr(heap, "_resident_bytes", lambda: next(sizes))
    monkeypatch.setattr(heap, "_trim", trims.append)
    trimmed = Heap(24 * _MB)
    for expected in (1, 2, 2, 3):  # loaded; both are; one has gone; it has grown
        trimmed.trim()
        assert expected == len(trims)


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is asked of a library that can not do it."""
    monkeypatch.setattr(heap, "_trim", None)
    Heap(0).trim()


def _leave_holes(blocks: int) -> list[bytes]:
    """Take so many blocks, free all but every fiftieth, and return those."""
    return [b"x" * _BLOCK for _ in range(blocks)][::50]


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
