"""Loads are sent as planned, and what became of each request is not made prettier than it was."""

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
from benchmarks.load.client import Address, Connection, connect, predict
from benchmarks.load.generator import Generator, poisson_arrivals
from benchmarks.load.outcome import NO_ANSWER
from tests.unit.benchmarks.conftest import OK, FakeServer

pytestmark = pytest.mark.anyio

REQUESTS = [predict(f"text {number}") for number in range(10)]
STALL_S = 0.3


def test_arrivals_are_poisson_and_the_same_for_a_seed() -> None:
    """Gaps have the mean that the rate says, and the scatter of an exponential distribution."""
    arrivals = poisson_arrivals(50.0, 100.0, seed=1)
    gaps = [later - earlier for earlier, later in itertools.pairwise(arrivals)]
    mean = sum(gaps) / len(gaps)
    deviation = math.sqrt(sum((gap - mean) ** 2 for gap in gaps) / len(gaps))
    assert arrivals == poisson_arrivals(50.0, 100.0, seed=1)
    assert pytest.approx(0.02, rel=0.05) == mean
    assert pytest.approx(mean, rel=0.1) == deviation


async def test_a_closed_loop_sends_every_request_once(fake_server: FakeServer) -> None:
    """Callers share the requests and keep a connection each."""
    outcome = await Generator(fake_server.address).closed_loop(REQUESTS, callers=3)
    assert sorted(fake_server.bodies) == sorted(request.payload.rpartition(b"\r\n")[2] for request in REQUESTS)
    assert ({200: 10}, 3) == (outcome.statuses(), fake_server.connections)


async def test_kept_connections_serve_the_next_load(fake_server: FakeServer) -> None:
    """Until they are closed; a generator that does not keep them opens new ones."""
    generator = Generator(fake_server.address, keep=True)
    for _ in range(3):
        await generator.closed_loop(REQUESTS, callers=2)
    assert 2 == fake_server.connections
    generator.close()
    await generator.closed_loop(REQUESTS, callers=2)
    generator.close()
    assert 4 == fake_server.connections


async def test_an_open_loop_shows_a_server_that_stops(fake_server: FakeServer) -> None:
    """Every request that was due while the server stood still has waited, not only the one that it held."""
    fake_server.respond = _stall_once()
    arrivals = [0.01 * number for number in range(60)]
    outcome = await Generator(fake_server.address).open_loop(REQUESTS, arrivals)
    waited = sum(latency >= STALL_S / 2 for latency in outcome.latencies_s())
    assert {200: 60} == outcome.statuses()
    assert waited >= 10


async def test_a_closed_loop_hides_a_server_that_stops(fake_server: FakeServer) -> None:
    """Its one caller waits once: this is why open loops are measured as well."""
    fake_server.respond = _stall_once()
    outcome = await Generator(fake_server.address).closed_loop(REQUESTS * 6, callers=1)
    assert 1 == sum(latency >= STALL_S / 2 for latency in outcome.latencies_s())


