"""Shutdown: SIGTERM in the middle of a load loses nothing that was admitted, time after time."""

import asyncio
import itertools
import math
import random
import signal
from collections.abc import Iterable
from typing import Final

from benchmarks.figures.effort import Effort
from benchmarks.load.client import Request, predict
from benchmarks.load.generator import Generator, run
from benchmarks.load.outcome import Outcome
from benchmarks.processes.rig import Rig
from benchmarks.processes.servers import Server
from benchmarks.promises.finding import Finding

_TIMES: Final = 20
_CALLERS: Final = 16


def shutdown(rig: Rig, effort: Effort) -> list[Finding]:
    """SIGTERM meets 16 callers, 20 times; each caller goes on until its connection is refused."""
    requests = [predict(text) for text in rig.texts.mixed(2000, seed=6).texts]
    draw = random.Random(6)  # noqa: S311 - not cryptography
    lost = raced = answered = refused = bad_exits = 0
    for _ in range(max(round(effort.lasting(_TIMES)), 1)):
        with rig.server() as server:
            signal_s = draw.uniform(0.3, 1.0)
            outcome = run(_terminate(server, itertools.cycle(requests), signal_s))
            bad_exits += server.wait() != 0  # no second signal: it would end the server at once
        sent = [it for it in outcome.exchanges if it.answer is None and not math.isnan(it.sent_s)]
        lost += sum(it.sent_s < signal_s for it in sent)
        raced += sum(it.sent_s >= signal_s for it in sent)
        answered += outcome.statuses().get(200, 0)
        refused += outcome.statuses().get(503, 0)
    note = f"{answered} answered, {refused} refused with 503, {raced} sent later to a socket that was closing"
    return [
        Finding("SIGTERM under load: requests sent before it and not answered", lost, "requests", "exactly", 0, note),
        Finding("SIGTERM under load: exit codes other than 0", bad_exits, "exits", "exactly", 0),
    ]


async def _terminate(server: Server, requests: Iterable[Request], signal_s: float) -> Outcome:
    asyncio.get_running_loop().call_later(signal_s, server.signal, signal.SIGTERM)
    return await Generator(server.address).closed_loop(requests, _CALLERS, duration_s=60, until_lost=True)
