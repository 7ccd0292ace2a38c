"""Batching: a caller that goes, a deadline that passes and a run that fails touch no other request."""

import asyncio
import gc
import weakref
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from artifact.runtime import Batch
from server.errors import DrainingError, EngineFailedError, TextFailedError, TimedOutError
from server.inference.one_core import InlinePolicy
from server.inference.queue import Admission, BatchLimits
from tests.support.batching import FAR, answers, clock_ahead, gated, make_row, many_cores, one_core, running, settle
from tests.support.engines import EchoEngine, FixedEngine, PoisonedEngine

pytestmark = pytest.mark.anyio


async def test_a_passed_deadline_gives_up_what_still_waits() -> None:
    """A request whose deadline passed while it queued is timed out before any work, and its neighbour is answered."""
    async with gated() as harness:
        (first,) = await harness.one_runs([make_row(1, 5)])
        late = harness.submit([make_row(2, 5), make_row(3, 5)], timeout_s=0)
        patient = harness.submit([make_row(4, 5)])
        with pytest.raises(TimedOutError):
            await late
        harness.gate.open()
        assert [[1, 5]] == answers(await first)
        assert [[4, 5]] == answers(await patient)
        assert 1 == harness.figures()["verdict_shed_total{reason=timed_out}"]
    asked = {int(name) for batch in harness.gate.batches for name in batch.input_ids[:, 0]}
    assert {1, 4} == asked


@pytest.mark.parametrize("is_late", [True, False], ids=["given up", "answered"])
async def test_a_request_that_has_ended_leaves_nothing_behind(*, is_late: bool) -> None:
    """Its rows and everything that waited for them are freed at once, without a garbage collection."""
    async with gated() as harness:
        (first,) = await harness.one_runs([make_row(1, 5)])
        gc.collect()
        gc.disable()
        try:
            others = admissions()
            (task,) = await harness.queue([make_row(2, 5)])
            if is_late:
                with clock_ahead(2 * FAR), pytest.raises(TimedOutError):
                    await task
            else:
                harness.gate.open()
                await asyncio.gather(first, task)
                others -= 1  # the first one has ended too
            del task
            assert others == admissions()
        finally:
            gc.enable()
        harness.gate.open()
        await first


def admissions() -> int:
    """Count the admissions that have not been freed."""
    return sum(type(tracked) is Admission for tracked in gc.get_objects())


async def test_a_deadline_does_not_touch_what_runs() -> None:
    """A request all of whose rows are running when its deadline passes is answered."""
    async with gated() as harness:
        task = harness.submit([make_row(1, 5)], timeout_s=60)
        await harness.gate.reached(1)
        with clock_ahead(61):
            await asyncio.sleep(0)
        harness.gate.open()
        assert [[1, 5]] == answers(await task)
        assert "verdict_shed_total{reason=timed_out}" not in harness.figures()


async def test_a_deadline_that_passes_while_its_caller_is_cancelled_is_harmless() -> None:
    """Cancelled and timed out in the same iteration of the event loop, a request ends quietly."""
    loop = asyncio.get_running_loop()
    complaints: list[Any] = []
    loop.set_exception_handler(lambda _, context: complaints.append(context))
    async with gated() as harness:
        (first,) = await harness.one_runs([make_row(1, 5)])
        deadline = loop.time() + 60
        gone = asyncio.create_task(harness.batcher.submit([make_row(2, 5), make_row(3, 5)], deadline))
        await asyncio.sleep(0)
        loop.call_at(deadline, gone.cancel)
        with clock_ahead(61):
            (ended,) = await settle([gone])
        harness.gate.open()
        await first
    gc.collect()
    assert isinstance(ended, asyncio.CancelledError)
    assert [] == complaints


async def test_a_cancelled_caller_leaves_the_queue_at_once() -> None:
    """The rows of a caller that has gone are never run, and their tokens make room for others."""
    async with gated() as harness:
        first, gone, stays = await harness.one_runs(
            [make_row(1, 5)], [make_row(name, 5) for name in (20, 21, 22)], [make_row(3, 5)]
        )
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
        assert 5 == harness.figures()["verdict_queue_tokens"]
        harness.gate.open()
        assert [[1, 5]] == answers(await first)
        assert [[3, 5]] == answers(await stays)
    assert [1, 1] == [len(batch.input_ids) for batch in harness.gate.batches]


