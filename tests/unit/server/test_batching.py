"""Batching: every answer to its question, within every budget, whatever the others do."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.batching import Batcher, Outcome
from server.cache import LogitsCache
from server.cost_curve import CostCurve
from server.engine import Engine
from server.errors import DrainingError, EngineFailedError, OverloadedError, TimedOutError, TooLargeError
from server.metrics import Metrics
from server.queue import BatchLimits, Row
from tests.support.engines import EchoEngine, FixedEngine, GatedEngine, PoisonedEngine
from tests.support.figures import read_figures

pytestmark = pytest.mark.anyio

LIMITS = BatchLimits(max_batch_items=4, max_batch_tokens=32, max_queue_tokens=10_000)
FAR = 3600.0
BATCHING_PAYS = CostCurve([(1, 1.0), (1_000_000, 1.0)])
"""A run costs the same whatever is in it, so only the limits bound a batch."""


@dataclass
class Bench:
    """A running batcher and its figures."""

    batcher: Batcher
    metrics: Metrics

    def submit(self, rows: Sequence[Row], timeout_s: float = FAR) -> "asyncio.Task[Outcome]":
        """Submit rows as a caller of their own would."""
        deadline = asyncio.get_running_loop().time() + timeout_s
        return asyncio.create_task(self.batcher.submit(rows, deadline))

    def figures(self) -> dict[str, float]:
        """Return every metric."""
        return read_figures(self.metrics.render())


@asynccontextmanager
async def running(
    engine: Engine, limits: BatchLimits = LIMITS, workers: int = 1, cache_items: int = 0
) -> AsyncIterator[Bench]:
    """Run a batcher; a gate that the test left shut is opened, so that a failing test ends too."""
    bench = make_bench(engine, limits, workers, cache_items)
    await bench.batcher.start()
    try:
        yield bench
    finally:
        if isinstance(engine, GatedEngine):
            engine.open()
        await bench.batcher.close()


def make_bench(engine: Engine, limits: BatchLimits = LIMITS, workers: int = 1, cache_items: int = 0) -> Bench:
    """Return a batcher that has not been started."""
    metrics = Metrics()
    batcher = Batcher(
        engine,
        pad_token_id=0,
        workers=workers,
        limits=limits,
        cost=BATCHING_PAYS,
        cache=LogitsCache(cache_items),
        metrics=metrics,
    )
    return Bench(batcher, metrics)


def make_row(name: int, length: int) -> Row:
    """Return a row that ``EchoEngine`` answers with (name, length)."""
    return (name, *range(1, length))


def answers(outcome: Outcome) -> list[list[int]]:
    """Return what ``EchoEngine`` said of each row."""
    return outcome.logits.astype(int).tolist()


async def settle(tasks: Sequence["asyncio.Task[Outcome]"]) -> list[Any]:
    """Wait for all and return each result or exception."""
    return await asyncio.gather(*tasks, return_exceptions=True)


async def test_answers_stand_in_the_order_of_their_rows() -> None:
    """Rows of many lengths, run in several micro-batches, are answered in the order they were sent."""
    rows = [make_row(100 + index, length) for index, length in enumerate([3, 17, 1, 9, 3, 30, 2, 9, 12])]
    async with running(EchoEngine()) as bench:
        outcome = await bench.submit(rows)
    assert [[row[0], len(row)] for row in rows] == answers(outcome)
    assert np.float32 == outcome.logits.dtype


async def test_waiting_and_running_seconds_are_told_apart() -> None:
    """A request that queued behind another reports its wait beside the time in which it ran."""
    engine = GatedEngine(EchoEngine())
    async with running(engine) as bench:
        first = bench.submit([make_row(1, 20)])
        await engine.reached(1)
        second = bench.submit([make_row(2, 20)])
        await asyncio.sleep(0)
        engine.open()
        ran, waited = await settle([first, second])
    assert ran.inference_s > 0
    assert ran.queue_s >= 0
    assert waited.queue_s > 0
    assert waited.inference_s > 0


async def test_texts_that_queue_while_a_worker_is_busy_share_a_run() -> None:
    """Requests of the same length that arrived during a run make up the next micro-batch together."""
    engine = GatedEngine(EchoEngine())
    async with running(engine) as bench:
        tasks = [bench.submit([make_row(0, 5)])]
        await engine.reached(1)
        tasks += [bench.submit([make_row(name, 5)]) for name in (1, 2, 3)]
        await asyncio.sleep(0)
        engine.open()
        await settle(tasks)
    assert [1, 3] == [len(batch.input_ids) for batch in engine.batches]


async def test_a_row_longer_than_the_token_budget_runs_alone() -> None:
    """The budget of padded tokens bounds company, not a text's own length."""
    engine = GatedEngine(EchoEngine())
    engine.open()
    async with running(engine) as bench:
        outcome = await bench.submit([make_row(1, 2), make_row(2, LIMITS.max_batch_tokens + 10), make_row(3, 2)])
    assert [[1, 2], [2, 42], [3, 2]] == answers(outcome)
    assert [1] == [len(batch.input_ids) for batch in engine.batches if batch.input_ids.shape[1] == 42]


