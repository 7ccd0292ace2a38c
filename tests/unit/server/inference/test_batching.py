"""Batching: what is answered, refused, given up and counted, one caller at a time."""

import asyncio
import itertools

import pytest

from server.errors import OverloadedError, TooLargeError
from server.inference.queue import BatchLimits
from tests.support.batching import LIMITS, answers, make_row, running, settle
from tests.support.engines import EchoEngine, GatedEngine

pytestmark = pytest.mark.anyio


async def test_answers_stand_in_the_order_of_their_rows() -> None:
    """Rows of many lengths, run in several micro-batches, are answered in the order they were sent."""
    rows = [make_row(100 + index, length) for index, length in enumerate([3, 17, 1, 9, 3, 30, 2, 9, 12])]
    async with running(EchoEngine()) as bench:
        outcome = await bench.submit(rows)
    assert [[row[0], len(row)] for row in rows] == answers(outcome)
    numbers = itertools.chain.from_iterable(outcome.logits)
    assert {float} == set(map(type, numbers)), "numbers of their own, which keep no batch in memory"


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


async def test_what_is_left_of_a_queue_is_not_for_short_rows_alone() -> None:
    """Without room for the longest row there is none for anybody, or in an overload long rows would never get in."""
    engine = GatedEngine(EchoEngine())
    limits = BatchLimits(max_batch_items=1, max_batch_tokens=32, max_queue_tokens=100, max_row_tokens=40)
    async with running(engine, limits) as bench:
        tasks = [bench.submit([make_row(1, 10)])]
        await engine.reached(1)
        tasks += [bench.submit([make_row(2, 30)]), bench.submit([make_row(3, 31)])]
        await asyncio.sleep(0)
        with pytest.raises(OverloadedError, match="61 of 100 tokens and has no room for 40 more"):
            await asyncio.wait_for(bench.submit([make_row(4, 2)]), 5)
        engine.let_pass()
        await engine.reached(2)
        tasks.append(bench.submit([make_row(5, 40)]))
        await asyncio.sleep(0)
        assert 31 + 40 == bench.figures()["verdict_queue_tokens"]
        engine.open()
        assert [[[1, 10]], [[2, 30]], [[3, 31]], [[5, 40]]] == [answers(it) for it in await settle(tasks)]


async def test_a_full_queue_refuses_at_the_door() -> None:
    """Texts that nobody has read yet are refused while the queue is full, and counted."""
    engine = GatedEngine(EchoEngine())
    limits = BatchLimits(max_batch_items=1, max_batch_tokens=32, max_queue_tokens=100, max_row_tokens=40)
    async with running(engine, limits) as bench:
        bench.batcher.check_door(100, 0)
        with pytest.raises(TooLargeError, match="101 tokens, more than the 100"):
            bench.batcher.check_door(101, 0)
        tasks = [bench.submit([make_row(1, 10)])]
        await engine.reached(1)
        tasks += [bench.submit([make_row(2, 30)]), bench.submit([make_row(3, 31)])]
        await asyncio.sleep(0)
        with pytest.raises(OverloadedError) as caught:
            bench.batcher.check_door(1, 1)
        assert caught.value.retry_after_s >= 1
        assert 1 == bench.figures()["verdict_shed_total{reason=overloaded}"]
        engine.open()
        await settle(tasks)


async def test_texts_that_can_not_fit_are_refused_at_the_door_while_others_wait() -> None:
    """Reading a large batch costs as much as a run: not for a 429. In an empty queue an estimate refuses nobody."""
    engine = GatedEngine(EchoEngine())
    limits = BatchLimits(max_batch_items=1, max_batch_tokens=32, max_queue_tokens=100)
    async with running(engine, limits) as bench:
        tasks = [bench.submit([make_row(1, 10)])]
        await engine.reached(1)
        bench.batcher.check_door(3, 1_000)
        tasks.append(bench.submit([make_row(2, 30)]))
        await asyncio.sleep(0)
        bench.batcher.check_door(3, 70)
        with pytest.raises(OverloadedError, match="30 of 100 tokens and has no room for 71 more"):
            bench.batcher.check_door(3, 71)
        with pytest.raises(OverloadedError, match="no room for 100 more"):
            bench.batcher.check_door(3, 1_000)
        with pytest.raises(TooLargeError):
            bench.batcher.check_door(101, 1_000)
        engine.open()
        await settle(tasks)


async def test_a_remembered_row_is_answered_while_the_queue_is_full() -> None:
    """What needs no run needs no room, neither at the door nor behind it."""
    engine = GatedEngine(EchoEngine())
    limits = BatchLimits(max_batch_items=1, max_batch_tokens=32, max_queue_tokens=40, max_row_tokens=40)
    async with running(engine, limits, cache_items=2) as bench:
        first = bench.submit([make_row(1, 10)])
        await engine.reached(1)
        engine.let_pass()
        await first
        tasks = [bench.submit([make_row(2, 10)])]
        await engine.reached(2)
        tasks.append(bench.submit([make_row(3, 30)]))
        await asyncio.sleep(0)
        bench.batcher.check_door(1, 1)
        assert [[1, 10]] == answers(await asyncio.wait_for(bench.submit([make_row(1, 10)]), 5))
        engine.open()
        await settle(tasks)


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
