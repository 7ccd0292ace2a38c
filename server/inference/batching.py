"""Batching: admit rows of token ids, run them in micro-batches, answer each with its logits.

A free worker takes what has queued. There is no wait timer: it would cost idle latency and gain nothing. Equal rows
are computed once: within a micro-batch, while one of them runs, and with a cache also afterwards.

This module knows neither text nor HTTP nor the engine. All state belongs to the event loop's thread.
"""

import asyncio
import itertools
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from artifact.cost_curve import CostCurve
from artifact.rows import Row
from server.errors import DrainingError, EngineFailedError, TextFailedError, TimedOutError, VerdictError
from server.inference.admission_check import AdmissionCheck
from server.inference.backlog import Backlog, Groups
from server.inference.cache import LogitsCache
from server.inference.one_core import InlinePolicy
from server.inference.queue import Admission, BatchLimits, Logits
from server.inference.runner import Runner
from server.observe.metrics import Metrics

_logger = logging.getLogger(__name__)
_RUN_FAILED: Final = "a micro-batch of %d texts failed"
_TEXT_FAILED: Final = "a text of a failed micro-batch fails alone too: %r"
_ENGINE_FAILED: Final = "the model fails on texts that it answered before; try again"
_CLOSED: Final = "the server is shutting down; send the request to another one"


@dataclass(frozen=True, slots=True, eq=False)
class BatchedLogits:
    """The answer to one request's rows.

    Attributes:
        logits: of each row, in the order of the rows.
        queue_s: seconds from admission to the answer in which none of the rows was running.
        inference_s: seconds in which the micro-batches with these rows ran.
    """

    logits: list[Logits]
    queue_s: float
    inference_s: float


