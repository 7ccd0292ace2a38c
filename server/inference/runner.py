"""The runner: rows of token ids -> logits, on the event loop's thread or on a worker thread.

It owns the worker threads and checks every answer of the engine. It knows neither queue nor cache.
"""

import asyncio
import itertools
import math
from concurrent.futures import ThreadPoolExecutor

from artifact.cost_curve import CostCurve
from artifact.rows import Row
from artifact.runtime import Batch, Engine
from server.inference.one_core import InlinePolicy
from server.inference.queue import Logits


class Runner:
    """Run micro-batches.

    Args:
        engine: runs a batch; called from ``workers`` threads at the same time.
        pad_token_id: the id that fills shorter rows.
        workers: the number of worker threads.
        cost: seconds of a run by its padded tokens, measured on this machine.
        inline: which runs the event loop's thread does.

    Attributes:
        workers: as given: the micro-batches that may run at the same time.
    """

    def __init__(
        self, engine: Engine, *, pad_token_id: int, workers: int, cost: CostCurve, inline: InlinePolicy
    ) -> None:
        self.workers = workers
        self._engine = engine
        self._pad_token_id = pad_token_id
        self._cost = cost
        self._inline = inline
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="inference")

    def may_run_inline(self, padded_tokens: int) -> bool:
        """Return whether a run of so many padded tokens is done on the event loop's thread."""
        return self._inline.may_run(self._cost.seconds(padded_tokens))

    async def run(self, rows: list[Row]) -> list[Logits]:
        """Return the logits of each row; raises as ``run_inline``."""
        longest = max(len(row) for row in rows)
        if self.may_run_inline(longest * len(rows)):
            return self.run_inline(rows)
        return await asyncio.get_running_loop().run_in_executor(self._threads, self.run_inline, rows)

    def run_inline(self, rows: list[Row]) -> list[Logits]:
        """Return the logits of each row, computed on the calling thread.

        Raises:
            ValueError: if the engine's answer has another number of rows or a number that is not finite.
            Exception: any error of the engine; runtimes have no common base class.
        """
        computed = self._engine.run(Batch.of(rows, self._pad_token_id))
        logits: list[Logits] = computed.tolist()
        if len(logits) != len(rows) or not all(map(math.isfinite, itertools.chain.from_iterable(logits))):
            raise ValueError(
                f"the engine answered {len(rows)} rows with logits of the shape {computed.shape}; "
                "as many rows of finite numbers were expected"
            )
        return logits

    async def works(self) -> bool:
        """Return whether the engine runs one padding token, as it did at start: a failure is the other row's then."""
        try:
            await self.run([(self._pad_token_id,)])
        except Exception:
            return False
        return True

    async def close(self) -> None:
        """End the worker threads once their runs are done."""
        await asyncio.to_thread(self._threads.shutdown)
