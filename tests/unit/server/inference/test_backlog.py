"""The background: rows that run only while no other row waits."""

import asyncio

import pytest

from server.errors import TimedOutError
from server.inference.backlog import Backlog
from server.inference.batching import BatchedLogits
from server.inference.queue import Admission
from tests.support.batching import (
    BATCHING_PAYS,
    FAR,
    LIMITS,
    Harness,
    answers,
    clock_ahead,
    gated,
    make_row,
    running,
    settle,
)
from tests.support.engines import EchoEngine, PoisonedEngine

pytestmark = pytest.mark.anyio


async def explain(harness: Harness, names: range, timeout_s: float = FAR) -> "asyncio.Task[BatchedLogits]":
    """Submit rows to the background and return once they are queued."""
    deadline = asyncio.get_running_loop().time() + timeout_s
    rows = [make_row(name, 5) for name in names]
    task = asyncio.create_task(harness.batcher.submit(rows, deadline, background=True))
    await asyncio.sleep(0)
    return task


def order(harness: Harness) -> list[list[int]]:
    """Return the names of the rows of each run."""
    return [batch.input_ids[:, 0].tolist() for batch in harness.gate.batches]


async def test_a_prediction_goes_before_the_rest_of_the_background() -> None:
    """It waits for the micro-batch that runs, and for no other."""
    async with gated() as harness:
        task = await explain(harness, range(1, 11))
        await harness.gate.reached(1)
        (prediction,) = await harness.queue([make_row(50, 5)])
        harness.gate.open()
        assert [[50, 5]] == answers(await prediction)
        assert [[name, 5] for name in range(1, 11)] == answers(await task)
    assert [[1, 2, 3, 4], [50], [5, 6, 7, 8], [9, 10]] == order(harness)


async def test_the_background_leaves_other_workers_free() -> None:
    """Of two workers one runs it; a prediction that arrives runs at once."""
    async with gated(workers=2) as harness:
        task = await explain(harness, range(1, 11))
        await harness.gate.reached(1)
        (prediction,) = await harness.queue([make_row(50, 5)])
        await harness.gate.reached(2)
        assert [[1, 2, 3, 4], [50]] == order(harness)
        harness.gate.open()
        await prediction
        assert 10 == len(answers(await task))


async def test_the_background_is_not_refused_and_not_counted_as_a_queue() -> None:
    """Its rows take no room of predictions, and their wait is no figure of the queue."""
    async with gated() as harness:
        task = await explain(harness, range(1, 3000))
        await harness.gate.reached(1)
        figures = harness.figures()
        assert (0, 2995) == (figures["verdict_queue_depth_texts"], figures["verdict_background_texts"])
        assert 0 == figures["verdict_queue_tokens"]
        harness.gate.open()
        await task
    figures = harness.figures()
    assert (0, 0) == (figures["verdict_background_texts"], figures["verdict_queue_wait_seconds_count"])


async def test_a_row_that_runs_for_a_prediction_is_not_run_again_beside_it() -> None:
    """The background row that waited joins the run of its equal, and the rest of its micro-batch runs."""
    backlog = Backlog(LIMITS, BATCHING_PAYS)
    loop = asyncio.get_running_loop()
    behind, before = (
        Admission(loop.create_future(), [()] * rows, 0.0, background=background)
        for rows, background in ((2, True), (1, False))
    )
    for name in (1, 2):
        backlog.add(make_row(name, 5), name - 1, behind)
    backlog.add(make_row(1, 5), 0, before)
    first, second = backlog.begin(), backlog.begin()
    assert ([make_row(1, 5)], [make_row(2, 5)]) == (list(first), list(second))
    assert [before, behind] == [item.admission for item in first[make_row(1, 5)]]
    assert not backlog
    backlog.end(first)
    backlog.end(second)
    assert {} == backlog.running


async def test_the_background_has_a_deadline() -> None:
    """What does not run by then is given up, and leaves nothing behind."""
    async with gated() as harness:
        (prediction,) = await harness.one_runs([make_row(50, 5)])
        task = await explain(harness, range(1, 4))
        with clock_ahead(2 * FAR), pytest.raises(TimedOutError):
            await task
        assert 0 == harness.figures()["verdict_background_texts"]
        harness.gate.open()
        await prediction


async def test_a_caller_that_goes_takes_its_background_rows_along() -> None:
    """Only the micro-batch that runs is finished."""
    async with gated() as harness:
        task = await explain(harness, range(1, 11))
        await harness.gate.reached(1)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert 0 == harness.figures()["verdict_background_texts"]
        (prediction,) = await harness.queue([make_row(50, 5)])
        harness.gate.open()
        await prediction
    assert [[1, 2, 3, 4], [50]] == order(harness)


async def test_a_row_that_fails_in_the_background_fails_alone() -> None:
    """A prediction after it is answered."""
    async with running(PoisonedEngine(EchoEngine(), poison=73)) as harness:
        task = await explain(harness, range(71, 75))
        assert isinstance((await settle([task]))[0], Exception)
        assert [[50, 5]] == answers(await harness.submit([make_row(50, 5)]))
