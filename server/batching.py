"""Batching: admit rows of token ids, run them in micro-batches, answer each with its logits.

A free worker takes what has queued; there is no wait timer, which would cost idle latency and gain nothing. What
is equal is computed once: within a micro-batch, while it runs, and, with a cache, afterwards.

This module knows neither text nor HTTP. All state belongs to the event loop's thread; only ``Engine.run`` leaves it.
"""

import asyncio
import logging
import math
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from server.cache import LogitsCache
from server.cost_curve import CostCurve
from server.engine import Batch, Engine
from server.errors import EngineFailedError, OverloadedError, TimedOutError, TooLargeError
from server.metrics import Metrics
from server.queue import BatchLimits, Item, Queue, Request, Row

_logger = logging.getLogger(__name__)
_RATE_SMOOTHING: Final = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What became of a request's rows.

    Attributes:
        logits: (rows, labels) float32, in the order of the rows.
        queue_s: seconds from admission to the answer in which none of its rows was running.
        inference_s: seconds in which the micro-batches with its rows ran.
    """

    logits: NDArray[np.float32]
    queue_s: float
    inference_s: float


class Batcher:
    """Admit rows, form micro-batches, run them on worker threads.

    Args:
        engine: what runs a batch; called from ``workers`` threads at the same time.
        pad_token_id: the id that fills shorter rows.
        workers: micro-batches that run at the same time.
        limits: bounds of a micro-batch and of the queue.
        cost: what a run of so many padded tokens costs here.
        cache: logits of earlier rows.
        metrics: where queue and runs are counted.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        pad_token_id: int,
        workers: int,
        limits: BatchLimits,
        cost: CostCurve,
        cache: LogitsCache,
        metrics: Metrics,
    ) -> None:
        self._engine = engine
        self._pad_token_id = pad_token_id
        self._limits = limits
        self._cache = cache
        self._metrics = metrics
        self._queue = Queue(limits, cost)
        self._running: dict[Row, list[Item]] = {}
        self._admitted = 0
        self._tokens_per_s = 0.0
        self._wake_up = asyncio.Event()
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="inference")
        self._worker_count = workers
        self._workers: list[asyncio.Task[None]] = []
        metrics.queue_depth.set_function(lambda: len(self._queue))
        metrics.queue_tokens.set_function(lambda: self._queue.tokens)

    async def start(self) -> None:
        """Start the workers on the running event loop."""
        self._workers = [asyncio.create_task(self._work()) for _ in range(self._worker_count)]

    async def close(self) -> None:
        """End the workers; whoever still waits is cancelled."""
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)
        while self._queue:
            for item in self._queue.take():
                item.future.cancel()
        self._threads.shutdown()

    async def submit(self, rows: Sequence[Row], deadline: float) -> Outcome:
        """Queue rows, all or none, and return their logits.

        Args:
            rows: token ids, special tokens included; at least one.
            deadline: event loop time after which rows that do not run yet are given up.

        Raises:
            TooLargeError: if the rows would not fit into an empty queue.
            OverloadedError: if they do not fit now.
            TimedOutError: if the deadline passed before all of them ran.
            EngineFailedError: if the runtime failed on one of them.
        """
        known = {row: logits for row in rows if (logits := self._cached(row)) is not None}
        self.check_room(sum(len(row) for row in rows if row not in known and row not in self._running))
        request = Request(time.perf_counter())
        items = [self._admit(row, request, known.get(row)) for row in rows]
        self._wake_up.set()
        timer = asyncio.get_running_loop().call_at(deadline, self._expire, request)
        try:
            logits = np.array([await item.future for item in items])
        finally:
            timer.cancel()
            self._withdraw(items)
        running = sum(request.runs)
        waited = max(time.perf_counter() - request.admitted_at - running, 0.0)
        return Outcome(logits, waited, running)

    def _cached(self, row: Row) -> NDArray[np.float32] | None:
        if not self._cache:
            return None
        logits = self._cache.get(row)
        self._metrics.cache.labels("miss" if logits is None else "hit").inc()
        return logits

    def check_room(self, tokens: int) -> None:
        """Refuse so many more tokens, before any work is done for them, if the queue can not take them.

        Raises:
            TooLargeError: if they would not fit into an empty queue.
            OverloadedError: if they do not fit now.
        """
        limit = self._limits.max_queue_tokens
        if tokens > limit:
            raise TooLargeError(
                f"the request has {tokens} tokens, more than the {limit} that the queue holds; send fewer texts"
            )
        if self._queue.tokens + tokens > limit:
            self._metrics.shed.labels("overloaded").inc()
            raise OverloadedError(
                f"the queue holds {self._queue.tokens} of {limit} tokens and has no room for {tokens} more; "
                "retry after the time in Retry-After",
                self._retry_after_s(self._queue.tokens + tokens - limit),
            )

    def _retry_after_s(self, excess_tokens: int) -> float:
        """Return the seconds until the queue has room, at the rate at which it was drained lately."""
        rate = self._tokens_per_s * self._worker_count
        return float(math.ceil(excess_tokens / rate)) if rate else 1.0

    def _admit(self, row: Row, request: Request, logits: NDArray[np.float32] | None) -> Item:
        """Answer a row from the cache, join it to its equal that runs, or queue it."""
        self._admitted += 1
        item = Item(row, self._admitted, asyncio.get_running_loop().create_future(), request)
        if logits is not None:
            item.future.set_result(logits)
        elif row in self._running:
            self._running[row].append(item)
        else:
            self._queue.add(item)
        return item

    def _expire(self, request: Request) -> None:
        """Give up a request whose deadline has passed, unless all of its rows run already."""
        if request.waiting:
            self._metrics.shed.labels("timed_out").inc()
        for item in _unanswered(request.waiting):
            item.future.set_exception(
                TimedOutError("the deadline passed before inference started; send fewer texts or wait longer")
            )

    def _withdraw(self, items: list[Item]) -> None:
        """Leave nothing behind when a request ends, be it answered, failed, expired or its caller gone."""
        for item in list(items[0].request.waiting):
            self._queue.remove(item)
        for item in items:
            if not item.future.cancel() and not item.future.cancelled():
                item.future.exception()  # mark it as seen: the caller was told of the first failure already

    async def _work(self) -> None:
        while True:
            while not self._queue:
                self._wake_up.clear()
                await self._wake_up.wait()
            groups: dict[Row, list[Item]] = {}
            for item in self._queue.take():
                groups.setdefault(item.row, []).append(item)
            await self._run(groups)

    async def _run(self, groups: dict[Row, list[Item]]) -> None:
        """Run one micro-batch; its failure is its own rows' failure and nobody else's."""
        started = time.perf_counter()
        rows = list(groups)
        for items in groups.values():
            for item in items:
                self._metrics.queue_wait.observe(started - item.request.admitted_at)
        self._metrics.in_flight.inc(len(rows))
        self._running |= groups
        try:
            logits = await asyncio.get_running_loop().run_in_executor(self._threads, self._infer, rows)
        except asyncio.CancelledError:
            for item in _unanswered(*groups.values()):
                item.future.cancel()
            raise
        except Exception:
            _logger.exception("a micro-batch of %d texts failed", len(rows))
            failure = EngineFailedError("the model failed on this text; try again")
            for item in _unanswered(*groups.values()):
                item.future.set_exception(failure)
            return
        finally:
            self._metrics.in_flight.dec(len(rows))
            for row in rows:
                self._running.pop(row, None)
        self._account(groups, time.perf_counter() - started)
        for row, row_logits in zip(rows, logits, strict=True):
            self._cache.put(row, row_logits)
            for item in _unanswered(groups[row]):
                item.future.set_result(row_logits)

    def _infer(self, rows: list[Row]) -> NDArray[np.float32]:
        logits = self._engine.run(Batch.of(rows, self._pad_token_id))
        if len(logits) != len(rows) or not np.isfinite(logits).all():
            raise ValueError(f"the engine answered {len(rows)} rows with {logits.shape} logits that are not all finite")
        return logits

    def _account(self, groups: dict[Row, list[Item]], seconds: float) -> None:
        lengths = [len(row) for row in groups]
        self._metrics.inference.observe(seconds)
        self._metrics.batch_texts.observe(len(lengths))
        self._metrics.batch_tokens.observe(max(lengths) * len(lengths))
        for request in {item.request for items in groups.values() for item in items}:
            request.runs.append(seconds)
        smoothing = _RATE_SMOOTHING if self._tokens_per_s else 1.0
        self._tokens_per_s += smoothing * (sum(lengths) / max(seconds, 1e-6) - self._tokens_per_s)


def _unanswered(*groups: Iterable[Item]) -> list[Item]:
    return [item for items in groups for item in items if not item.future.done()]