async def test_a_large_request_lets_small_ones_through() -> None:
    """Requests take turns, so one text is answered long before a large request that came first is done."""
    engine = GatedEngine(EchoEngine())
    async with running(engine) as bench:
        large = bench.submit([make_row(1000 + index, 8) for index in range(80)])
        await engine.reached(1)
        small = [bench.submit([make_row(1, 30)]), bench.submit([make_row(2, 3)])]
        await asyncio.sleep(0)
        for run in range(2, 6):
            engine.let_pass()
            await engine.reached(run)
        assert [[[1, 30]], [[2, 3]]] == [answers(await task) for task in small]
        assert not large.done()
        assert bench.figures()["verdict_queue_depth_texts"] > 50
        engine.open()
        assert 80 == len((await large).logits)


async def test_a_full_queue_refuses_the_whole_request() -> None:
    """A request that does not fit is refused with a time to retry after, and leaves no row of it behind."""
    engine = GatedEngine(EchoEngine())
    limits = BatchLimits(max_batch_items=4, max_batch_tokens=32, max_queue_tokens=100)
    async with running(engine, limits) as bench:
        tasks = [bench.submit([make_row(1, 10)])]
        await engine.reached(1)
        tasks.append(bench.submit([make_row(name, 30) for name in (20, 21, 22)]))
        await asyncio.sleep(0)
        before = bench.figures()
        with pytest.raises(OverloadedError, match="90 of 100 tokens") as caught:
            await bench.submit([make_row(3, 4), make_row(4, 7)])
        assert caught.value.retry_after_s >= 1
        assert {"verdict_shed_total{reason=overloaded}": 1.0} == {
            name: value for name, value in bench.figures().items() if before.get(name) != value
        }
        fits = bench.submit([make_row(5, 10)])
        await asyncio.sleep(0)
        assert 100 == bench.figures()["verdict_queue_tokens"]
        engine.open()
        await settle(tasks)
        assert [[5, 10]] == answers(await fits)


async def test_retry_after_follows_the_rate_at_which_the_queue_drains() -> None:
    """Once runs have been measured, twice the excess means at least as long a wait."""
    engine = GatedEngine(EchoEngine())
    limits = BatchLimits(max_batch_items=4, max_batch_tokens=32, max_queue_tokens=1_000)
    async with running(engine, limits) as bench:
        first = bench.submit([make_row(1, 10)])
        await engine.reached(1)
        engine.let_pass()
        await first
        tasks = [bench.submit([make_row(2, 10)])]
        await engine.reached(2)
        tasks.append(bench.submit([make_row(3, 1_000)]))
        await asyncio.sleep(0)
        waits = []
        for tokens in (1, 1_000):
            with pytest.raises(OverloadedError) as caught:
                await bench.submit([make_row(4, tokens)])
            waits.append(caught.value.retry_after_s)
        engine.open()
        await settle(tasks)
    assert 0 < waits[0] <= waits[1]


async def test_a_request_larger_than_the_queue_is_too_large() -> None:
    """What would not even fit into an empty queue is no overload: retrying can not help."""
    limits = BatchLimits(max_batch_items=4, max_batch_tokens=32, max_queue_tokens=50)
    async with running(EchoEngine(), limits) as bench:
        with pytest.raises(TooLargeError, match="51 tokens, more than the 50"):
            await bench.submit([make_row(1, 25), make_row(2, 26)])
        assert 0 == bench.figures()["verdict_queue_tokens"]
        outcome = await bench.submit([make_row(1, 25), make_row(2, 25)])
    assert [[1, 25], [2, 25]] == answers(outcome)


