"""Memory: free pages between live blocks return to the system."""

import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from artifact.child import ROOT
from server import memory
from server.memory import Heap, find_trim

needs_trim = pytest.mark.skipif(find_trim() is None, reason="this C library keeps what is free")

_BLOCK = 64 * 1024  # bytes: below the size that the C library maps separately
_MB = 1024**2
ObservedHeap = Callable[..., tuple[Heap, list[int]]]


@needs_trim
def test_free_memory_between_what_stays_goes_back() -> None:
    """Every fiftieth block stays live, so free memory is not only at the end of the heap; two rounds are checked."""
    heap = Heap(24 * _MB, find_trim())
    for _ in range(2):
        kept = _leave_holes(2000)
        before = _resident_bytes()
        heap.trim()
        assert before - _resident_bytes() > 100 * _MB
        assert all(len(block) == _BLOCK for block in kept)


@needs_trim
def test_memory_of_the_next_run_is_kept() -> None:
    """Pages that every run reuses are kept: to map them again would take a quarter of a run's time."""
    heap = Heap(24 * _MB, find_trim())
    heap.trim()
    least = _resident_bytes()
    kept = _leave_holes(300)
    before = _resident_bytes()
    heap.trim()
    assert before - least > 8 * _MB, "there was something to give back"
    assert before - _resident_bytes() < _MB
    assert all(len(block) == _BLOCK for block in kept)


@pytest.fixture
def observed_heap(monkeypatch: pytest.MonkeyPatch) -> ObservedHeap:
    """Return what makes a heap of a process with these sizes in MB, one at each look, and the list of its trims."""

    def make(*resident_mb: int) -> tuple[Heap, list[int]]:
        sizes = iter(resident_mb)
        trims: list[int] = []

        def trim(padding: int) -> int:
            trims.append(padding)
            return 1

        monkeypatch.setattr(memory, "_resident_bytes", lambda: next(sizes) * _MB)
        return Heap(24 * _MB, trim), trims

    return make


def test_growth_is_measured_from_the_size_after_a_reload(observed_heap: ObservedHeap) -> None:
    """A measurement while two models are loaded does not let the remaining one grow to the size of both."""
    heap, trims = observed_heap(160, 140, 210, 200, 140, 165, 140)
    for expected in (1, 2, 2, 3):  # loaded; both are; one has gone; it has grown
        heap.trim()
        assert [0] * expected == trims


def test_pages_go_back_always_if_asked(observed_heap: ObservedHeap) -> None:
    """A reload leaves holes for certain, also where the process has not grown; growth is measured from there."""
    heap, trims = observed_heap(160, 140, 150, 120, 140, 145, 121)
    for always, expected in ((False, 1), (True, 2), (False, 2), (False, 3)):
        heap.trim(always=always)
        assert [0] * expected == trims


def test_another_c_library_is_left_alone() -> None:
    """A C library that cannot trim is not called."""
    Heap(0, None).trim()


_COUNT_ARENAS = """
import ctypes, sys, threading
from server.memory import limit_arenas
for workers in sys.argv[1:]:
    limit_arenas(int(workers))
together = threading.Barrier(9)
def allocate():
    block = b"x" * 100_000
    together.wait()
    together.wait()
threads = [threading.Thread(target=allocate) for _ in range(8)]
for thread in threads:
    thread.start()
together.wait()
libc = ctypes.CDLL(None)
libc.fdopen.restype = ctypes.c_void_p
libc.malloc_info(0, ctypes.c_void_p(libc.fdopen(1, b"w")))
libc.fflush(None)
together.wait()
"""


@needs_trim
@pytest.mark.parametrize(("workers", "arenas"), [(1, 2), (2, 2), (3, 3)])
def test_threads_share_a_heap_in_few_parts(workers: int, arenas: int) -> None:
    """As many as there are workers, and two at least: the C library gives back the free end of the first alone."""
    assert arenas == _arenas(str(workers))
    assert arenas < _arenas()


def _arenas(*workers: str) -> int:
    """Return how many parts the heap of a process with eight threads has."""
    command = [sys.executable, "-c", _COUNT_ARENAS, *workers]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout
    return shown.count("<heap nr=")


def _leave_holes(blocks: int) -> list[bytes]:
    """Allocate blocks, free all but every fiftieth, and return those."""
    return [b"x" * _BLOCK for _ in range(blocks)][::50]


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
