"""A child process stays on its cores, and its usage is measured."""

import os
import sys

import pytest

pytest.importorskip("psutil")

from benchmarks.processes.placement import can_pin, place
from benchmarks.processes.process import Process, UsageSampler

pytestmark = pytest.mark.development

WAIT = [sys.executable, "-c", "print('ready', flush=True); input()"]


@pytest.mark.skipif(not can_pin(), reason="this system cannot pin processes")
def test_a_process_is_pinned_to_its_cores() -> None:
    """Server and load do not share a core."""
    core = min(os.sched_getaffinity(0))
    with Process(WAIT, cores=[core], pipes=True) as process:
        assert process.process.stdout is not None
        process.process.stdout.readline()
        assert {core} == os.sched_getaffinity(process.process.pid)


def test_usage_counts_memory_threads_and_descriptors() -> None:
    """All of them are positive for a running process."""
    with Process(WAIT, cores=place().server, pipes=True) as process:
        assert process.process.stdout is not None
        process.process.stdout.readline()
        usage = process.usage()
    assert usage.resident_bytes > 1_000_000
    assert usage.threads >= 1
    assert usage.descriptors >= 3


def test_a_sampler_stops_when_its_process_has_ended() -> None:
    """The samples until then remain."""
    with Process(WAIT, cores=place().server, pipes=True) as process:
        assert process.process.stdout is not None
        process.process.stdout.readline()
        with UsageSampler(process, every_s=0.001) as sampler:
            while not sampler.samples:
                os.sched_yield()
            process.close()
    assert sampler.samples
    assert len(sampler.samples) == len(sampler.between(0, 1))


def test_an_error_names_the_command_and_not_the_launcher() -> None:
    """The launcher pins the process and is replaced by the command."""
    with Process([*WAIT[:1], "-c", "pass"], cores=place().server) as process:
        assert f"{sys.executable} -c pass" == str(process)