async def test_a_passed_deadline_gives_up_what_still_waits() -> None:
    """A request whose deadline passed while it queued is timed out before any work, and its neighbour is answered."""
    engine = GatedEngine(EchoEngine())
    async with running(engine) as bench:
        first = bench.submit([make_row(1, 5)])
        await engine.reached(1)
        late = bench.submit([make_row(2, 5), make_row(3, 5)], timeout_s=0)
        patient = bench.submit([make_row(4, 5)])
        with pytest.raises(TimedOutError):
            await late
        engine.open()
        assert [[1, 5]] == answers(await first)
        assert [[4, 5]] == answers(await patient)
        assert 1 == bench.figures()["verdict_shed_total{reason=timed_out}"]
    asked = {int(name) for batch in engine.batches for name in batch.input_ids[:, 0]}
    assert {1, 4} == asked


async def test_a_deadline_does_not_touch_what_runs() -> None:
    """A request all of whose rows are running when its deadline passes is answered."""
    engine = GatedEngine(EchoEngine())
    async with running(engine) as bench:
        task = bench.submit([make_row(1, 5)], timeout_s=0.02)
        await engine.reached(1)
        passed = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.call_at(loop.time() + 0.04, passed.set)
        await passed.wait()
        engine.open()
        assert [[1, 5]] == answers(await task)
        assert "verdict_shed_total{reason=timed_out}" not in bench.figures()


async def test_a_deadline_that_passes_while_its_caller_is_cancelled_is_harmless() -> None:
    """Cancelled and timed out in the same turn of the event loop, a request ends quietly."""
    engine = GatedEngine(EchoEngine())
    loop = asyncio.get_running_loop()
    complaints: list[Any] = []
    loop.set_exception_handler(lambda _, context: complaints.append(context))
    async with running(engine) as bench:
        first = bench.submit([make_row(1, 5)])
        await engine.reached(1)
        deadline = loop.time() + 0.05
        gone = asyncio.create_task(bench.batcher.submit([make_row(2, 5), make_row(3, 5)], deadline))
        await asyncio.sleep(0)
        loop.call_at(deadline, gone.cancel)
        ended = await settle([gone])
        engine.open()
        await first
    assert isinstance(ended[0], asyncio.CancelledError)
    assert [] == complaints


async def test_a_cancelled_caller_leaves_the_queue_at_once() -> None:
    """The rows of a caller that has gone are never run, and their tokens make room for others."""
    engine = GatedEngine(EchoEngine())
    async with running(engine) as bench:
        first = bench.submit([make_row(1, 5)])
        await engine.reached(1)
        gone = bench.submit([make_row(name, 5) for name in (20, 21, 22)])
        stays = bench.submit([make_row(3, 5)])
        await asyncio.sleep(0)
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
        assert 5 == bench.figures()["verdict_queue_tokens"]
        engine.open()
        assert [[1, 5]] == answers(await first)
        assert [[3, 5]] == answers(await stays)
    assert [1, 1] == [len(batch.input_ids) for batch in engine.batches]


async def test_a_caller_cancelled_while_its_batch_runs_does_not_touch_its_neighbours() -> None:
    """The others in the micro-batch are answered, and the worker goes on."""
    engine = GatedEngine(EchoEngine())
    async with running(engine) as bench:
        first = bench.submit([make_row(1, 5)])
        await engine.reached(1)
        gone, stays = bench.submit([make_row(2, 5)]), bench.submit([make_row(3, 5)])
        await asyncio.sleep(0)
        engine.let_pass()
        await engine.reached(2)
        gone.cancel()
        engine.open()
        results = await settle([first, gone, stays])
        assert isinstance(results[1], asyncio.CancelledError)
        assert [[3, 5]] == answers(results[2])
        assert [[4, 5]] == answers(await bench.submit([make_row(4, 5)]))


async def test_a_failing_batch_fails_its_own_texts_and_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    """Texts in the failing run get engine_failed without the runtime's words; the log has them; later texts run."""
    engine = GatedEngine(PoisonedEngine(EchoEngine()))
    async with running(engine) as bench:
        first = bench.submit([make_row(1, 5)])
        await engine.reached(1)
        poisoned = bench.submit([(PoisonedEngine.POISON,) * 30])
        apart = bench.submit([make_row(3, 4)])
        await asyncio.sleep(0)
        engine.open()
        with pytest.raises(EngineFailedError) as caught:
            await poisoned
        assert "secret" not in str(caught.value)
        assert "secret detail of the runtime" in caplog.text
        assert [[1, 5]] == answers(await first)
        assert [[3, 4]] == answers(await apart)
        assert [[4, 5]] == answers(await bench.submit([make_row(4, 5)]))


