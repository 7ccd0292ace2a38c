"""Batching: callers that go, deadlines that pass and runs that fail touch nobody else."""

import asyncio
import gc
import weakref
from typing import Any

import pytest

from server.errors import DrainingError, EngineFailedError, TimedOutError
from server.inference.queue import Admission
from tests.support.batching import answers, make_bench, make_row, running, settle
from tests.support.engines import EchoEngine, FixedEngine, GatedEngine, PoisonedEngine

pytestmark = pytest.mark.anyio


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


async def test_a_request_that_is_given_up_leaves_no_ring_behind() -> None:
    """Its rows and whatever waited for them are freed at once, without the collector's help."""
    engine = GatedEngine(EchoEngine())
    async with running(engine) as bench:
        first = bench.submit([make_row(1, 5)])
        await engine.reached(1)
        gc.collect()
        gc.disable()
        try:
            others = admissions()
            with pytest.raises(TimedOutError):
                await bench.submit([make_row(2, 5)], timeout_s=0.01)
            assert others == admissions()
        finally:
            gc.enable()
        engine.open()
        await first


def admissions() -> int:
    """Count the admissions that have not been freed."""
    return sum(type(it) is Admission for it in gc.get_objects())


async def test_a_deadline_does_not_touch_what_runs() -> None:
    """A request all of whose rows are running when its deadline passes is answered."""
    engine = GatedEngine(EchoEngine())
    async with running(engine) as bench:
        task = bench.submit([make_row(1, 5)], timeout_s=0.5)  # long enough to be running by then
        loop = asyncio.get_running_loop()
        deadline = loop.time() + 0.5
        await engine.reached(1)
        passed = asyncio.Event()
        loop.call_at(deadline + 0.05, passed.set)
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


async def test_a_closed_batcher_lets_go_of_its_engine() -> None:
    """The engine that a reload replaces is freed at once: the collector does not look at what stood at the start."""
    engine = EchoEngine()
    alive = weakref.ref(engine)
    gc.disable()
    try:
        async with running(engine) as bench:
            await bench.submit([make_row(1, 5)])
        for gauge in (bench.metrics.queue_depth, bench.metrics.queue_tokens, bench.metrics.in_flight):
            gauge.set_function(lambda: 0.0)  # as the next batcher does
        del engine, bench
        assert alive() is None
    finally:
        gc.enable()
