"""Batching: requests queue, micro-batches run.

A free worker takes what has queued; there is no wait timer, which would cost idle latency and gain nothing. The
oldest waiting request names the first text of a batch and the texts nearest to it in length join while padding
costs less than the run they save. Requests take turns in naming it, so a large one is interleaved with small
ones and neither long nor short texts starve.

This module knows neither text nor HTTP: rows of token ids come in, logits go out. All state belongs to the event
loop's thread; only ``Engine.run`` leaves it.
"""

import asyncio
import logging
import math
import time
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from server.engine import Batch, Engine
from server.errors import EngineFailedError, OverloadedError, TimedOutError, TooLargeError
from server.metrics import Metrics

Row = Sequence[int]

_logger = logging.getLogger(__name__)
_PADDING_PER_TEXT: Final = 8
"""Padding tokens that one more text in a run may cost: a run's fixed cost is that of 6 to 8 tokens."""
_RATE_SMOOTHING: Final = 0.1


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """What one micro-batch and the queue may hold."""

    max_batch_items: int
    max_batch_tokens: int
    max_queue_tokens: int


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


@dataclass(slots=True, eq=False)
class _Item:
    """A row that waits; the future lives here and is done at the latest when its request has ended."""

    row: Row
    order: int
    future: asyncio.Future[NDArray[np.float32]]
    request: "_Request"

    @property
    def key(self) -> tuple[int, int]:
        return len(self.row), self.order


@dataclass(slots=True, eq=False)
class _Request:
    """The rows that were admitted together; ``runs`` are the seconds of each micro-batch they were in."""

    admitted_at: float
    waiting: deque[_Item] = field(default_factory=deque)
    runs: list[float] = field(default_factory=list)


