"""Shutdown: SIGTERM in the middle of a load loses no admitted request, in every repetition."""

import asyncio
import itertools
import math
import random
import signal
import subprocess
from collections.abc import Iterable
from typing import Final

from benchmarks.figures.rounds import Effort
from benchmarks.load.generator import Generator, run
from benchmarks.load.requests import HttpRequest, single
from benchmarks.load.result import LoadResult
from benchmarks.processes.servers import Rig, Server
from benchmarks.promises.finding import Finding

_TIMES: Final = 20
_CALLERS: Final = 16


def shutdown(rig: Rig, effort: Effort) -> list[Finding]:
    """SIGTERM during a load of 16 callers, 20 times. Each caller continues until its connection is refused."""
    requests = single(rig.texts.mixed(2000, seed=6).texts)
    draw = random.Random(6)  # noqa: S311 - not cryptography
    lost = raced = answered = refused = bad_exits = 0
    for _ in range(max(round(effort.scaled(_TIMES)), 1)):
        with rig.server() as server:
            signal_s = draw.uniform(0.3, 1.0)
            result = run(_terminate(server, itertools.cycle(requests), signal_s))
            bad_exits += not _exits_with_0(server)
        sent = [each for each in result.attempts if each.response is None and not math.isnan(each.sent_s)]
        lost += sum(attempt.sent_s < signal_s for attempt in sent)
        raced += sum(attempt.sent_s >= signal_s for attempt in sent)
        answered += result.statuses().get(200, 0)
        refused += result.statuses().get(503, 0)
    note = f"{answered} answered, {refused} refused with 503, {raced} sent later to a socket that was closing"
    return [
        Finding("SIGTERM under load: requests sent before it and not answered", lost, "requests", "exactly", 0, note),
        Finding("SIGTERM under load: exit codes other than 0", bad_exits, "exits", "exactly", 0),
    ]


async def _terminate(server: Server, requests: Iterable[HttpRequest], signal_s: float) -> LoadResult:
    asyncio.get_running_loop().call_later(signal_s, server.signal, signal.SIGTERM)
    return await Generator(server.address).closed_loop(requests, _CALLERS, duration_s=60, until_lost=True)


def _exits_with_0(server: Server) -> bool:
    try:
        return server.wait() == 0  # without a second signal, which would end it at once
    except subprocess.TimeoutExpired:
        return False
