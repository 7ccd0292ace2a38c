"""Batching on one core: short runs on the event loop's own thread, without holding it up."""

import asyncio
import threading
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from artifact.runtime import Batch
from server.errors import DrainingError, TextFailedError, TimedOutError
from server.inference.queue import BatchLimits
from tests.support.batching import (
    RUN_S,
    ManualClock,
    answers,
    clock_ahead,
    gated,
    make_row,
    many_cores,
    one_core,
    running,
    settle,
)
from tests.support.engines import EchoEngine, PoisonedEngine, WitnessEngine

pytestmark = pytest.mark.anyio

ONE_BY_ONE = BatchLimits(max_batch_items=1, max_batch_tokens=32, max_queue_tokens=10_000)
ENDLESS = 1e9
"""An added wait of so many times the longest: answers may come as late as they like."""


class ClockedEngine(WitnessEngine):
    """Move a clock in every run, as a run that takes so long would."""

    def __init__(self, clock: ManualClock, run_s: float) -> None:
        super().__init__()
        self._clock = clock
        self._run_s = run_s

    def run(self, batch: Batch) -> NDArray[np.float32]:
        """Take the time and answer."""
        self._clock.now_s += self._run_s
        return super().run(batch)


@pytest.mark.parametrize(("max_run_s", "on_the_loop"), [(0.0, False), (RUN_S / 2, False), (2 * RUN_S, True)])
@pytest.mark.parametrize("rows", [1, 2])
async def test_only_short_runs_are_done_on_the_event_loops_thread(
    max_run_s: float, rows: int, *, on_the_loop: bool
) -> None:
    """A run that would hold up the event loop for longer than allowed gets a thread of its own."""
    engine = WitnessEngine()
    async with running(engine, inline=one_core(max_run_s)) as harness:
        result = await harness.submit([make_row(name, 5) for name in range(rows)])
    assert [[name, 5] for name in range(rows)] == answers(result)
    assert [on_the_loop] == [thread is threading.main_thread() for thread in engine.threads]


async def test_on_several_cores_a_row_queues_at_once() -> None:
    """It gives no iteration of the event loop to others first: it can not run in place of a worker."""
    async with running(EchoEngine(), inline=many_cores()) as harness:
        (task,) = await harness.queue([make_row(1, 5)])
        assert 5 == harness.figures()["verdict_queue_tokens"]
        await task


async def test_a_row_queues_at_once_while_others_wait_or_run() -> None:
    """It gives no iteration of the event loop to others, which would overtake it."""
    async with gated(inline=one_core(RUN_S / 2)) as harness:  # so that runs are done on a worker thread
        tasks = await harness.queue([make_row(1, 5), make_row(2, 5)], [make_row(3, 5)])
        assert 15 == harness.figures()["verdict_queue_tokens"]
        await harness.gate.reached(1)
        tasks += await harness.queue([make_row(4, 5)])
        assert 5 == harness.figures()["verdict_queue_tokens"]
        harness.gate.open()
        await settle(tasks)


async def test_a_long_queue_does_not_hold_up_the_event_loop() -> None:
    """A text that comes while a large request runs is admitted between its runs and answered before it is done."""
    engine = WitnessEngine()
    async with running(engine, ONE_BY_ONE, inline=one_core()) as harness:
        large = harness.submit([make_row(name, 5) for name in range(1, 101)])
        await asyncio.wait_for(engine.begun.wait(), 10)
        before = len(engine.threads)
        small = await harness.submit([make_row(200, 5)])
        assert len(engine.threads) - before <= 4
        assert not large.done()
        assert [[200, 5]] == answers(small)
        assert [[name, 5] for name in range(1, 101)] == answers(await large)


