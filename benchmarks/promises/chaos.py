"""Chaos: all attacks at once, with reloads; ordinary callers get their own answers, and memory stays flat."""

import asyncio
import contextlib
import itertools
import re
import signal
import socket
import subprocess
import time
from dataclasses import replace
from http import HTTPStatus
from typing import Final

from benchmarks.figures.rounds import Effort
from benchmarks.figures.statistics import quantile
from benchmarks.load.attackers import Attackers
from benchmarks.load.generator import Generator, run
from benchmarks.load.misbehaviour import mixed_callers
from benchmarks.load.requests import single
from benchmarks.load.result import LoadResult
from benchmarks.processes.process import UsageSampler
from benchmarks.processes.servers import Rig, Server
from benchmarks.promises.answers import alone, wrong_answers
from benchmarks.promises.finding import Finding
from benchmarks.promises.poison import count_pardoned, poisoned, send_once_a_second
from benchmarks.promises.sharing import largest_batches

_SECONDS: Final = 600.0
_CALLERS: Final = 10
_GREEDY: Final = 4
_BATCHES: Final = 8
_RELOAD_S: Final = 10.0
_BETWEEN_RELOADS: Final = 0.1
_DURING_RELOADS: Final = 0.9
"""Quantiles of the resident memory: a reload holds two models for some of its ten seconds, so a median is either by
chance."""
_CROWD: Final = 100
_DRAIN_S: Final = 5.0
_UNFINISHED: Final = (
    b"",
    b"GET /health/live HTTP/1.1\r\nhost: x\r\n",
    b"GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n" * 600,
)
"""Idle connections, slow heads, unread answers."""
_HALF_SENT: Final = b"POST /predict HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 99\r\n\r\n"
_TAKEN: Final = frozenset({HTTPStatus.OK, HTTPStatus.TOO_MANY_REQUESTS})


def chaos(rig: Rig, effort: Effort) -> list[Finding]:
    """Ordinary callers beside attacks, largest batches, bad input, poison and SIGHUP, for 10 minutes; then SIGTERM."""
    pool = rig.texts.mixed(200, seed=8)
    settings = {**rig.settings, "drain_timeout_s": str(_DRAIN_S)}
    with poisoned(replace(rig, settings=settings), pool) as (failing, guilty), failing.server() as server:
        expected = alone(server, set(pool.texts))
        attackers = Attackers(server.address)
        greedy = largest_batches(rig.texts, _BATCHES)
        trouble = mixed_callers(pool, 1000, seed=8)
        duration_s = effort.scaled(_SECONDS)

        async def all_at_once() -> tuple[LoadResult, LoadResult]:
            async with asyncio.TaskGroup() as group:
                calls = Generator(server.address).closed_loop(
                    itertools.cycle(single(pool.texts)), _CALLERS, duration_s=duration_s
                )
                ordinary = group.create_task(calls)
                for requests, callers in ((greedy, _GREEDY), (trouble, 2)):
                    load = Generator(server.address).closed_loop(
                        itertools.cycle(requests), callers, duration_s=duration_s
                    )
                    group.create_task(load)
                poison = group.create_task(send_once_a_second(server.address, guilty, duration_s))
                group.create_task(attackers.attack(duration_s))
                group.create_task(_reload(server, duration_s))
            return ordinary.result(), poison.result()

        with UsageSampler(server, every_s=max(0.1, effort.scaled(1))) as sampler:
            result, poison = run(all_at_once())
        counted = server.counted("verdict_refused_connections_total")
        exit_s, exit_code = _end(server)
        failed = len(re.findall("reload failed: (?!another reload)", server.log))
        traces = server.log.count("Traceback") - server.log.count("a micro-batch of ")
    wrong = wrong_answers(result, expected)
    lost = sum(attempt.status not in _TAKEN for attempt in result.attempts)
    note = (
        f"{result.statuses()}; p50 {quantile(result.latencies_s(), 0.5) * 1000:.0f} ms, "
        f"p99 {quantile(result.latencies_s(), 0.99) * 1000:.0f} ms; {result.generator_note}"
    )
    largest = f"{max(usage.resident_bytes for _, usage in sampler.samples) / 1e6:.0f} MB at most"
    missing, what = max(0, attackers.refused - counted), "chaos: refused connections that were not counted"
    return [
        Finding("chaos: wrong answers to ordinary callers", wrong, "answers", "exactly", 0, note),
        Finding("chaos: ordinary requests neither answered nor refused with 429", lost, "requests", "exactly", 0),
        Finding("chaos: memory between reloads, the middle of the time against the last 30 %",
                _growth(sampler, _BETWEEN_RELOADS), "MB", "at most", 10),
        Finding("chaos: memory during reloads, likewise",
                _growth(sampler, _DURING_RELOADS), "MB", "at most", 10, largest),
        Finding(what, missing, "connections", "exactly", 0, f"{attackers.refused} received, {counted} counted"),
        Finding("chaos: reloads that failed", failed, "reloads", "exactly", 0),
        Finding("chaos: seconds from SIGTERM to the end", exit_s, "s", "at most", _DRAIN_S + 1,
                f"with {_CROWD} each of unread answers, half-sent bodies, slow heads and idle connections"),
        Finding("chaos: exit code", exit_code, "", "exactly", 0),
        Finding("chaos: tracebacks in the log, but for failed runs", traces, "tracebacks", "exactly", 0),
        Finding("chaos: poisonous texts without 422 text_failed", count_pardoned(poison), "texts", "exactly", 0),
    ]  # fmt: skip


def _growth(sampler: UsageSampler, share: float) -> float:
    """Return by how many MB a quantile of the resident memory grows."""
    early, late = (
        quantile([usage.resident_bytes for usage in sampler.between(*span)], share) for span in ((0.3, 0.6), (0.7, 1))
    )
    return (late - early) / 1e6


async def _reload(server: Server, duration_s: float) -> None:
    """Send SIGHUP at even distances; a reload takes seconds of a busy core."""
    for _ in range(int(duration_s / _RELOAD_S)):
        await asyncio.sleep(_RELOAD_S)
        server.signal(signal.SIGHUP)


def _end(server: Server) -> tuple[float, int]:
    """Send SIGTERM among connections of every kind; return the seconds until the end and the exit code."""
    with contextlib.ExitStack() as stack:
        for sent in (*_UNFINISHED, _HALF_SENT):
            for _ in range(_CROWD):
                connection = stack.enter_context(socket.socket())
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                connection.connect((server.address.host, server.address.port))
                connection.sendall(sent)
                if sent is _HALF_SENT:
                    connection.recv(1024)  # it is admitted
        began_s = time.perf_counter()
        server.signal(signal.SIGTERM)
        try:
            code = server.wait()
        except subprocess.TimeoutExpired:
            code = -1
        return time.perf_counter() - began_s, code
