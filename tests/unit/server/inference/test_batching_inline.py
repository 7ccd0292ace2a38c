"""Batching on one core: short runs on the event loop's own thread, without holding it up."""

import asyncio
import itertools
import threading
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from artifact.runtime import Batch
from server.errors import DrainingError, EngineFailedError, TimedOutError
from server.inference import batching
from server.inference.queue import BatchLimits
from tests.support.batching import answers, make_row, running, settle
from tests.support.engines import EchoEngine, PoisonedEngine

pytestmark = pytest.mark.anyio

A_RUN_COSTS = 1.0
ONE_BY_ONE = BatchLimits(max_batch_items=1, max_batch_tokens=32, max_queue_tokens=10_000)


class WitnessEngine(EchoEngine):
    """Note on which thread each run was, and of how many rows."""

    def __init__(self) -> None:
        self.threads: list[threading.Thread] = []
        self.sizes: list[int] = []
        self.begun = asyncio.Event()

    def run(self, batch: Batch) -> NDArray[np.float32]:
        """Note and answer."""
        self.threads.append(threading.current_thread())
        self.sizes.append(len(batch.input_ids))
        self.begun.set()
        return super().run(batch)


@pytest.mark.parametrize(("inline_s", "on_the_loop"), [(0.0, False), (A_RUN_COSTS / 2, False), (2 * A_RUN_COSTS, True)])
async def test_only_short_runs_are_done_on_the_event_loops_thread(inline_s: float, *, on_the_loop: bool) -> None:
    """A run that would hold up everybody for longer than allowed gets a thread of its own."""
    engine = WitnessEngine()
    async with running(engine, inline_s=inline_s) as bench:
        outcome = await bench.submit([make_row(1, 5)])
    assert [[1, 5]] == answers(outcome)
    assert [on_the_loop] == [thread is threading.main_thread() for thread in engine.threads]


async def test_a_long_queue_does_not_hold_up_the_event_loop() -> None:
    """Whoever comes while a large request runs is admitted before a tenth of it has run, and answered in turn."""
    engine = WitnessEngine()
    async with running(engine, ONE_BY_ONE, inline_s=2 * A_RUN_COSTS) as bench:
        large = bench.submit([make_row(name, 5) for name in range(1, 101)])
        await asyncio.wait_for(engine.begun.wait(), 10)
        before = len(engine.threads)
        small = await bench.submit([make_row(200, 5)])
        assert len(engine.threads) - before <= 4 + 100 * batching._LATER
        assert not large.done()
        assert [[200, 5]] == answers(small)
        assert [[name, 5] for name in range(1, 101)] == answers(await large)


FEW = range(1, 5)


@pytest.mark.parametrize(
    ("later", "max_queue_tokens", "inline_s", "callers", "runs"),
    [
        (1e9, 10_000, 2 * A_RUN_COSTS, 100, [100]),
        (0.0, 10_000, 2 * A_RUN_COSTS, 100, FEW),
        (1e9, 600, 2 * A_RUN_COSTS, 100, FEW),
        (1e9, 10_000, 2 * A_RUN_COSTS, 1, FEW),
    ],
    ids=["nobody notices", "who waits notices", "refusals are near", "the next waits for one row of a large request"],
)
async def test_behind_a_long_queue_answers_go_out_together(  # noqa: PLR0917 - a table
    monkeypatch: pytest.MonkeyPatch,
    later: float,
    max_queue_tokens: int,
    inline_s: float,
    callers: int,
    runs: Sequence[int],
) -> None:
    """Several runs before the event loop has its next turn, where that makes nobody wait for much longer."""
    monkeypatch.setattr(batching, "_LATER", later)
    engine = WitnessEngine()
    limits = replace(ONE_BY_ONE, max_queue_tokens=max_queue_tokens)
    async with running(engine, limits, inline_s=inline_s) as bench:
        rows = [make_row(name, 5) for name in range(1, 101)]
        each = len(rows) // callers
        waiting = [bench.submit(rows[start : start + each]) for start in range(0, len(rows), each)]
        await asyncio.wait_for(engine.begun.wait(), 10)
        assert len(engine.threads) in runs
        await asyncio.gather(*waiting)