async def runs_per_iteration(engine: WitnessEngine, requests: int, **options: Any) -> list[int]:
    """Send so many single texts at once and return how many runs began in each event loop iteration that had any."""
    loop = asyncio.get_running_loop()
    runs = [0]

    def iterate() -> None:
        nonlocal handle
        runs.append(len(engine.threads))
        handle = loop.call_soon(iterate)

    async with running(engine, ONE_BY_ONE, **options) as harness:
        waiting = [harness.submit([make_row(name, 5)]) for name in range(requests)]
        handle = loop.call_soon(iterate)
        await asyncio.gather(*waiting)
        handle.cancel()
    return [after - before for before, after in pairwise([*runs, len(engine.threads)]) if after > before]


async def test_behind_a_long_queue_of_single_texts_answers_go_out_together() -> None:
    """Runs follow each other before the event loop has its next iteration where no caller notices."""
    assert [100] == await runs_per_iteration(WitnessEngine(), 100, inline=one_core(added_wait=ENDLESS))


async def test_the_event_loop_is_held_up_for_two_runs_at_most() -> None:
    """However long the queue: no run begins once the time for one is over."""
    clock = ManualClock()
    engine = ClockedEngine(clock, run_s=0.75 * RUN_S)
    inline = one_core(RUN_S, added_wait=ENDLESS)
    assert [2] * 50 == await runs_per_iteration(engine, 100, inline=inline, clock=clock)


async def test_further_runs_begin_by_the_rate_that_was_measured() -> None:
    """After ten of 100 runs, a tenth of the time that the last of the other 90 waits is over."""
    clock = ManualClock()
    engine = ClockedEngine(clock, run_s=1.0)
    runs = await runs_per_iteration(engine, 100, inline=one_core(100.0), clock=clock)
    assert [10, 9, 8] == runs[:3]
    assert 1 == runs[-1]


async def test_a_row_that_comes_alone_is_counted_and_cached_like_any_other() -> None:
    """It skips the queue, not the figures; the cache answers its equal without a run."""
    clock = ManualClock()
    engine = ClockedEngine(clock, 2.0)
    async with running(engine, inline=one_core(), cache_items=10, clock=clock) as harness:
        task = harness.submit([make_row(1, 5)])
        await asyncio.sleep(0)
        clock.now_s += 1.0
        result = await task
        assert [[1, 5]] == answers(result)
        assert [[1, 5]] == answers(await harness.submit([make_row(1, 5)]))
        figures = harness.figures()
    assert [1] == engine.sizes
    assert (1.0, 2.0) == (result.queue_s, result.inference_s)
    assert [1.0, 5.0, 1.0, 1.0, 2.0, 1.0, 1.0] == [
        figures["verdict_batch_texts_sum"],
        figures["verdict_batch_padded_tokens_sum"],
        figures["verdict_queue_wait_seconds_count"],
        figures["verdict_queue_wait_seconds_sum"],
        figures["verdict_inference_seconds_sum"],
        figures["verdict_cache_total{outcome=miss}"],
        figures["verdict_cache_total{outcome=hit}"],
    ]


async def test_a_row_that_comes_alone_fails_like_any_other(caplog: pytest.LogCaptureFixture) -> None:
    """Its caller is told that the model fails on its text, the log has the reason, and the next one is answered."""
    async with running(PoisonedEngine(EchoEngine()), inline=one_core()) as harness:
        (failure,) = await settle([harness.submit([(1, PoisonedEngine.POISON)])])
        assert isinstance(failure, TextFailedError)
        assert 0 == failure.index
        assert "a micro-batch of 1 texts failed" in caplog.text
        assert "secret detail of the runtime" in caplog.text
        assert [[2, 5]] == answers(await harness.submit([make_row(2, 5)]))


async def test_a_row_whose_deadline_passes_before_it_runs_alone_is_not_run() -> None:
    """The iteration of the event loop that it gives to others may take long."""
    engine = WitnessEngine()
    async with running(engine, inline=one_core()) as harness:
        late = harness.submit([make_row(1, 5)], timeout_s=60)
        await asyncio.sleep(0)
        with clock_ahead(61):
            (failure,) = await settle([late])
    assert isinstance(failure, TimedOutError)
    assert [] == engine.sizes