async def test_equal_rows_are_computed_once() -> None:
    """Equal rows that wait share one row of a run, and those that arrive while it runs share its answer."""
    engine = GatedEngine(EchoEngine())
    async with running(engine) as bench:
        tasks = [bench.submit([make_row(1, 5)])]
        await engine.reached(1)
        tasks += [bench.submit([make_row(1, 5), make_row(2, 5), make_row(2, 5)]), bench.submit([make_row(2, 5)])]
        await asyncio.sleep(0)
        engine.open()
        results = [answers(await task) for task in tasks]
    assert [[[1, 5]], [[1, 5], [2, 5], [2, 5]], [[2, 5]]] == results
    assert [1, 1] == [len(batch.input_ids) for batch in engine.batches]


async def test_a_caller_that_goes_leaves_the_answer_to_those_with_an_equal_row() -> None:
    """The row of a caller that has gone is still computed for others who asked the same, waiting or running."""
    engine = GatedEngine(EchoEngine())
    async with running(engine) as bench:
        gone_running = bench.submit([make_row(1, 5)])
        await engine.reached(1)
        stays_running = bench.submit([make_row(1, 5)])
        gone_waiting, stays_waiting = bench.submit([make_row(2, 5)]), bench.submit([make_row(2, 5)])
        await asyncio.sleep(0)
        gone_running.cancel()
        gone_waiting.cancel()
        await settle([gone_running, gone_waiting])
        engine.open()
        assert [[1, 5]] == answers(await stays_running)
        assert [[2, 5]] == answers(await stays_waiting)


async def test_a_remembered_row_is_answered_without_a_run() -> None:
    """With a cache, a row that was computed before costs no run; hits and misses are counted."""
    engine = GatedEngine(EchoEngine())
    engine.open()
    async with running(engine, cache_items=2) as bench:
        for name in (1, 2, 1, 3, 1, 2):
            assert [[name, 5]] == answers(await bench.submit([make_row(name, 5)]))
        figures = bench.figures()
    assert [1, 2, 3, 2] == [int(batch.input_ids[0, 0]) for batch in engine.batches]
    assert (2, 4) == tuple(figures[f"verdict_cache_total{{outcome={outcome}}}"] for outcome in ("hit", "miss"))


@pytest.mark.parametrize(
    "logits",
    [
        pytest.param([[1.0, 2.0]], id="fewer rows than texts"),
        pytest.param([[1.0, 2.0]] * 3, id="more rows than texts"),
        pytest.param([[1.0, float("nan")]] * 2, id="not a number"),
        pytest.param([[1.0, float("inf")]] * 2, id="infinite"),
    ],
)
async def test_an_answer_that_can_not_be_right_is_a_failure(logits: list[list[float]]) -> None:
    """Logits of the wrong shape or that are no numbers fail their batch instead of leaving, and the worker lives."""
    async with running(FixedEngine(logits)) as bench:
        for _ in range(2):
            with pytest.raises(EngineFailedError):
                await asyncio.wait_for(bench.submit([make_row(1, 5), make_row(2, 5)]), 5)


async def test_closing_tells_whoever_still_waits_or_runs() -> None:
    """No caller hangs on a batcher that was closed, be its rows queued or running."""
    engine = GatedEngine(EchoEngine())
    bench = make_bench(engine)
    await bench.batcher.start()
    runs = bench.submit([make_row(1, 5)])
    await engine.reached(1)
    waits = bench.submit([make_row(2, 5)])
    await asyncio.sleep(0)
    asyncio.get_running_loop().call_soon(engine.open)
    await bench.batcher.close()
    results = await asyncio.wait_for(settle([runs, waits]), 5)
    assert [DrainingError] * 2 == [type(result) for result in results]
    with pytest.raises(DrainingError):
        await bench.submit([make_row(3, 5)])


async def test_every_figure_of_a_run_is_counted_once() -> None:
    """One run of three texts is one observation of its size, its padded tokens and its seconds."""
    engine = GatedEngine(EchoEngine())
    async with running(engine) as bench:
        tasks = [bench.submit([make_row(0, 4)])]
        await engine.reached(1)
        tasks.append(bench.submit([make_row(1, 6), make_row(2, 5), make_row(3, 6)]))
        await asyncio.sleep(0)
        queued = bench.figures()
        engine.let_pass()
        await engine.reached(2)
        in_run = bench.figures()
        engine.open()
        await settle(tasks)
        done = bench.figures()
    assert (3, 17, 1) == tuple(
        queued[f"verdict_{name}"] for name in ("queue_depth_texts", "queue_tokens", "in_flight_texts")
    )
    assert (0, 0, 3) == tuple(
        in_run[f"verdict_{name}"] for name in ("queue_depth_texts", "queue_tokens", "in_flight_texts")
    )
    assert (2, 2, 2, 4) == tuple(
        done[f"verdict_{name}_count"]
        for name in ("batch_texts", "batch_padded_tokens", "inference_seconds", "queue_wait_seconds")
    )
    assert (4, 4 + 18) == (done["verdict_batch_texts_sum"], done["verdict_batch_padded_tokens_sum"])