async def test_the_event_loop_is_held_up_for_two_runs_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long the queue: none begins once the time for one is over."""
    monkeypatch.setattr(batching, "_LATER", 1e9)
    clock = itertools.count(step=1.5 * A_RUN_COSTS)
    engine = WitnessEngine()
    async with running(engine, ONE_BY_ONE, inline_s=2 * A_RUN_COSTS) as bench:
        monkeypatch.setattr(batching.time, "perf_counter", lambda: float(next(clock)))
        waiting = [bench.submit([make_row(name, 5)]) for name in range(1, 101)]
        await asyncio.wait_for(engine.begun.wait(), 10)
        assert len(engine.threads) in FEW
        await asyncio.gather(*waiting)


async def test_a_row_that_comes_alone_is_counted_and_kept_like_any_other() -> None:
    """It skips the queue, not the figures; the cache answers its equal without a run."""
    engine = WitnessEngine()
    async with running(engine, inline_s=2 * A_RUN_COSTS, cache_items=10) as bench:
        for _ in range(2):
            assert [[1, 5]] == answers(await bench.submit([make_row(1, 5)]))
        figures = bench.figures()
    assert [1] == engine.sizes
    assert [1.0, 5.0, 1.0, 1.0, 1.0] == [
        figures["verdict_batch_texts_sum"],
        figures["verdict_batch_padded_tokens_sum"],
        figures["verdict_queue_wait_seconds_count"],
        figures["verdict_cache_total{outcome=miss}"],
        figures["verdict_cache_total{outcome=hit}"],
    ]


async def test_a_row_that_comes_alone_fails_like_any_other() -> None:
    """Its caller is told that the model failed, and the next one is answered."""
    async with running(PoisonedEngine(EchoEngine()), inline_s=2 * A_RUN_COSTS) as bench:
        (failure,) = await settle([bench.submit([(1, PoisonedEngine.POISON)])])
        assert isinstance(failure, EngineFailedError)
        assert [[2, 5]] == answers(await bench.submit([make_row(2, 5)]))


async def test_a_row_whose_deadline_passes_while_it_looks_around_is_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """A turn of the event loop may take long."""
    engine = WitnessEngine()
    loop = asyncio.get_running_loop()
    async with running(engine, inline_s=2 * A_RUN_COSTS) as bench:
        late = bench.submit([make_row(1, 5)], timeout_s=60)
        await asyncio.sleep(0)
        now = loop.time()
        monkeypatch.setattr(loop, "time", lambda: now + 61)
        (failure,) = await settle([late])
        monkeypatch.undo()
    assert isinstance(failure, TimedOutError)
    assert [] == engine.sizes


async def test_a_row_that_looks_around_while_the_server_closes_is_told_so() -> None:
    """Nobody would answer it any more."""
    engine = WitnessEngine()
    async with running(engine, inline_s=2 * A_RUN_COSTS) as bench:
        late = bench.submit([make_row(1, 5)])
        await asyncio.sleep(0)
        await bench.batcher.close()
        (failure,) = await settle([late])
    assert isinstance(failure, DrainingError)
    assert [] == engine.sizes


async def test_rows_that_come_in_the_same_moment_share_a_run() -> None:
    """The first of them finds an idle engine, but does not run before it has seen whether others come."""
    engine = WitnessEngine()
    async with running(engine, inline_s=2 * A_RUN_COSTS) as bench:
        for _ in range(3):
            outcomes = await settle([bench.submit([make_row(name, 5)]) for name in (1, 2, 3)])
            assert [[[1, 5]], [[2, 5]], [[3, 5]]] == [answers(outcome) for outcome in outcomes]
    assert [3, 3, 3] == engine.sizes


async def test_a_caller_that_leaves_an_idle_engine_leaves_nothing_behind() -> None:
    """It is cancelled in the moment in which it looks whether others come; the next one finds the engine idle again."""
    async with running(EchoEngine(), inline_s=2 * A_RUN_COSTS) as bench:
        gone = bench.submit([make_row(1, 5)])
        await asyncio.sleep(0)
        gone.cancel()
        outcome = await bench.submit([make_row(2, 5)])
    assert gone.cancelled()
    assert [[2, 5]] == answers(outcome)
    assert not bench.batcher._claimed


@pytest.mark.parametrize(("max_queue_tokens", "runs"), [(10_000, range(2)), (600, range(5, 50))])
async def test_the_event_loop_gets_turns_while_it_has_something_to_do(
    monkeypatch: pytest.MonkeyPatch, max_queue_tokens: int, runs: Sequence[int]
) -> None:
    """What takes several turns, such as a request on a new connection, does not take a run for each of them.

    But while refusals are near, no more of them than take as long as a run: those who come again at once do not keep
    the queue from being worked off.
    """
    clock = itertools.count()
    monkeypatch.setattr(batching, "_IDLE_TURN_S", 0.0)  # every turn has something to do
    engine = WitnessEngine()
    async with running(
        engine, replace(ONE_BY_ONE, max_queue_tokens=max_queue_tokens), inline_s=2 * A_RUN_COSTS
    ) as bench:
        monkeypatch.setattr(batching.time, "perf_counter", lambda: float(next(clock)))
        large = bench.submit([make_row(name, 5) for name in range(1, 101)])
        await asyncio.wait_for(engine.begun.wait(), 10)
        before = len(engine.threads)
        for _ in range(batching._LOOP_TURNS // 2):
            await asyncio.sleep(0)
        assert len(engine.threads) - before in runs
        await large


async def test_each_gets_its_own_answer_or_its_own_failure() -> None:
    """A run that fails on the loop's thread fails its own rows and nobody else's."""
    async with running(PoisonedEngine(EchoEngine()), ONE_BY_ONE, inline_s=2 * A_RUN_COSTS) as bench:
        rows = [make_row(name, name) for name in range(1, 20)]
        rows[7] += (PoisonedEngine.POISON,)
        results = await settle([bench.submit([row]) for row in rows])
    failed = [index for index, result in enumerate(results) if isinstance(result, Exception)]
    assert [7] == failed
    assert [[[name, name]] for name in range(1, 20) if name != 8] == [
        answers(result) for index, result in enumerate(results) if index != 7
    ]
