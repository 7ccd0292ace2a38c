"""Loads are sent as planned, and the result of each request is recorded as it was."""

import asyncio
import gc
import itertools
import math
import time
from dataclasses import replace
from typing import Any

import pytest

pytest.importorskip("uvloop")

from benchmarks.load import generator
from benchmarks.load.client import Address, Connection, connect
from benchmarks.load.generator import Generator, poisson_arrivals
from benchmarks.load.requests import predict
from benchmarks.load.result import NO_RESPONSE
from tests.unit.benchmarks.conftest import OK, FakeServer

pytestmark = pytest.mark.anyio

REQUESTS = [predict(f"text {number}") for number in range(10)]
STALL_S = 0.3


def test_arrivals_are_poisson_and_the_same_for_a_seed() -> None:
    """Gaps have the mean and the deviation of an exponential distribution."""
    arrivals = poisson_arrivals(50.0, 100.0, seed=1)
    gaps = [later - earlier for earlier, later in itertools.pairwise(arrivals)]
    mean = sum(gaps) / len(gaps)
    deviation = math.sqrt(sum((gap - mean) ** 2 for gap in gaps) / len(gaps))
    assert arrivals == poisson_arrivals(50.0, 100.0, seed=1)
    assert pytest.approx(0.02, rel=0.05) == mean
    assert pytest.approx(mean, rel=0.1) == deviation


async def test_a_closed_loop_sends_every_request_once(fake_server: FakeServer) -> None:
    """Callers share the requests and keep a connection each."""
    result = await Generator(fake_server.address).closed_loop(REQUESTS, callers=3)
    assert sorted(fake_server.bodies) == sorted(request.payload.rpartition(b"\r\n")[2] for request in REQUESTS)
    assert ({200: 10}, 3) == (result.statuses(), fake_server.connections)


async def test_kept_connections_serve_the_next_load(fake_server: FakeServer) -> None:
    """They stay open until ``close``, after which the next load opens new ones."""
    generator = Generator(fake_server.address, keep=True)
    for _ in range(3):
        await generator.closed_loop(REQUESTS, callers=2)
    assert 2 == fake_server.connections
    generator.close()
    await generator.closed_loop(REQUESTS, callers=2)
    generator.close()
    assert 4 == fake_server.connections


async def test_an_open_loop_shows_a_server_that_stops(fake_server: FakeServer) -> None:
    """Every request that was due during the stop has waited, not only the one in progress."""
    fake_server.respond = _stall_once()
    arrivals = [0.01 * number for number in range(60)]
    result = await Generator(fake_server.address).open_loop(REQUESTS, arrivals)
    waited = sum(latency >= STALL_S / 2 for latency in result.latencies_s())
    assert {200: 60} == result.statuses()
    assert waited >= 10


async def test_a_closed_loop_hides_a_server_that_stops(fake_server: FakeServer) -> None:
    """Its one caller waits once. This is why open loops are measured as well."""
    fake_server.respond = _stall_once()
    result = await Generator(fake_server.address).closed_loop(REQUESTS * 6, callers=1)
    assert 1 == sum(latency >= STALL_S / 2 for latency in result.latencies_s())


