"""A real server that stops for a while can not hide it from an open loop."""

import asyncio
import signal

import pytest

pytest.importorskip("psutil")

from benchmarks.load.client import predict
from benchmarks.load.generator import Generator, run
from benchmarks.load.outcome import Outcome
from benchmarks.processes.process import place
from benchmarks.processes.servers import Server, ServerError, verdict
from tests.support.tiny import TINY

pytestmark = pytest.mark.development

STOPPED_S = 0.4


def test_a_stopped_server_shows_in_the_open_loop() -> None:
    """Requests that were due while it stood still waited for it, each for its own part of that time."""
    with Server(verdict(TINY), place().server) as server:
        outcome = run(_stop_for_a_while(server))
    longest = max(outcome.latencies_s())
    assert {200: 100} == outcome.statuses()
    assert longest > 0.75 * STOPPED_S
    assert sum(latency > STOPPED_S / 4 for latency in outcome.latencies_s()) >= 15


def test_a_server_that_does_not_start_says_why() -> None:
    """What it wrote stands in the message."""
    with pytest.raises(ServerError, match="no artifact in"):
        Server(verdict(TINY.parent), place().server)


async def _stop_for_a_while(server: Server) -> Outcome:
    loop = asyncio.get_running_loop()
    loop.call_later(0.2, server.signal, signal.SIGSTOP)
    loop.call_later(0.2 + STOPPED_S, server.signal, signal.SIGCONT)
    return await Generator(server.address).open_loop([predict("a good film")], [0.01 * it for it in range(100)])
