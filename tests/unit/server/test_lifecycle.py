"""The lifecycle: a drain waits for the requests in flight, and for no others."""

import asyncio

import pytest

from server.lifecycle import InFlight, Lifecycle
from server.observe.metrics import Metrics
from tests.support.figures import read_figures

pytestmark = pytest.mark.anyio


async def test_waiting_for_none_ends_at_once_while_there_is_none() -> None:
    """A wait with a count of 0 returns at once, before the first request and after the last."""
    in_flight = InFlight()
    await asyncio.wait_for(in_flight.none(), 20)
    with in_flight:
        assert 1 == in_flight.count
    await asyncio.wait_for(in_flight.none(), 20)


async def test_everyone_who_waits_for_none_hears_of_it() -> None:
    """The first of two exits does not end the wait, and a request that enters later does not extend it."""
    in_flight = InFlight()
    with in_flight:
        with in_flight:
            waiting = [asyncio.create_task(in_flight.none()) for _ in range(2)]
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert [False, False] == [task.done() for task in waiting]
    with in_flight:
        await asyncio.wait_for(asyncio.gather(*waiting), 20)
        assert 1 == in_flight.count


async def test_who_waits_later_waits_anew() -> None:
    """A count that was 0 earlier does not end a later wait."""
    in_flight = InFlight()
    for _ in range(2):
        with in_flight:
            waiting = asyncio.create_task(in_flight.none())
            for _ in range(3):
                await asyncio.sleep(0)
            assert not waiting.done()
        await asyncio.wait_for(waiting, 20)


async def test_the_server_is_ready_from_its_start_to_its_drain() -> None:
    """``ready``, ``draining`` and the gauge ``verdict_ready`` change together."""
    metrics = Metrics()
    lifecycle = Lifecycle(metrics)

    def state() -> tuple[bool, bool, float]:
        return lifecycle.ready, lifecycle.draining, read_figures(metrics.render())["verdict_ready"]

    assert (False, False, 0) == state()
    lifecycle.mark_started()
    assert (True, False, 1) == state()
    await lifecycle.drain(0)
    assert (False, True, 0) == state()


async def test_a_drain_ends_with_the_last_request() -> None:
    """Draining waits for every request in flight and no longer."""
    lifecycle = Lifecycle(Metrics())
    lifecycle.mark_started()
    first, second = lifecycle.in_flight, lifecycle.in_flight
    first.__enter__()
    second.__enter__()
    drain = asyncio.create_task(lifecycle.drain(60))
    await asyncio.sleep(0)
    assert (False, True) == (lifecycle.ready, lifecycle.draining)
    first.__exit__()
    await asyncio.sleep(0)
    assert not drain.done()
    second.__exit__()
    assert 0 == await asyncio.wait_for(drain, 5)


async def test_a_drain_tells_how_many_it_left_behind() -> None:
    """When its time is over, a drain returns the number of requests that are still unanswered."""
    lifecycle = Lifecycle(Metrics())
    with lifecycle.in_flight, lifecycle.in_flight:
        assert 2 == await lifecycle.drain(0.001)


async def test_an_idle_server_drains_at_once() -> None:
    """Without a request in flight there is nothing to wait for, even with no time at all."""
    assert 0 == await Lifecycle(Metrics()).drain(0)


async def test_a_request_that_fails_is_counted_out() -> None:
    """An exception inside a request does not keep the server from ending."""
    lifecycle = Lifecycle(Metrics())
    with pytest.raises(ValueError, match="inside"), lifecycle.in_flight:
        raise ValueError("inside")
    assert 0 == await lifecycle.drain(0)


async def test_the_beginning_of_a_drain_is_an_event() -> None:
    """Requests without an end of their own wait for it."""
    lifecycle = Lifecycle(Metrics())
    assert not lifecycle.drain_began.is_set()
    await lifecycle.drain(0)
    assert lifecycle.drain_began.is_set()