@dataclass(frozen=True)
class Caller:
    """One caller of the property below.

    Attributes:
        lengths: tokens of its rows.
        fate: what becomes of it.
        passes: runs that may pass the gate after it came.
        turns: turns of the event loop before the next caller comes.
    """

    lengths: list[int]
    fate: str
    passes: int
    turns: int


CALLERS = st.lists(
    st.builds(
        Caller,
        lengths=st.lists(st.integers(1, 40), min_size=1, max_size=6),
        fate=st.sampled_from(["waits", "waits", "cancels", "expires", "poisons"]),
        passes=st.integers(0, 3),
        turns=st.integers(1, 4),
    ),
    min_size=1,
    max_size=8,
)


@given(
    callers=CALLERS,
    workers=st.integers(1, 3),
    max_batch_items=st.integers(1, 8),
    max_batch_tokens=st.integers(1, 64),
    max_queue_tokens=st.integers(40, 400),
)
async def test_every_answer_matches_its_question_whatever_the_others_do(
    callers: list[Caller],
    workers: int,
    max_batch_items: int,
    max_batch_tokens: int,
    max_queue_tokens: int,
) -> None:
    """In any interleaving each caller gets its own answer or its own error, budgets hold and nothing is left over."""
    limits = BatchLimits(max_batch_items, max_batch_tokens, max_queue_tokens)
    engine = GatedEngine(PoisonedEngine(EchoEngine()))
    asked = []
    async with running(engine, limits, workers) as bench:
        tasks = []
        for number, caller in enumerate(callers):
            rows = [make_row(1000 * number + 1000 + index, length) for index, length in enumerate(caller.lengths)]
            if caller.fate == "poisons":
                rows[-1] += (PoisonedEngine.POISON,)
            asked.append(rows)
            tasks.append(bench.submit(rows, timeout_s=0 if caller.fate == "expires" else FAR))
            for _ in range(caller.turns):
                await asyncio.sleep(0)
            assert bench.figures()["verdict_queue_tokens"] <= max_queue_tokens
            engine.let_pass(caller.passes)
        for caller, task in zip(callers, tasks, strict=True):
            if caller.fate == "cancels":
                task.cancel()
        engine.open()
        results = await asyncio.wait_for(settle(tasks), 10)
    figures = bench.figures()  # after the close: the run of a caller that has gone may outlive its request
    _check_budgets(engine, limits)
    poisoned = _names_in_poisoned_batches(engine)
    for caller, rows, result in zip(callers, asked, results, strict=True):
        _check_fate(caller, rows, result, poisoned, max_queue_tokens)
    assert [0, 0, 0] == [
        figures[f"verdict_{name}"] for name in ("queue_depth_texts", "queue_tokens", "in_flight_texts")
    ]


def _check_budgets(engine: GatedEngine, limits: BatchLimits) -> None:
    names = [int(name) for batch in engine.batches for name in batch.input_ids[:, 0]]
    assert len(set(names)) == len(names), "a row ran twice"
    for batch in engine.batches:
        assert len(batch.input_ids) <= limits.max_batch_items
        assert batch.input_ids.size <= limits.max_batch_tokens or len(batch.input_ids) == 1
        assert batch.input_ids.shape[1] == batch.attention_mask.sum(axis=1).max()


def _names_in_poisoned_batches(engine: GatedEngine) -> set[int]:
    return {
        int(name)
        for batch in engine.batches
        if (batch.input_ids == PoisonedEngine.POISON).any()
        for name in batch.input_ids[:, 0]
    }


def _check_fate(caller: Caller, rows: list[Row], result: Any, poisoned: set[int], capacity: int) -> None:
    tokens = sum(len(row) for row in rows)
    if isinstance(result, Outcome):
        assert [[row[0], len(row)] for row in rows] == answers(result)
        assert caller.fate != "poisons"
    elif isinstance(result, TooLargeError):
        assert tokens > capacity
    elif isinstance(result, OverloadedError):
        assert result.retry_after_s > 0
        assert tokens <= capacity
    elif isinstance(result, EngineFailedError):
        assert poisoned & {row[0] for row in rows}
    elif isinstance(result, TimedOutError):
        assert caller.fate == "expires"
    else:
        assert isinstance(result, asyncio.CancelledError), result
        assert caller.fate == "cancels"
