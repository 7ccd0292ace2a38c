"""A child process stays where it was put, is measured, and ends with its block."""

import os
import signal
import sys

import pytest

pytest.importorskip("psutil")

from benchmarks.processes.process import Placement, Process, can_pin, place

pytestmark = pytest.mark.development

WAIT = [sys.executable, "-c", "print('ready', flush=True); input()"]


@pytest.mark.skipif(not can_pin(), reason="this system can not pin processes")
def test_a_process_is_pinned_to_its_cores() -> None:
    """Server and load would disturb each other otherwise."""
    core = min(os.sched_getaffinity(0))
    with Process(WAIT, cores=[core], pipes=True) as process:
        assert process.child.stdout is not None
        process.child.stdout.readline()
        assert os.sched_getaffinity(process.child.pid) == {core}


def test_usage_counts_memory_threads_and_descriptors() -> None:
    """None of them is nothing for a process that runs."""
    with Process(WAIT, cores=place().server, pipes=True) as process:
        assert process.child.stdout is not None
        process.child.stdout.readline()
        usage = process.usage()
    assert usage.resident_bytes > 1_000_000
    assert usage.threads >= 1
    assert usage.descriptors >= 3


def test_a_process_ends_with_its_block() -> None:
    """Nothing is left running behind a measurement, whatever happened in it."""
    with Process(WAIT, cores=place().server, pipes=True) as process:
        assert process.running
    assert process.child.returncode == -signal.SIGTERM


def test_what_a_process_writes_can_be_read() -> None:
    """A server that does not start says why."""
    with Process([sys.executable, "-c", "raise SystemExit('no model')"], cores=place().server) as process:
        process.child.wait()
        assert "no model" == process.log().strip()


def test_one_core_is_shared() -> None:
    """Figures of a machine with one core must be read with care."""
    assert Placement(server=(0,), load=(0,)).shared
    assert not Placement(server=(0,), load=(1,)).shared
