"""Batching: admit rows of token ids, run them in micro-batches, answer each with its logits.

A free worker takes what has queued; there is no wait timer, which would cost idle latency and gain nothing. What
is equal is computed once: within a micro-batch, while it runs, and, with a cache, afterwards.

This module knows neither text nor HTTP. All state belongs to the event loop's thread; only ``Engine.run`` leaves it.
"""

import asyncio
import itertools
import logging
import math
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from artifact.runtime import Batch, Engine
from server.errors import (
    DrainingError,
    EngineFailedError,
    OverloadedError,
    TimedOutError,
    TooLargeError,
    VerdictError,
)
from server.inference.cache import LogitsCache
from server.inference.cost_curve import CostCurve
from server.inference.queue import Admission, BatchLimits, Item, Logits, Queue, Row
from server.observe.metrics import Metrics

_logger = logging.getLogger(__name__)
_RATE_SMOOTHING: Final = 0.1
_LOOP_TURNS: Final = 200
_IDLE_TURN_S: Final = 20e-6
"""A turn of the event loop that polls and finds nothing takes about 5 microseconds, one that accepts or reads 50."""
_LATER: Final = 0.1
"""Answers may be sent later by this share of the time that the last one in the queue still has to wait."""
_A_RUN_FAILED: Final = "a micro-batch of %d texts failed"
_FAILED: Final = "the model failed on this text; try again"
_CLOSED: Final = "the server is shutting down; send the request to another one"


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What became of a request's rows.

    Attributes:
        logits: of each row, in their order.
        queue_s: seconds from admission to the answer in which none of its rows was running.
        inference_s: seconds in which the micro-batches with its rows ran.
    """

    logits: list[Logits]
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
        inline_s: runs of up to so many seconds are done on the event loop's own thread. Where there is only one
            core, a thread beside it does nothing earlier, and the two evict each other's data from its caches.
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
        inline_s: float = 0.0,
    ) -> None:
        self._engine = engine
        self._pad_token_id = pad_token_id
        self._limits = limits
        self._cache = cache
        self._metrics = metrics
        self._queue = Queue(limits, cost)
        self._cost = cost
        self._inline_s = inline_s
        self._running: dict[Row, list[Item]] = {}
        self._claimed = False
        self._open: set[Admission] = set()
        self._admitted = 0
        self._closed = False
        self._tokens_per_s = 0.0
        self._wake_up = asyncio.Event()
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="inference")
        self._worker_count = workers
        self._workers: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Start the workers on the running event loop; from now on this queue is the one that metrics show."""
        self._metrics.queue_depth.set_function(lambda: len(self._queue))
        self._metrics.queue_tokens.set_function(lambda: self._queue.tokens)
        self._metrics.in_flight.set_function(lambda: len(self._running))
        self._workers = [asyncio.create_task(self._work()) for _ in range(self._worker_count)]

    async def close(self) -> None:
        """End the workers; whoever still waits is told that the server shuts down."""
        self._closed = True
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)
        self._workers.clear()  # how they ended leads back here: a ring that would keep the engine
        for admission in list(self._open):
            self._give_up(admission, DrainingError(_CLOSED))
        await asyncio.to_thread(self._threads.shutdown)

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
            DrainingError: if the batcher is closed.
        """
        came_at = time.perf_counter()
        alone = len(rows) == 1 and await self._finds_nobody()
        loop = asyncio.get_running_loop()
        if self._closed:
            raise DrainingError(_CLOSED)
        if loop.time() >= deadline:
            raise self._timed_out()
        known = self._cached(rows) if self._cache else {}
        self._check_room(sum([len(row) for row in rows if row not in known and row not in self._running]))
        if alone and not known and self._runs_inline(len(rows[0])):
            return self._run_alone(rows[0], came_at)
        admission = Admission(loop.create_future(), [()] * len(rows), came_at)
        timer = loop.call_at(deadline, self._expire, admission)
        self._open.add(admission)
        try:
            for index, row in enumerate(rows):
                self._admit(row, index, admission, known.get(row))
            self._wake_up.set()
            await admission.answer
            running = sum(admission.runs)
            waited = max(time.perf_counter() - admission.admitted_at - running, 0.0)
            return Outcome(admission.logits, waited, running)
        finally:
            timer.cancel()
            self._open.discard(admission)
            self._withdraw(admission)
            del admission  # its error leads back here: a ring with all of the request, for the collector to free

    async def _finds_nobody(self) -> bool:
        """Whether a row has come alone to an idle engine, so that it need not queue but takes the worker's place.

        After one turn of the event loop, in which those queue that came in the same moment.
        """
        if not self._inline_s or self._queue or self._running or self._claimed:
            return False
        self._claimed = True
        try:
            await asyncio.sleep(0)
        finally:
            self._claimed = False
        return not self._queue and not self._running

    def _run_alone(self, row: Row, came_at: float) -> Outcome:
        started = time.perf_counter()
        try:
            logits = self._infer([row])
        except Exception:
            _logger.exception(_A_RUN_FAILED, 1)
            raise EngineFailedError(_FAILED) from None
        seconds = time.perf_counter() - started
        self._account([len(row)], [started - came_at], seconds)
        self._cache.put(row, logits[0])
        return Outcome(logits, started - came_at, seconds)

    def _cached(self, rows: Sequence[Row]) -> dict[Row, Logits]:
        found = [(row, self._cache.get(row)) for row in rows]
        for _, logits in found:
            self._metrics.cache.labels("miss" if logits is None else "hit").inc()
        return {row: logits for row, logits in found if logits is not None}

    def check_door(self, rows: int, tokens: int) -> None:
        """Refuse rows that nobody has read yet if the queue has no room for them, as cheaply as possible.

        Args:
            rows: how many they are.
            tokens: an estimate of the fewest that they can have. One that is too high refuses them while others wait,
                never for good.

        Raises:
            VerdictError: as ``submit`` would.
        """
        if not self._cache:  # a row that the cache knows needs no room
            self._check_room(max(rows, min(tokens, self._limits.max_queue_tokens)) if self._queue else rows)

    def _check_room(self, tokens: int) -> None:
        limit = self._limits.max_queue_tokens
        if tokens > limit:
            raise TooLargeError(
                f"the request has {tokens} tokens, more than the {limit} that the queue holds; send fewer texts"
            )
        needed = max(tokens, self._limits.max_row_tokens)
        if tokens and self._queue.tokens + needed > limit:
            self._metrics.shed.labels("overloaded").inc()
            raise OverloadedError(
                f"the queue holds {self._queue.tokens} of {limit} tokens and has no room for {needed} more; "
                "retry after the time in Retry-After",
                self._retry_after_s(self._queue.tokens + needed - limit),
            )

    def _retry_after_s(self, excess_tokens: int) -> float:
        """Return the seconds until the queue has room, at the rate at which it was drained lately."""
        rate = self._tokens_per_s * self._worker_count
        return float(math.ceil(excess_tokens / rate)) if rate else 1.0

    def _admit(self, row: Row, index: int, admission: Admission, logits: Logits | None) -> None:
        """Answer a row from the cache, join it to its equal that runs, or queue it."""
        self._admitted += 1
        item = Item(row, index, admission, self._admitted)
        if logits is not None:
            admission.settle(index, logits)
        elif row in self._running:
            self._running[row].append(item)
        else:
            self._queue.add(item)

    def _expire(self, admission: Admission) -> None:
        """Give up an admission whose deadline has passed, unless all of its rows run already."""
        if admission.waiting:
            self._give_up(admission, self._timed_out())

    def _timed_out(self) -> TimedOutError:
        self._metrics.shed.labels("timed_out").inc()
        return TimedOutError("the deadline passed before inference started; send fewer texts or wait longer")

    def _give_up(self, admission: Admission, error: VerdictError) -> None:
        self._withdraw(admission)
        admission.fail(error)

    def _withdraw(self, admission: Admission) -> None:
        """Leave nothing behind when an admission ends, be it answered, failed, expired or its caller gone."""
        for item in list(admission.waiting):
            self._queue.remove(item)
        if admission.answer.done() and not admission.answer.cancelled():
            admission.answer.exception()  # seen, also where its caller was cancelled in the same moment

    async def _work(self) -> None:
        while True:
            while not self._queue:
                self._wake_up.clear()
                await self._wake_up.wait()
            began = time.perf_counter()
            await self._run_some()
            await self._let_others_come(time.perf_counter() - began)

    async def _run_some(self) -> None:
        """Run a micro-batch, and more before the first is answered where the queue is so long that nobody notices.

        A run leaves nothing of the rest of the server in the core's caches, so that the first answer after it costs
        more than the second.
        """
        began = time.perf_counter()
        while True:
            await self._run({items[0].row: items for items in self._queue.take()})
            if not self._queue or time.perf_counter() - began >= self._later_s():
                return

    def _later_s(self) -> float:
        """Return for how long further runs may begin; 0 where somebody waits for less than the whole queue."""
        if self._refusals_are_near() or self._queue.takes_turns or not self._tokens_per_s:
            return 0.0
        return min(_LATER * self._queue.tokens / self._tokens_per_s, self._inline_s)

    def _refusals_are_near(self) -> bool:
        return self._queue.tokens > self._limits.max_queue_tokens / 2

    async def _run(self, groups: dict[Row, list[Item]]) -> None:
        """Run one micro-batch; its failure is its own rows' failure and nobody else's."""
        started = time.perf_counter()
        rows = list(groups)
        self._running |= groups
        try:
            logits = await self._infer_where_it_costs_least(rows)
        except Exception:
            _logger.exception(_A_RUN_FAILED, len(rows))
            for item in itertools.chain.from_iterable(groups.values()):
                self._give_up(item.admission, EngineFailedError(_FAILED))
            return
        finally:
            for row in rows:
                self._running.pop(row, None)
        seconds = time.perf_counter() - started
        items = list(itertools.chain.from_iterable(groups.values()))
        waits_s = [max(started - item.admission.admitted_at, 0.0) for item in items]
        self._account([len(row) for row in rows], waits_s, seconds)
        for admission in {item.admission for item in items}:
            admission.runs.append(seconds)
        for row, row_logits in zip(rows, logits, strict=True):
            self._cache.put(row, row_logits)
            for item in groups[row]:
                item.admission.settle(item.index, row_logits)

    async def _infer_where_it_costs_least(self, rows: list[Row]) -> list[Logits]:
        longest = max(len(row) for row in rows)
        if self._runs_inline(longest * len(rows)):
            return self._infer(rows)
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._infer, rows)

    async def _let_others_come(self, ran_s: float) -> None:
        """Give the event loop turns until one of them has nothing to do, but not for ever.

        A request on a new connection takes four: accepted, read, admitted, refused or queued; and uvloop accepts one
        connection in a turn, so with two turns a run, callers of a full server waited for seconds for their 429.
        While refusals are near they get as long as the last run took: callers that are refused and come again at once
        would keep the loop busy without end.
        """
        if not self._inline_s:
            return
        await asyncio.sleep(0)  # timers that are due by now come after this turn
        now = time.perf_counter()
        end = now + ran_s if self._refusals_are_near() else math.inf
        for _ in range(_LOOP_TURNS):
            began = now
            await asyncio.sleep(0)
            now = time.perf_counter()
            if now - began < _IDLE_TURN_S or now > end:
                return

    def _infer(self, rows: list[Row]) -> list[Logits]:
        computed = self._engine.run(Batch.of(rows, self._pad_token_id))
        logits: list[Logits] = computed.tolist()
        if len(logits) != len(rows) or not all(map(math.isfinite, itertools.chain.from_iterable(logits))):
            raise ValueError(
                f"the engine answered {len(rows)} rows with logits of the shape {computed.shape}; "
                "as many rows of finite numbers were expected"
            )
        return logits

    def _runs_inline(self, padded_tokens: int) -> bool:
        return self._cost.seconds(padded_tokens) <= self._inline_s

    def _account(self, lengths: list[int], waits_s: list[float], seconds: float) -> None:
        self._metrics.ledger.note(self._metrics.count_runs, (seconds, lengths, waits_s))
        smoothing = _RATE_SMOOTHING if self._tokens_per_s else 1.0
        self._tokens_per_s += smoothing * (sum(lengths) / max(seconds, 1e-6) - self._tokens_per_s)
