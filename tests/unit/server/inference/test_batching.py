"""Batching: what is answered, refused and counted, one caller at a time."""

import itertools

import pytest

from server.errors import OverloadedError, TooLargeError
from server.inference.queue import BatchLimits
from tests.support.batching import LIMITS, ManualClock, answers, gated, make_row, running, settle
from tests.support.engines import EchoEngine, GatedEngine

pytestmark = pytest.mark.anyio


async def test_answers_stand_in_the_order_of_their_rows() -> None:
    """Rows of many lengths, run in several micro-batches, are answered in the order they were sent."""
    rows = [make_row(100 + index, length) for index, length in enumerate([3, 17, 1, 9, 3, 30, 2, 9, 12])]
    async with running(EchoEngine()) as harness:
        result = await harness.submit(rows)
    assert [[row[0], len(row)] for row in rows] == answers(result)
    numbers = itertools.chain.from_iterable(result.logits)
    assert {float} == set(map(type, numbers)), "plain numbers, which keep no batch in memory"


async def test_waiting_and_running_seconds_are_told_apart() -> None:
    """A request that queued behind another reports its wait beside the time in which it ran."""
    clock = ManualClock()
    async with gated(clock=clock) as harness:
        (first,) = await harness.one_runs([make_row(1, 20)])
        clock.now_s += 1.0
        (second,) = await harness.queue([make_row(2, 20)])
        clock.now_s += 2.0
        harness.gate.let_pass()
        await first
        await harness.gate.reached(2)
        clock.now_s += 4.0
        harness.gate.open()
        ran, waited = await settle([first, second])
        figures = harness.figures()
    assert (0.0, 3.0) == (ran.queue_s, ran.inference_s)
    assert (2.0, 4.0) == (waited.queue_s, waited.inference_s)
    assert (2.0, 7.0) == (figures["verdict_queue_wait_seconds_sum"], figures["verdict_inference_seconds_sum"])


async def test_a_row_that_shares_a_run_in_progress_has_not_waited() -> None:
    """An equal row that comes a second after the run began counts no wait, above all no negative one."""
    clock = ManualClock()
    async with gated(clock=clock) as harness:
        (first,) = await harness.one_runs([make_row(1, 20)])
        clock.now_s += 1.0
        (second,) = await harness.queue([make_row(1, 20)])
        clock.now_s += 2.0
        harness.gate.open()
        _, shared = await settle([first, second])
        figures = harness.figures()
    assert (0.0, 3.0) == (shared.queue_s, shared.inference_s)
    assert (2, 0.0) == (figures["verdict_queue_wait_seconds_count"], figures["verdict_queue_wait_seconds_sum"])


async def test_texts_that_queue_while_a_worker_is_busy_share_a_run() -> None:
    """Requests of the same length that arrived during a run make up the next micro-batch together."""
    async with gated() as harness:
        tasks = await harness.one_runs([make_row(0, 5)], *[[make_row(name, 5)] for name in (1, 2, 3)])
        harness.gate.open()
        await settle(tasks)
    assert [1, 3] == [len(batch.input_ids) for batch in harness.gate.batches]


async def test_a_row_longer_than_the_token_budget_runs_alone() -> None:
    """The budget of padded tokens bounds how rows join, not the length of one row."""
    async with gated() as harness:
        harness.gate.open()
        result = await harness.submit([make_row(1, 2), make_row(2, LIMITS.max_batch_tokens + 10), make_row(3, 2)])
    assert [[1, 2], [2, 42], [3, 2]] == answers(result)
    assert [1] == [len(batch.input_ids) for batch in harness.gate.batches if batch.input_ids.shape[1] == 42]