async def test_the_callers_own_work_is_no_part_of_a_latency(
    fake_server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A latency ends when the last bytes arrive."""
    complete = Connection.on_message_complete

    def complete_slowly(self: Connection) -> None:
        until = time.perf_counter() + STALL_S
        while time.perf_counter() < until:
            pass
        complete(self)

    monkeypatch.setattr(Connection, "on_message_complete", complete_slowly)
    result = await Generator(fake_server.address).closed_loop(REQUESTS[:1], callers=1)
    assert result.wall_s >= STALL_S
    assert result.latencies_s()[0] < STALL_S


@pytest.mark.parametrize("polls", [False, True])
async def test_polling_keeps_the_event_loop_awake_during_the_load_alone(
    fake_server: FakeServer, monkeypatch: pytest.MonkeyPatch, *, polls: bool
) -> None:
    """No response waits for a core to wake up, and nothing runs on afterwards."""
    loop = asyncio.get_running_loop()
    call_soon, called = loop.call_soon, []

    def count(callback: Any, *args: Any, **context: Any) -> asyncio.Handle:
        called.append(getattr(callback, "__name__", ""))
        return call_soon(callback, *args, **context)

    monkeypatch.setattr(loop, "call_soon", count)
    fake_server.respond = _stall_once()
    result = await Generator(fake_server.address, polls=polls).closed_loop(REQUESTS * 3, callers=1)
    during = called.count("poll")
    for _ in range(3):
        await asyncio.sleep(0)
    assert {200: 30} == result.statuses()
    assert polls == (during > 30)
    assert called.count("poll") == during


async def test_a_lost_connection_is_no_response(fake_server: FakeServer) -> None:
    """The request counts as sent and as wrong, and the next one takes a new connection."""

    async def respond(number: int) -> bytes:
        return b"" if number == 2 else OK

    fake_server.respond = respond
    result = await Generator(fake_server.address).closed_loop(REQUESTS[:3], callers=1)
    assert [200, NO_RESPONSE, 200] == [attempt.status for attempt in result.attempts]
    assert [result.attempts[1]] == result.unexpected
    assert not math.isnan(result.attempts[1].sent_s)


async def test_a_late_request_marks_the_generator_as_the_limit(fake_server: FakeServer) -> None:
    """The generator was busy when the request was due."""
    arrivals = [0.0, 0.001, 0.002]
    running = asyncio.create_task(Generator(fake_server.address).open_loop(REQUESTS, arrivals))
    await asyncio.sleep(0)
    until = time.perf_counter() + 0.05
    while time.perf_counter() < until:
        pass
    result = await running
    assert result.lateness_s > 0.03
    assert result.generator_was_the_limit


async def test_a_slow_connection_does_not_mark_the_generator_as_the_limit(
    fake_server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The request was sent late, which counts as latency, but the generator began with it in time."""

    async def connect_slowly(address: Address) -> Connection:
        accepted = asyncio.Event()
        asyncio.get_running_loop().call_later(0.1, accepted.set)
        await accepted.wait()
        return await connect(address)

    monkeypatch.setattr(generator, "connect", connect_slowly)
    result = await Generator(fake_server.address).open_loop(REQUESTS[:1], [0.0])
    assert result.latencies_s()[0] > 0.09
    assert result.attempts[0].sent_s > 0.09
    assert result.lateness_s < 0.05


def test_the_garbage_collector_is_off_during_a_load() -> None:
    """It is on again afterwards, also when the load fails."""

    async def enabled() -> bool:
        return gc.isenabled()

    async def fail() -> None:
        raise ConnectionError

    assert not generator.run(enabled())
    assert gc.isenabled()
    with pytest.raises(ConnectionError):
        generator.run(fail())
    assert gc.isenabled()


async def test_a_caller_that_gives_up_sends_no_more(fake_server: FakeServer) -> None:
    """The callers of a server that has ended stop."""
    result = await Generator(Address("127.0.0.1", 1)).closed_loop(REQUESTS, callers=2, until_lost=True)
    assert {NO_RESPONSE: 2} == result.statuses()
    assert all(math.isnan(attempt.sent_s) for attempt in result.attempts)


async def test_an_abandoned_request_is_as_expected(fake_server: FakeServer) -> None:
    """Its caller dropped it before there was a response."""

    async def respond(_: int) -> bytes:
        await asyncio.Event().wait()
        return OK

    fake_server.respond = respond
    result = await Generator(fake_server.address).closed_loop([replace(REQUESTS[0], abandon_after_s=0.01)], callers=1)
    assert [(NO_RESPONSE, True)] == [(attempt.status, attempt.as_expected) for attempt in result.attempts]


async def test_a_status_that_is_not_expected_is_wrong(fake_server: FakeServer) -> None:
    """200 is wrong for a request that must be refused."""
    result = await Generator(fake_server.address).closed_loop([replace(REQUESTS[0], expected=frozenset({422}))], 1)
    assert 1 == len(result.unexpected)


def _stall_once():  # noqa: ANN202 - the fake server's Respond
    """Return the behaviour of a server that stops once, at the tenth request, for all callers."""
    freed = asyncio.Event()
    stalled = False

    async def respond(number: int) -> bytes:
        nonlocal stalled
        if number >= 10 and not stalled:
            stalled = True
            asyncio.get_running_loop().call_later(STALL_S, freed.set)
        if stalled:
            await freed.wait()
        return OK

    return respond
