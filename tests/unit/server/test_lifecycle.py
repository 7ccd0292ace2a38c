"""The lifecycle: what is owed an answer before the server may end."""

import asyncio

import pytest

from server.lifecycle import Lifecycle
from server.observe.metrics import Metrics

pytestmark = pytest.mark.anyio


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
    """When the time is over, those that are still unanswered are counted."""
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