async def test_a_large_request_lets_small_ones_through() -> None:
    """Requests take turns, so one text is answered long before a large request that came first is done."""
    async with gated() as harness:
        rows = [make_row(1000 + index, 8) for index in range(80)]
        large, *small = await harness.one_runs(rows, [make_row(1, 30)], [make_row(2, 3)])
        for run in range(2, 6):
            harness.gate.let_pass()
            await harness.gate.reached(run)
        assert [[[1, 30]], [[2, 3]]] == [answers(await task) for task in small]
        assert not large.done()
        assert harness.figures()["verdict_queue_depth_texts"] > 50
        harness.gate.open()
        assert 80 == len((await large).logits)


async def test_a_full_queue_refuses_the_whole_request() -> None:
    """A request that does not fit is refused with a time to retry after, and leaves none of its rows behind."""
    limits = BatchLimits(max_batch_items=4, max_batch_tokens=32, max_queue_tokens=100)
    async with gated(limits=limits) as harness:
        tasks = await harness.one_runs([make_row(1, 10)], [make_row(name, 30) for name in (20, 21, 22)])
        before = harness.figures()
        with pytest.raises(OverloadedError, match="90 of 100 tokens") as caught:
            await harness.submit([make_row(3, 4), make_row(4, 7)])
        assert 1 == caught.value.retry_after_s
        assert {"verdict_shed_total{reason=overloaded}": 1.0} == {
            name: value for name, value in harness.figures().items() if before.get(name) != value
        }
        fits = harness.submit([make_row(5, 10)])
        harness.gate.open()
        await settle(tasks)
        assert [[5, 10]] == answers(await fits)


async def test_retry_after_is_the_time_in_which_the_queue_drains_as_measured() -> None:
    """A run of 10 tokens in 2 seconds: 25 tokens too many are gone after 5 seconds."""
    clock = ManualClock()
    limits = BatchLimits(max_batch_items=4, max_batch_tokens=32, max_queue_tokens=100)
    async with gated(limits=limits, clock=clock) as harness:
        (first,) = await harness.one_runs([make_row(1, 10)])
        clock.now_s += 2.0
        harness.gate.let_pass()
        await first
        tasks = await harness.one_runs([make_row(2, 10)], [make_row(3, 90)])
        with pytest.raises(OverloadedError) as caught:
            await harness.submit([make_row(4, 35)])
        assert 5 == caught.value.retry_after_s
        harness.gate.open()
        await settle(tasks)


async def test_a_full_queue_refuses_before_tokenization() -> None:
    """Rows that are not tokenized yet are refused while the queue is full, and counted."""
    limits = BatchLimits(max_batch_items=1, max_batch_tokens=32, max_queue_tokens=100, max_row_tokens=40)
    async with gated(limits=limits) as harness:
        harness.batcher.check_room(100, 0)
        with pytest.raises(TooLargeError, match="101 tokens, more than the 100"):
            harness.batcher.check_room(101, 0)
        tasks = await harness.one_runs([make_row(1, 10)], [make_row(2, 30)], [make_row(3, 31)])
        with pytest.raises(OverloadedError):
            harness.batcher.check_room(1, 1)
        assert 1 == harness.figures()["verdict_shed_total{reason=overloaded}"]
        harness.gate.open()
        await settle(tasks)


async def test_an_estimate_of_tokens_refuses_only_while_others_wait() -> None:
    """An overestimate can cause a 429 under load, never a 413: an empty queue admits any estimate."""
    limits = BatchLimits(max_batch_items=1, max_batch_tokens=32, max_queue_tokens=100)
    async with gated(limits=limits) as harness:
        (first,) = await harness.one_runs([make_row(1, 10)])
        harness.batcher.check_room(3, 1_000)
        tasks = [first, *await harness.queue([make_row(2, 30)])]
        harness.batcher.check_room(3, 70)
        with pytest.raises(OverloadedError, match="30 of 100 tokens and has no room for 71 more"):
            harness.batcher.check_room(3, 71)
        with pytest.raises(OverloadedError, match="no room for 100 more"):
            harness.batcher.check_room(3, 1_000)
        with pytest.raises(TooLargeError):
            harness.batcher.check_room(101, 1_000)
        harness.gate.open()
        await settle(tasks)