class Batcher:
    """Admit rows, form micro-batches, run them.

    Args:
        runner: computes the logits of a micro-batch; closed with this batcher.
        limits: bounds of a micro-batch and of the queue.
        cost: seconds of a run by its padded tokens, measured on this machine.
        cache: logits of earlier rows.
        metrics: where queue and runs are counted.
        inline: what the event loop's thread may do itself before others get it back.
        clock: seconds from any origin.
    """

    def __init__(
        self,
        runner: Runner,
        *,
        limits: BatchLimits,
        cost: CostCurve,
        cache: LogitsCache,
        metrics: Metrics,
        inline: InlinePolicy,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._runner = runner
        self._limits = limits
        self._cache = cache
        self._metrics = metrics
        self._inline = inline
        self._clock = clock
        self._backlog = Backlog(limits, cost)
        self._queue, self._running = self._backlog.queue, self._backlog.running
        self._admission_check = AdmissionCheck(
            self._queue, limits, workers=runner.workers, metrics=metrics, clock=clock
        )
        self._idle_worker_claimed = False
        self._open: set[Admission] = set()
        self._closed = False
        self._wake_up = asyncio.Event()
        self._workers: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Start the workers on the running event loop and let the metrics show this queue."""
        self._metrics.queue_depth.set_function(lambda: len(self._queue))
        self._metrics.queue_tokens.set_function(lambda: self._queue.tokens)
        self._metrics.background_depth.set_function(lambda: len(self._backlog.background))
        self._metrics.in_flight.set_function(lambda: len(self._running))
        self._workers = [asyncio.create_task(self._work()) for _ in range(self._runner.workers)]

    async def close(self) -> None:
        """End the workers; requests that still wait get a ``DrainingError``."""
        self._closed = True
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)
        self._workers.clear()  # their exceptions refer to this batcher: a reference cycle that would keep the engine
        for admission in list(self._open):
            self._give_up(admission, DrainingError(_CLOSED))
        await self._runner.close()

    def check_room(self, rows: int, tokens: int) -> None:
        """Refuse rows that are not tokenized yet if the queue has no room for them: the cheapest refusal.

        Args:
            rows: their number.
            tokens: an estimate of the fewest that they have. An overestimate can cause a 429 under load, never a 413.

        Raises:
            VerdictError: as ``submit``.
        """
        if not self._cache:  # a row that the cache knows needs no room
            self._admission_check.check(max(rows, min(tokens, self._limits.max_queue_tokens)))

    def has_room(self, tokens: int, share: float) -> bool:
        """Whether a share of the queue has room for rows of about so many tokens."""
        return self._admission_check.has_room(tokens, share)

    async def submit(self, rows: Sequence[Row], deadline: float, *, background: bool = False) -> BatchedLogits:
        """Queue rows, all or none, and return their logits.

        Args:
            rows: token ids, special tokens included; at least one row.
            deadline: event loop time after which rows that do not run yet are given up.
            background: whether they run only while no other row waits. Their number is then the caller's to limit.

        Raises:
            TooLargeError: if the rows would not fit into an empty queue.
            OverloadedError: if they do not fit now.
            TimedOutError: if the deadline passed before all of them ran.
            TextFailedError: if the engine fails on one of them alone; ``index`` is the row's.
            EngineFailedError: if it fails on the simplest row as well.
            DrainingError: if the batcher is closed.
        """
        submitted_at = self._clock()
        alone = len(rows) == 1 and not background and await self._claim_idle_worker()
        loop = asyncio.get_running_loop()
        if self._closed:
            raise DrainingError(_CLOSED)
        if loop.time() >= deadline:
            raise self._timed_out()
        known = self._cached(rows) if self._cache else {}
        new = [len(row) for row in rows if row not in known and row not in self._running]
        self._admission_check.check(0 if background else sum(new))
        if alone and not known and self._runner.may_run_inline(len(rows[0])):
            return await self._run_alone(rows[0], submitted_at)
        admission = Admission(loop.create_future(), [()] * len(rows), submitted_at, background=background)
        timer = loop.call_at(deadline, self._expire, admission)
        self._open.add(admission)
        try:
            for index, row in enumerate(rows):
                if row in known:
                    admission.resolve(index, known[row])
                else:
                    self._backlog.add(row, index, admission)
            self._wake_up.set()
            await admission.answer
            running = sum(admission.runs)
            waited = max(self._clock() - admission.admitted_at - running, 0.0)
            return BatchedLogits(admission.logits, waited, running)
        finally:
            timer.cancel()
            self._open.discard(admission)
            self._backlog.withdraw(admission)
            del admission  # its error refers to this frame: a reference cycle that would keep the whole request

    async def _claim_idle_worker(self) -> bool:
        """Return whether one row may run at once in place of the worker, because nothing runs or waits.

        It yields to the event loop once, so that rows that arrived in the same iteration queue and share a run.
        """
        if not self._inline.max_run_s or self._queue or self._running or self._idle_worker_claimed:
            return False
        self._idle_worker_claimed = True
        try:
            await asyncio.sleep(0)
        finally:
            self._idle_worker_claimed = False
        return not self._queue and not self._running

    async def _run_alone(self, row: Row, submitted_at: float) -> BatchedLogits:
        """Run one row on the event loop's thread, past the queue."""
        started = self._clock()
        try:
            logits = self._runner.run_inline([row])
        except Exception:
            _logger.exception(_RUN_FAILED, 1)
            raise (await self._error_type())(0) from None
        seconds = self._clock() - started
        self._record([len(row)], [started - submitted_at], seconds)
        self._cache.put(row, logits[0])
        return BatchedLogits(logits, started - submitted_at, seconds)

    def _cached(self, rows: Sequence[Row]) -> dict[Row, Logits]:
        found = [(row, self._cache.get(row)) for row in rows]
        for _, logits in found:
            self._metrics.cache.labels("miss" if logits is None else "hit").inc()
        return {row: logits for row, logits in found if logits is not None}

    def _expire(self, admission: Admission) -> None:
        """Give up an admission whose deadline has passed, unless all of its rows run already."""
        if admission.waiting:
            self._give_up(admission, self._timed_out())

    def _timed_out(self) -> TimedOutError:
        self._metrics.shed.labels("timed_out").inc()
        return TimedOutError("the deadline passed before inference started; send fewer texts or wait longer")

    def _give_up(self, admission: Admission, error: VerdictError) -> None:
        self._backlog.withdraw(admission)
        admission.fail(error)

    async def _work(self) -> None:
        while True:
            while not self._backlog:
                self._wake_up.clear()
                await self._wake_up.wait()
            began = self._clock()
            await self._run_next()
            while self._queue and self._inline.may_run_again(
                self._clock() - began, self._queue, self._admission_check.tokens_per_s
            ):
                await self._run_next()
            await self._inline.let_others_run(self._clock() - began, self._queue)

    async def _run_next(self) -> None:
        """Run the next micro-batch and answer its rows."""
        groups = self._backlog.begin()
        try:
            if groups and not await self._run(groups):
                await self._run_apart(groups)
        finally:
            self._backlog.end(groups)
        if self._backlog:
            self._wake_up.set()  # another worker may be free for the next micro-batch of the background

    async def _run(self, groups: Groups, *, again: bool = False) -> bool:
        """Run different rows together and answer all items of each; return False if the engine fails.

        Args:
            groups: the items of each row.
            again: whether the row was in a micro-batch that failed. The log has its traceback already.
        """
        started = self._clock()
        rows = list(groups)
        try:
            logits = await self._runner.run(rows)
        except Exception as error:
            if again:
                _logger.error(_TEXT_FAILED, error)  # noqa: TRY400 - its micro-batch had the traceback
            else:
                _logger.exception(_RUN_FAILED, len(rows))
            return False
        seconds = self._clock() - started
        items = list(itertools.chain.from_iterable(groups.values()))
        waits_s = [max(started - each.admission.admitted_at, 0.0) for each in items if not each.admission.background]
        self._record([len(row) for row in rows], waits_s, seconds)
        for admission in {item.admission for item in items}:
            admission.runs.append(seconds)
        for row, row_logits in zip(rows, logits, strict=True):
            del self._running[row]
            self._cache.put(row, row_logits)
            for item in groups[row]:
                item.admission.resolve(item.index, row_logits)
        return True

    async def _run_apart(self, groups: Groups) -> None:
        """Answer the rows of a failed micro-batch: each runs again alone, and only those that fail again fail."""
        for row, items in groups.items():
            began = self._clock()
            wanted = not all(item.admission.answer.done() for item in items)
            if wanted and (len(groups) == 1 or not await self._run({row: items}, again=True)):
                error_type = await self._error_type()
                for item in items:
                    self._give_up(item.admission, error_type(item.index))
            self._running.pop(row, None)
            await self._inline.let_others_run(self._clock() - began, self._queue)

    async def _error_type(self) -> Callable[[int], VerdictError]:
        """Return what makes the error of a row that failed alone, from its index: is the row to blame or the engine?"""
        if await self._runner.works():
            return TextFailedError
        return lambda _: EngineFailedError(_ENGINE_FAILED)

    def _record(self, lengths: list[int], waits_s: list[float], seconds: float) -> None:
        self._metrics.ledger.record(self._metrics.count_runs, (seconds, lengths, waits_s))
        self._admission_check.record_run(sum(lengths), seconds)