class Batcher:
    """Admit rows, form micro-batches, run them on worker threads.

    Args:
        engine: what runs a batch; called from ``workers`` threads at the same time.
        pad_token_id: the id that fills shorter rows.
        workers: micro-batches that run at the same time.
        limits: bounds of a micro-batch and of the queue.
        metrics: where queue and runs are counted.
    """

    def __init__(
        self, engine: Engine, *, pad_token_id: int, workers: int, limits: BatchLimits, metrics: Metrics
    ) -> None:
        self._engine = engine
        self._pad_token_id = pad_token_id
        self._limits = limits
        self._metrics = metrics
        self._requests: deque[_Request] = deque()
        self._by_length: list[_Item] = []
        self._queued_tokens = 0
        self._admitted = 0
        self._tokens_per_s = 0.0
        self._wake_up = asyncio.Event()
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="inference")
        self._worker_count = workers
        self._workers: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Start the workers on the running event loop."""
        self._workers = [asyncio.create_task(self._work()) for _ in range(self._worker_count)]

    async def close(self) -> None:
        """End the workers; whoever still waits is cancelled."""
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)
        for item in self._by_length:
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
        loop = asyncio.get_running_loop()
        self._check_room(sum(len(row) for row in rows))
        request = _Request(time.perf_counter())
        items = [self._queue(row, request) for row in rows]
        self._requests.append(request)
        self._wake_up.set()
        timer = loop.call_at(deadline, self._expire, request)
        try:
            logits = np.stack([await item.future for item in items])
        finally:
            timer.cancel()
            self._withdraw(request, items)
        running = sum(request.runs)
        waited = max(time.perf_counter() - request.admitted_at - running, 0.0)
        return Outcome(logits, waited, running)

    def _check_room(self, tokens: int) -> None:
        limit = self._limits.max_queue_tokens
        if tokens > limit:
            raise TooLargeError(
                f"the request has {tokens} tokens, more than the {limit} that the queue holds; send fewer texts"
            )
        if self._queued_tokens + tokens > limit:
            self._metrics.shed.labels("overloaded").inc()
            raise OverloadedError(
                f"the queue holds {self._queued_tokens} of {limit} tokens and has no room for {tokens} more; "
                "retry after the time in Retry-After",
                self._retry_after_s(tokens),
            )

    def _retry_after_s(self, tokens: int) -> float:
        """Seconds until the queue has room, at the rate at which it was drained lately."""
        excess = self._queued_tokens + tokens - self._limits.max_queue_tokens
        rate = self._tokens_per_s * self._worker_count
        return float(math.ceil(excess / rate)) if rate else 1.0

    def _queue(self, row: Row, request: _Request) -> _Item:
        self._admitted += 1
        item = _Item(row, self._admitted, asyncio.get_running_loop().create_future(), request)
        request.waiting.append(item)
        insort(self._by_length, item, key=lambda it: it.key)
        self._queued_tokens += len(row)
        self._publish_queue()
        return item

    def _unqueue(self, item: _Item) -> None:
        """Take an item that still waits out of the queue."""
        del self._by_length[bisect_left(self._by_length, item.key, key=lambda it: it.key)]
        item.request.waiting.remove(item)
        self._queued_tokens -= len(item.row)
        self._publish_queue()

    def _publish_queue(self) -> None:
        self._metrics.queue_depth.set(len(self._by_length))
        self._metrics.queue_tokens.set(self._queued_tokens)

    def _expire(self, request: _Request) -> None:
        """Give up a request whose deadline has passed, unless all of its rows run already."""
        if not request.waiting:
            return
        self._metrics.shed.labels("timed_out").inc()
        for item in request.waiting:
            if not item.future.done():
                item.future.set_exception(
                    TimedOutError("the deadline passed before inference started; send fewer texts or wait longer")
                )

    def _withdraw(self, request: _Request, items: list[_Item]) -> None:
        """Leave nothing behind when a request ends, be it answered, failed, expired or its caller gone."""
        for item in list(request.waiting):
            self._unqueue(item)
        for item in items:
            if not item.future.cancel() and not item.future.cancelled():
                item.future.exception()  # mark it as seen: the caller was told of the first failure already
        if request in self._requests:
            self._requests.remove(request)

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            while not self._by_length:
                self._wake_up.clear()
                await self._wake_up.wait()
            items = self._form_batch()
            if items:
                await self._run(items, loop)

    def _form_batch(self) -> list[_Item]:
        """Take the next micro-batch out of the queue, anchored at the request whose turn it is."""
        request = self._requests[0]
        self._requests.rotate(-1)
        if not request.waiting:
            self._requests.remove(request)
            return []
        anchor = request.waiting[0]
        low = bisect_left(self._by_length, anchor.key, key=lambda it: it.key)
        high = low + 1
        while high - low < self._limits.max_batch_items:
            low_cost, high_cost = self._padding_below(low, high), self._padding_above(low, high)
            if min(low_cost, high_cost) > _PADDING_PER_TEXT:
                break
            if low_cost <= high_cost:
                low -= 1
            else:
                high += 1
        items = self._by_length[low:high]
        for item in items:
            self._unqueue(item)
        return [item for item in items if not item.future.done()]

    def _padding_below(self, low: int, high: int) -> float:
        """Padding tokens that the next shorter text would add to the batch; infinite if it does not fit."""
        longest = len(self._by_length[high - 1].row)
        if low == 0 or longest * (high - low + 1) > self._limits.max_batch_tokens:
            return math.inf
        return longest - len(self._by_length[low - 1].row)

    def _padding_above(self, low: int, high: int) -> float:
        """Padding tokens that the next longer text would add to the batch; infinite if it does not fit."""
        if high == len(self._by_length):
            return math.inf
        longest = len(self._by_length[high].row)
        if longest * (high - low + 1) > self._limits.max_batch_tokens:
            return math.inf
        return (longest - len(self._by_length[high - 1].row)) * (high - low)

    async def _run(self, items: list[_Item], loop: asyncio.AbstractEventLoop) -> None:
        """Run one micro-batch; its failure is its own texts' failure and nobody else's."""
        started = time.perf_counter()
        for item in items:
            self._metrics.queue_wait.observe(started - item.request.admitted_at)
        self._metrics.in_flight.inc(len(items))
        rows = [item.row for item in items]
        try:
            logits = await loop.run_in_executor(self._threads, self._infer, rows)
        except Exception:
            _logger.exception("a micro-batch of %d texts failed", len(items))
            for item in items:
                if not item.future.done():
                    item.future.set_exception(EngineFailedError("the model failed on this text; try again"))
            return
        finally:
            self._metrics.in_flight.dec(len(items))
        self._account(rows, items, time.perf_counter() - started)
        for item, row_logits in zip(items, logits, strict=True):
            if not item.future.done():
                item.future.set_result(row_logits)

    def _infer(self, rows: list[Row]) -> NDArray[np.float32]:
        return self._engine.run(Batch.of(rows, self._pad_token_id))

    def _account(self, rows: list[Row], items: list[_Item], seconds: float) -> None:
        padded_tokens = max(len(row) for row in rows) * len(rows)
        self._metrics.inference.observe(seconds)
        self._metrics.batch_texts.observe(len(rows))
        self._metrics.batch_tokens.observe(padded_tokens)
        for request in {item.request for item in items}:
            request.runs.append(seconds)
        rate = sum(len(row) for row in rows) / max(seconds, 1e-6)
        smoothing = _RATE_SMOOTHING if self._tokens_per_s else 1.0
        self._tokens_per_s += smoothing * (rate - self._tokens_per_s)