async def test_a_cached_row_is_answered_while_the_queue_is_full() -> None:
    """A row that needs no run needs no room, before tokenization and after it."""
    limits = BatchLimits(max_batch_items=1, max_batch_tokens=32, max_queue_tokens=40, max_row_tokens=40)
    async with gated(limits=limits, cache_items=2) as harness:
        (first,) = await harness.one_runs([make_row(1, 10)])
        harness.gate.let_pass()
        await first
        tasks = await harness.one_runs([make_row(2, 10)], [make_row(3, 30)])
        harness.batcher.check_room(1, 1)
        assert [[1, 10]] == answers(await harness.submit([make_row(1, 10)], timeout_s=5))
        harness.gate.open()
        await settle(tasks)


async def test_a_row_that_runs_is_shared_while_the_queue_is_full() -> None:
    """An equal row that comes meanwhile needs no room."""
    limits = BatchLimits(max_batch_items=1, max_batch_tokens=32, max_queue_tokens=40, max_row_tokens=40)
    async with gated(limits=limits) as harness:
        tasks = await harness.one_runs([make_row(1, 10)], [make_row(2, 40)], [make_row(1, 10)])
        harness.gate.open()
        assert [[[1, 10]], [[2, 40]], [[1, 10]]] == [answers(await task) for task in tasks]


async def test_a_request_larger_than_the_queue_is_too_large() -> None:
    """A request that does not fit into an empty queue is no overload: to retry can not help."""
    limits = BatchLimits(max_batch_items=4, max_batch_tokens=32, max_queue_tokens=50)
    async with running(EchoEngine(), limits) as harness:
        with pytest.raises(TooLargeError, match="51 tokens, more than the 50"):
            await harness.submit([make_row(1, 25), make_row(2, 26)])
        assert 0 == harness.figures()["verdict_queue_tokens"]
        result = await harness.submit([make_row(1, 25), make_row(2, 25)])
    assert [[1, 25], [2, 25]] == answers(result)


async def test_equal_rows_are_computed_once() -> None:
    """Equal rows that wait share one row of a run, and those that arrive while it runs share its answer."""
    async with gated() as harness:
        requests = [[make_row(1, 5)], [make_row(1, 5), make_row(2, 5), make_row(2, 5)], [make_row(2, 5)]]
        tasks = await harness.one_runs(*requests)
        harness.gate.open()
        results = [answers(await task) for task in tasks]
    assert [[[1, 5]], [[1, 5], [2, 5], [2, 5]], [[2, 5]]] == results
    assert [1, 1] == [len(batch.input_ids) for batch in harness.gate.batches]


async def test_a_cached_row_is_answered_without_a_run() -> None:
    """With a cache, a row that was computed before costs no run; hits and misses are counted."""
    engine = GatedEngine(EchoEngine())
    engine.open()
    async with running(engine, cache_items=2) as harness:
        for name in (1, 2, 1, 3, 1, 2):
            assert [[name, 5]] == answers(await harness.submit([make_row(name, 5)]))
        figures = harness.figures()
    assert [1, 2, 3, 2] == [int(batch.input_ids[0, 0]) for batch in engine.batches]
    assert (2, 4) == tuple(figures[f"verdict_cache_total{{outcome={outcome}}}"] for outcome in ("hit", "miss"))


async def test_every_figure_of_a_run_is_counted_once() -> None:
    """One run of three texts is one observation of its size, its padded tokens and its seconds."""
    async with gated() as harness:
        tasks = await harness.one_runs([make_row(0, 4)], [make_row(1, 6), make_row(2, 5), make_row(3, 6)])
        queued = harness.figures()
        harness.gate.let_pass()
        await harness.gate.reached(2)
        in_run = harness.figures()
        harness.gate.open()
        await settle(tasks)
        done = harness.figures()
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