async def test_what_the_caller_does_with_an_answer_is_no_part_of_its_latency(
    fake_server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server has done its part when the last bytes have come."""
    complete = Connection.on_message_complete

    def slowly(self: Connection) -> None:
        until = time.perf_counter() + STALL_S
        while time.perf_counter() < until:
            pass
        complete(self)

    monkeypatch.setattr(Connection, "on_message_complete", slowly)
    outcome = await Generator(fake_server.address).closed_loop(REQUESTS[:1], callers=1)
    assert outcome.wall_s >= STALL_S
    assert outcome.latencies_s()[0] < STALL_S


@pytest.mark.parametrize("polls", [False, True])
async def test_a_caller_that_polls_keeps_the_event_loop_awake_for_its_load_alone(
    fake_server: FakeServer, monkeypatch: pytest.MonkeyPatch, *, polls: bool
) -> None:
    """So that no answer waits for a core to wake up, and nothing runs on afterwards."""
    loop = asyncio.get_running_loop()
    call_soon, called = loop.call_soon, []

    def count(callback: Any, *args: Any, **context: Any) -> asyncio.Handle:
        called.append(getattr(callback, "__name__", ""))
        return call_soon(callback, *args, **context)

    monkeypatch.setattr(loop, "call_soon", count)
    fake_server.respond = _stall_once()
    outcome = await Generator(fake_server.address, polls=polls).closed_loop(REQUESTS * 3, callers=1)
    during = called.count("poll")
    for _ in range(3):
        await asyncio.sleep(0)
    assert {200: 30} == outcome.statuses()
    assert polls == (during > 30)
    assert called.count("poll") == during


async def test_a_lost_connection_is_no_answer(fake_server: FakeServer) -> None:
    """It counts as sent and as wrong, and the next request takes a new connection."""

    async def respond(number: int) -> bytes:
        return b"" if number == 2 else OK

    fake_server.respond = respond
    outcome = await Generator(fake_server.address).closed_loop(REQUESTS[:3], callers=1)
    assert [it.status for it in outcome.exchanges] == [200, NO_ANSWER, 200]
    assert [True, False, True] == [it.as_expected for it in outcome.exchanges]
    assert not math.isnan(outcome.exchanges[1].sent_s)


async def test_a_request_that_leaves_late_is_the_generators_fault(fake_server: FakeServer) -> None:
    """It was busy with something else when the request was due."""
    arrivals = [0.0, 0.001, 0.002]
    running = asyncio.create_task(Generator(fake_server.address).open_loop(REQUESTS, arrivals))
    await asyncio.sleep(0)
    until = time.perf_counter() + 0.05
    while time.perf_counter() < until:
        pass
    outcome = await running
    assert outcome.lateness_s > 0.03
    assert outcome.generator_was_the_limit


async def test_a_server_that_takes_no_connections_is_not_the_generators_fault(
    fake_server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The request was sent late, and its latency says so, but the generator had turned to it in time."""

    async def slowly(address: Address) -> Connection:
        accepted = asyncio.Event()
        asyncio.get_running_loop().call_later(0.1, accepted.set)
        await accepted.wait()
        return await connect(address)

    monkeypatch.setattr(generator, "connect", slowly)
    outcome = await Generator(fake_server.address).open_loop(REQUESTS[:1], [0.0])
    assert outcome.latencies_s()[0] > 0.09
    assert outcome.exchanges[0].sent_s > 0.09
    assert outcome.lateness_s < 0.05


def test_the_garbage_collector_rests_during_a_load() -> None:
    """And is what it was before, also when the load fails."""

    async def look() -> bool:
        return gc.isenabled()

    async def fail() -> None:
        raise ConnectionError

    assert not generator.run(look())
    assert gc.isenabled()
    with pytest.raises(ConnectionError):
        generator.run(fail())
    assert gc.isenabled()


async def test_a_caller_that_gives_up_sends_no_more(fake_server: FakeServer) -> None:
    """Callers of a server that ends do not knock at its closed door for ever."""
    outcome = await Generator(Address("127.0.0.1", 1)).closed_loop(REQUESTS, callers=2, until_lost=True)
    assert outcome.statuses() == {NO_ANSWER: 2}
    assert all(math.isnan(it.sent_s) for it in outcome.exchanges)


async def test_an_abandoned_request_is_as_expected(fake_server: FakeServer) -> None:
    """A caller that drops its connection has no answer to complain about."""

    async def respond(_: int) -> bytes:
        await asyncio.Event().wait()
        return OK

    fake_server.respond = respond
    outcome = await Generator(fake_server.address).closed_loop([replace(REQUESTS[0], abandon_after_s=0.01)], callers=1)
    assert [(it.status, it.as_expected) for it in outcome.exchanges] == [(NO_ANSWER, True)]


async def test_a_status_that_is_not_expected_is_wrong(fake_server: FakeServer) -> None:
    """200 is no right answer to a request that must be refused."""
    outcome = await Generator(fake_server.address).closed_loop([replace(REQUESTS[0], expected=frozenset({422}))], 1)
    assert [False] == [it.as_expected for it in outcome.exchanges]


def _stall_once():  # noqa: ANN202 - the fake server's Respond
    """Return a server's behaviour: at the tenth request it stands still for everybody."""
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