async def test_a_cancelled_caller_takes_no_other_row_of_its_length_out_of_the_queue() -> None:
    """Rows of one length are told apart by their order: those before and behind it run."""
    async with gated() as harness:
        first, before, gone, behind = await harness.one_runs(*[[make_row(name, 5)] for name in (1, 2, 3, 4)])
        gone.cancel()
        await settle([gone])
        harness.gate.open()
        results = await asyncio.wait_for(settle([first, before, behind]), 10)
        assert [[[1, 5]], [[2, 5]], [[4, 5]]] == [answers(result) for result in results]
    assert [[1], [2, 4]] == [batch.input_ids[:, 0].tolist() for batch in harness.gate.batches]


async def test_a_caller_cancelled_while_its_batch_runs_does_not_touch_its_neighbours() -> None:
    """The others in the micro-batch are answered, and the worker goes on."""
    async with gated() as harness:
        first, gone, stays = await harness.one_runs([make_row(1, 5)], [make_row(2, 5)], [make_row(3, 5)])
        harness.gate.let_pass()
        await harness.gate.reached(2)
        gone.cancel()
        harness.gate.open()
        results = await settle([first, gone, stays])
        assert isinstance(results[1], asyncio.CancelledError)
        assert [[3, 5]] == answers(results[2])
        assert [[4, 5]] == answers(await harness.submit([make_row(4, 5)]))


async def test_a_caller_that_goes_leaves_the_answer_to_those_with_an_equal_row() -> None:
    """The row of a caller that has gone is still computed for others who asked the same, waiting or running."""
    async with gated() as harness:
        (gone_running,) = await harness.one_runs([make_row(1, 5)])
        stays_running, gone_waiting, stays_waiting = await harness.queue(*[[make_row(name, 5)] for name in (1, 2, 2)])
        gone_running.cancel()
        gone_waiting.cancel()
        await settle([gone_running, gone_waiting])
        harness.gate.open()
        assert [[1, 5]] == answers(await stays_running)
        assert [[2, 5]] == answers(await stays_waiting)


async def test_a_row_that_fails_alone_fails_only_its_own_text(caplog: pytest.LogCaptureFixture) -> None:
    """Its caller gets text_failed without the runtime's words; the log has them; other texts run."""
    async with gated(PoisonedEngine(EchoEngine())) as harness:
        first, poisoned, apart = await harness.one_runs(
            [make_row(1, 5)], [(PoisonedEngine.POISON,) * 30], [make_row(3, 4)]
        )
        harness.gate.open()
        with pytest.raises(TextFailedError, match="the model fails on text 0, alone too") as caught:
            await poisoned
        assert "secret" not in str(caught.value)
        assert "a micro-batch of 1 texts failed" in caplog.text
        assert "secret detail of the runtime" in caplog.text
        assert [[1, 5]] == answers(await first)
        assert [[3, 4]] == answers(await apart)
        assert [[4, 5]] == answers(await harness.submit([make_row(4, 5)]))


@pytest.mark.parametrize("inline", [many_cores(), one_core()], ids=["worker thread", "event loop's thread"])
async def test_the_neighbours_of_a_poisonous_row_are_answered(
    caplog: pytest.LogCaptureFixture, inline: InlinePolicy
) -> None:
    """A micro-batch that fails runs again row by row: of four requests in it only the guilty one fails.

    The log has one traceback, that of the micro-batch, and a line with the runtime's words about the row alone.
    """
    async with running(PoisonedEngine(EchoEngine()), inline=inline) as harness:
        poison = (2, PoisonedEngine.POISON, 0, 0, 0)
        rows = [[make_row(1, 5)], [make_row(3, 5), poison], [make_row(4, 5)], [make_row(5, 5)]]
        one, guilty, *others = await settle([harness.submit(request) for request in rows])
        figures = harness.figures()
    assert [[[1, 5]], [[4, 5]], [[5, 5]]] == [answers(result) for result in (one, *others)]
    assert isinstance(guilty, TextFailedError)
    assert 1 == guilty.index
    assert [0, 0] == [figures[f"verdict_{name}"] for name in ("queue_tokens", "in_flight_texts")]
    together, alone = caplog.records
    assert ("a micro-batch of 4 texts failed", "ERROR") == (together.getMessage(), together.levelname)
    assert together.exc_info
    words = "a text of a failed micro-batch fails alone too: RuntimeError('secret detail of the runtime')"
    assert (words, "ERROR") == (alone.getMessage(), alone.levelname)
    assert not alone.exc_info


