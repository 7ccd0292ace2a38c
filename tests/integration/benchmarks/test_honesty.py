"""An open loop shows that a real server stopped for a while."""

import asyncio
import signal

import pytest

pytest.importorskip("psutil")

from artifact.child import ChildError
from benchmarks.load.generator import Generator, run
from benchmarks.load.requests import predict
from benchmarks.load.result import LoadResult
from benchmarks.processes.placement import place
from benchmarks.processes.servers import Server, verdict
from tests.support.tiny import TINY

pytestmark = pytest.mark.development

STOPPED_S = 0.4


def test_a_stopped_server_shows_in_the_open_loop() -> None:
    """Every request that was due during the stop waited for its end."""
    with Server(verdict(TINY), place().server) as server:
        result = run(_stop_for_a_while(server))
    longest = max(result.latencies_s())
    assert {200: 100} == result.statuses()
    assert longest > 0.75 * STOPPED_S
    assert sum(latency > STOPPED_S / 4 for latency in result.latencies_s()) >= 15


def test_the_error_of_a_server_that_does_not_start_has_its_output() -> None:
    """The output says why."""
    with pytest.raises(ChildError, match="no artifact in"):
        Server(verdict(TINY.parent), place().server)


async def _stop_for_a_while(server: Server) -> LoadResult:
    loop = asyncio.get_running_loop()
    loop.call_later(0.2, server.signal, signal.SIGSTOP)
    loop.call_later(0.2 + STOPPED_S, server.signal, signal.SIGCONT)
    return await Generator(server.address).open_loop([predict("a good film")], [0.01 * number for number in range(100)])