async def test_a_row_that_would_run_alone_while_the_server_closes_is_told_so() -> None:
    """It is not run once the batcher is closed."""
    engine = WitnessEngine()
    async with running(engine, inline=one_core()) as harness:
        late = harness.submit([make_row(1, 5)])
        await asyncio.sleep(0)
        await harness.batcher.close()
        (failure,) = await settle([late])
    assert isinstance(failure, DrainingError)
    assert [] == engine.sizes


async def test_rows_that_come_in_the_same_moment_share_a_run() -> None:
    """The first of them finds an idle engine, but does not run before others of the same iteration have queued."""
    engine = WitnessEngine()
    async with running(engine, inline=one_core()) as harness:
        for _ in range(3):
            results = await settle([harness.submit([make_row(name, 5)]) for name in (1, 2, 3)])
            assert [[[1, 5]], [[2, 5]], [[3, 5]]] == [answers(result) for result in results]
    assert [3, 3, 3] == engine.sizes


async def test_a_caller_that_leaves_an_idle_engine_leaves_nothing_behind() -> None:
    """It is cancelled while it yields to others; the next row finds the engine idle again and runs at once."""
    engine = WitnessEngine()
    async with running(engine, inline=one_core()) as harness:
        gone = harness.submit([make_row(1, 5)])
        await asyncio.sleep(0)
        gone.cancel()
        await settle([gone])
        stays = harness.submit([make_row(2, 5)])
        for _ in range(2):
            await asyncio.sleep(0)
        assert stays.done()
    assert gone.cancelled()
    assert [[2, 5]] == answers(await stays)


async def test_a_request_on_a_new_connection_does_not_wait_for_a_run_in_each_iteration() -> None:
    """While iterations have something to do, the worker leaves the event loop to others."""
    engine = WitnessEngine()
    inline = one_core(idle_iteration_s=0.0)
    async with running(engine, ONE_BY_ONE, inline=inline) as harness:
        large = harness.submit([make_row(name, 5) for name in range(1, 101)])
        await asyncio.wait_for(engine.begun.wait(), 10)
        before = len(engine.threads)
        for _ in range(100):
            await asyncio.sleep(0)
        assert len(engine.threads) - before <= 1
        await large


async def test_while_refusals_are_near_others_get_as_long_as_the_run_took() -> None:
    """By a clock on which a run takes 4 iterations, 100 iterations leave time for about 17 runs."""
    clock = ManualClock()
    engine = ClockedEngine(clock, 4.0)

    def tick() -> float:
        clock.now_s += 1.0
        return clock.now_s

    limits = replace(ONE_BY_ONE, max_queue_tokens=600)
    async with running(engine, limits, inline=one_core(clock=tick), clock=clock) as harness:
        large = harness.submit([make_row(name, 5) for name in range(1, 101)])
        await asyncio.wait_for(engine.begun.wait(), 10)
        before = len(engine.threads)
        for _ in range(100):
            await asyncio.sleep(0)
        assert len(engine.threads) - before in range(14, 21)
        await large


async def test_each_row_gets_its_own_answer_or_its_own_failure() -> None:
    """A run that fails on the loop's thread fails its own rows and no others."""
    async with running(PoisonedEngine(EchoEngine()), ONE_BY_ONE, inline=one_core()) as harness:
        rows = [make_row(name, name) for name in range(1, 20)]
        rows[7] += (PoisonedEngine.POISON,)
        results = await settle([harness.submit([row]) for row in rows])
    failed = [index for index, result in enumerate(results) if isinstance(result, Exception)]
    assert [7] == failed
    assert [[[name, name]] for name in range(1, 20) if name != 8] == [
        answers(result) for index, result in enumerate(results) if index != 7
    ]
