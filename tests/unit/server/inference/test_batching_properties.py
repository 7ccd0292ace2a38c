"""Batching as a whole: in any interleaving of callers, every answer matches its question and no row is left over."""

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from artifact.rows import Row
from server.errors import OverloadedError, TextFailedError, TimedOutError, TooLargeError
from server.inference.batching import BatchedLogits
from server.inference.queue import BatchLimits
from tests.support.batching import FAR, answers, make_row, one_core, running, settle
from tests.support.engines import EchoEngine, GatedEngine, PoisonedEngine

pytestmark = pytest.mark.anyio


@dataclass(frozen=True)
class Caller:
    """One caller of the property below.

    Attributes:
        lengths: tokens of its rows.
        fate: what happens to it.
        passes: runs that may pass the gate after it came.
        iterations: iterations of the event loop before the next caller comes.
    """

    lengths: list[int]
    fate: str
    passes: int
    iterations: int


CALLERS = st.lists(
    st.builds(
        Caller,
        lengths=st.lists(st.integers(1, 40), min_size=1, max_size=6),
        fate=st.sampled_from(["waits", "waits", "cancels", "expires", "poisons"]),
        passes=st.integers(0, 3),
        iterations=st.integers(1, 4),
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
    inline=st.booleans(),
)
async def test_every_answer_matches_its_question_in_any_interleaving(
    callers: list[Caller],
    workers: int,
    max_batch_items: int,
    max_batch_tokens: int,
    max_queue_tokens: int,
    *,
    inline: bool,
) -> None:
    """Each caller gets its own answer or its own error, budgets hold and nothing is left over."""
    limits = BatchLimits(max_batch_items, max_batch_tokens, max_queue_tokens)
    engine = GatedEngine(PoisonedEngine(EchoEngine()))
    if inline:  # a gate at which the event loop's own thread waits could not be opened
        engine.open()
    asked = []
    async with running(engine, limits, workers=workers, inline=one_core(FAR) if inline else None) as harness:
        tasks = []
        for number, caller in enumerate(callers):
            rows = [make_row(1000 * number + 1000 + index, length) for index, length in enumerate(caller.lengths)]
            if caller.fate == "poisons":
                rows[-1] += (PoisonedEngine.POISON,)
            asked.append(rows)
            tasks.append(harness.submit(rows, timeout_s=0 if caller.fate == "expires" else FAR))
            for _ in range(caller.iterations):
                await asyncio.sleep(0)
            assert harness.figures()["verdict_queue_tokens"] <= max_queue_tokens
            engine.let_pass(caller.passes)
        for caller, task in zip(callers, tasks, strict=True):
            if caller.fate == "cancels":
                task.cancel()
        engine.open()
        results = await asyncio.wait_for(settle(tasks), 10)
    figures = harness.figures()  # after the close: the run of a caller that has gone may outlive its request
    _check_budgets(engine, limits)
    poisoned = _names_in_poisoned_batches(engine)
    for caller, rows, result in zip(callers, asked, results, strict=True):
        _check_fate(caller, rows, result, poisoned, max_queue_tokens)
    assert [0, 0, 0] == [
        figures[f"verdict_{name}"] for name in ("queue_depth_texts", "queue_tokens", "in_flight_texts")
    ]


def _check_budgets(engine: GatedEngine, limits: BatchLimits) -> None:
    names = [int(name) for batch in engine.batches for name in batch.input_ids[:, 0]]
    poisoned = _names_in_poisoned_batches(engine)
    once = [name for name in names if name not in poisoned and name]
    assert len(set(once)) == len(once), "a row ran twice"
    for batch in engine.batches:
        assert len(batch.input_ids) <= limits.max_batch_items
        assert batch.input_ids.size <= limits.max_batch_tokens or 1 == len(batch.input_ids)
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
    if isinstance(result, BatchedLogits):
        assert [[row[0], len(row)] for row in rows] == answers(result)
        assert caller.fate != "poisons"
    elif isinstance(result, TooLargeError):
        assert tokens > capacity
    elif isinstance(result, OverloadedError):
        assert result.retry_after_s > 0
        assert tokens <= capacity
    elif isinstance(result, TextFailedError):
        assert "poisons" == caller.fate
    elif isinstance(result, TimedOutError):
        assert "expires" == caller.fate
    else:
        assert isinstance(result, asyncio.CancelledError), result
        assert "cancels" == caller.fate
