"""In flight: whoever waits for the last one hears of it, and nobody waits for more."""

import asyncio

import pytest

from server.in_flight import InFlight

pytestmark = pytest.mark.anyio


async def test_nobody_waits_where_there_is_none() -> None:
    """The moment is now."""
    in_flight = InFlight()
    await asyncio.wait_for(in_flight.none(), 20)
    with in_flight:
        assert 1 == in_flight.count
    await asyncio.wait_for(in_flight.none(), 20)


async def test_everybody_hears_of_the_last_one() -> None:
    """The first of two that ends is not the last, and one that comes a moment later is not waited for."""
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