async def test_a_row_that_arrives_while_its_equal_runs_again_shares_that_run() -> None:
    """Until a row of a failed micro-batch has its answer, equal rows join it, and none is left without one."""
    async with gated(PoisonedEngine(EchoEngine())) as harness:
        first, poisoned, good = await harness.one_runs(
            [make_row(9, 5)], [(2, PoisonedEngine.POISON, 0)], [make_row(3, 3)]
        )
        harness.gate.let_pass(2)
        await harness.gate.reached(3)
        late = harness.submit([make_row(3, 3)])
        poisoned_too = harness.submit([(2, PoisonedEngine.POISON, 0)])
        await asyncio.sleep(0)
        harness.gate.open()
        results = await asyncio.wait_for(settle([first, poisoned, good, late, poisoned_too]), 10)
    assert [[[9, 5]], [[3, 3]], [[3, 3]]] == [answers(results[index]) for index in (0, 2, 3)]
    assert [TextFailedError] * 2 == [type(results[index]) for index in (1, 4)]


async def test_rows_that_nobody_waits_for_do_not_run_again() -> None:
    """The caller of a row in a failed micro-batch has left: its row is not computed."""
    async with gated(PoisonedEngine(EchoEngine())) as harness:
        first, poisoned, gone = await harness.one_runs(
            [make_row(9, 5)], [(2, PoisonedEngine.POISON, 0)], [make_row(3, 3)]
        )
        harness.gate.let_pass()
        await harness.gate.reached(2)
        gone.cancel()
        await settle([gone])
        harness.gate.open()
        await settle([first, poisoned])
        assert [[4, 5]] == answers(await harness.submit([make_row(4, 5)]))
    alone = [int(batch.input_ids[0, 0]) for batch in harness.gate.batches if len(batch.input_ids) == 1]
    assert 3 not in alone


async def test_an_engine_that_fails_on_every_row_is_to_blame_itself() -> None:
    """Then no text is: its caller gets engine_failed, and may try again."""

    class Broken(EchoEngine):
        def run(self, batch: Batch) -> NDArray[np.float32]:
            raise RuntimeError("secret")

    async with running(Broken()) as harness:
        with pytest.raises(EngineFailedError, match="the model fails on texts that it answered before; try again"):
            await harness.submit([make_row(1, 5), make_row(2, 5)])


async def test_the_other_rows_of_a_failed_request_are_not_run() -> None:
    """Its caller has its answer, so they would only keep others waiting."""
    limits = BatchLimits(max_batch_items=1, max_batch_tokens=32, max_queue_tokens=100)
    async with gated(PoisonedEngine(EchoEngine()), limits) as harness:
        tasks = await harness.one_runs([make_row(1, 5)], [(PoisonedEngine.POISON,), make_row(2, 5)])
        harness.gate.open()
        _, failed = await settle(tasks)
    assert isinstance(failed, TextFailedError)
    padding = 0
    assert [1, PoisonedEngine.POISON, padding] == [int(batch.input_ids[0, 0]) for batch in harness.gate.batches]


@pytest.mark.parametrize(
    "logits",
    [
        pytest.param([], id="fewer rows than texts"),
        pytest.param([[1.0, 2.0]] * 3, id="more rows than texts"),
        pytest.param([[1.0, float("nan")]] * 2, id="not a number"),
        pytest.param([[1.0, float("inf")]] * 2, id="infinite"),
    ],
)
async def test_an_answer_that_can_not_be_right_is_a_failure(logits: list[list[float]]) -> None:
    """Logits of the wrong shape or that are not finite fail their batch, and the worker goes on."""
    async with running(FixedEngine(logits)) as harness:
        for _ in range(2):
            with pytest.raises(EngineFailedError):
                await asyncio.wait_for(harness.submit([make_row(1, 5), make_row(2, 5)]), 5)


async def test_closing_answers_every_request_that_still_waits_or_runs() -> None:
    """No caller hangs on a batcher that was closed, whether its rows are queued or running."""
    async with gated() as harness:
        tasks = await harness.one_runs([make_row(1, 5)], [make_row(2, 5)])
        asyncio.get_running_loop().call_soon(harness.gate.open)
        await harness.batcher.close()
        results = await asyncio.wait_for(settle(tasks), 5)
        assert [DrainingError] * 2 == [type(result) for result in results]
        with pytest.raises(DrainingError, match="the server is shutting down; send the request to another one"):
            await harness.submit([make_row(3, 5)])


async def test_a_closed_batcher_lets_go_of_its_engine() -> None:
    """The engine that a reload replaces is freed at once: the collector skips objects that exist since the start."""
    engine = EchoEngine()
    alive = weakref.ref(engine)
    gc.disable()
    try:
        async with running(engine) as harness:
            await harness.submit([make_row(1, 5)])
        gauges = harness.metrics
        for gauge in (gauges.queue_depth, gauges.queue_tokens, gauges.background_depth, gauges.in_flight):
            gauge.set_function(lambda: 0.0)  # as the next batcher does
        del engine, harness
        assert alive() is None
    finally:
        gc.enable()
