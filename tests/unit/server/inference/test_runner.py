"""The runner: where a micro-batch is computed, and which answers of an engine are refused."""

import asyncio
import threading

import numpy as np
import pytest
from numpy.typing import NDArray

from artifact.cost_curve import CostCurve
from artifact.runtime import Batch, Engine
from server.inference.one_core import InlinePolicy
from server.inference.runner import Runner
from tests.support.batching import make_row
from tests.support.engines import EchoEngine, FixedEngine, GatedEngine, WitnessEngine

pytestmark = pytest.mark.anyio

A_SECOND_A_TOKEN = CostCurve([(1, 1.0), (100, 100.0)])


def make_runner(engine: Engine, max_run_s: float = 0.0) -> Runner:
    """Return a runner whose runs cost a second for every padded token."""
    inline = InlinePolicy(max_run_s, 0)
    return Runner(engine, pad_token_id=7, workers=1, cost=A_SECOND_A_TOKEN, inline=inline)


async def test_the_cost_of_all_padded_tokens_decides_where_a_run_is_done() -> None:
    """Two rows padded to 3 tokens are a run of 6: inline only where so long a run is allowed."""
    rows = [make_row(1, 3), make_row(2, 2)]
    for max_run_s, on_this_thread in ((5.9, False), (6.1, True)):
        engine = WitnessEngine()
        runner = make_runner(engine, max_run_s)
        assert [[1.0, 3.0], [2.0, 2.0]] == await runner.run(rows)
        assert [on_this_thread] == [thread is threading.current_thread() for thread in engine.threads]
        await runner.close()


async def test_shorter_rows_are_filled_with_the_padding_of_the_model() -> None:
    """The engine sees a rectangle of token ids, and a mask that tells them from the padding."""
    engine = GatedEngine(EchoEngine())
    engine.open()
    make_runner(engine).run_inline([(1, 2, 3), (4,)])
    (batch,) = engine.batches
    assert [[1, 2, 3], [4, 7, 7]] == batch.input_ids.tolist()
    assert [[1, 1, 1], [1, 0, 0]] == batch.attention_mask.tolist()


@pytest.mark.parametrize(
    "logits",
    [
        pytest.param([[1.0, 2.0]], id="fewer rows"),
        pytest.param([[1.0, 2.0]] * 3, id="more rows"),
        pytest.param([[1.0, 2.0], [float("nan"), 1.0]], id="not a number"),
        pytest.param([[1.0, 2.0], [1.0, float("-inf")]], id="infinite"),
    ],
)
def test_an_answer_that_can_not_be_right_is_refused(logits: list[list[float]]) -> None:
    """The error says what was expected and what came."""
    shape = rf"answered 2 rows with logits of the shape \({len(logits)}, 2\); as many rows of finite numbers"
    with pytest.raises(ValueError, match=shape):
        make_runner(FixedEngine(logits)).run_inline([make_row(1, 5), make_row(2, 5)])


async def test_closing_waits_for_what_runs() -> None:
    """A run on a worker thread ends before its thread does, so the engine may be freed afterwards."""
    ended = threading.Event()

    class Ending(GatedEngine):
        def run(self, batch: Batch) -> NDArray[np.float32]:
            answer = super().run(batch)
            ended.set()
            return answer

    engine = Ending(EchoEngine())
    runner = make_runner(engine)
    task = asyncio.create_task(runner.run([make_row(1, 5)]))
    await engine.reached(1)
    asyncio.get_running_loop().call_soon(engine.open)
    await runner.close()
    assert ended.is_set()
    assert [[1.0, 5.0]] == await task
