"""The tokenizer queue: requests of much text share one tokenizer thread, in slices.

A slice is a request's next texts, about 8,000 characters of them or one longer text. Slices run in the order in which
they would end if all requests were tokenized at once at equal speed (self-clocked fair queueing, Golestani 1994). So a
review waits for the slice that runs and for reviews, whatever else waits: at most 40 ms for one text of 100,000
characters.

Waiting text is bounded. A request may take half of the room that is left: the large ones are refused long before a
review is.
"""

import asyncio
import heapq
import itertools
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any, Final, TypeVar

from artifact.manifest import TextOrPair, Truncation
from artifact.tokenization import Tokenization, TokenizedText
from server.errors import OverloadedError, TimedOutError
from server.inference.retry_schedule import RetrySchedule
from server.observe.metrics import Metrics

T = TypeVar("T")

_SLICE_CHARS: Final = 8000
"""Tokenized in 3 ms; to begin a slice takes 0.05 ms."""
_SHARE: Final = 2
"""A request may take one part in so many of the room that is left."""
_SMOOTHING: Final = 0.1
_SHORTEST_S: Final = 1e-6
_FIRST_RATE: Final = 3e6
"""Characters per second before the first slice was measured."""


class _Job:
    """A request that waits for the tokenizer.

    Attributes:
        work: makes a result of each text of a slice.
        slices: those that did not run yet.
        next: the slice that runs next.
        finish: the virtual time at which that ends: characters tokenized for every request that waits.
        done: the results of earlier slices.
        answer: completed with all results.
        abandoned: set when no caller waits any more.
    """

    __slots__ = ("abandoned", "answer", "done", "finish", "next", "slices", "work")

    def __init__(self, texts: Sequence[TextOrPair], work: Callable[[Sequence[TextOrPair]], list[Any]]) -> None:
        self.work = work
        self.slices = _slices(texts)
        self.next = next(self.slices)
        self.finish = 0
        self.done: list[Any] = []
        self.answer: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()
        self.abandoned = False


class TokenizerQueue:
    """Tokenize on one thread of its own, in turns.

    Args:
        tokenization: text to rows of token ids.
        max_chars: characters that wait at most; alone, a request may have more.
        metrics: where refusals are counted.
    """

    def __init__(self, tokenization: Tokenization, *, max_chars: int, metrics: Metrics) -> None:
        self._tokenization = tokenization
        self._max_chars = max_chars
        self._metrics = metrics
        self._retries = RetrySchedule()
        self._waiting_chars = 0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="tokenization")
        self._numbers = itertools.count()
        # Below: shared with the thread, behind the lock.
        self._lock = threading.Lock()
        self._jobs: list[tuple[int, int, _Job]] = []
        self._working = False
        self._virtual_time = 0
        self._chars_per_s = _FIRST_RATE

    async def encode(self, texts: Sequence[TextOrPair], truncation: Truncation, deadline: float) -> list[TokenizedText]:
        """Tokenize texts in order.

        Args:
            texts: at least one.
            truncation: how texts that are too long are read.
            deadline: event loop time after which the request is given up.

        Raises:
            OverloadedError: if the request has more characters than it may add to those that wait.
            TimedOutError: if the deadline passes first.
        """
        return await self.run(texts, partial(self._tokenization.encode, truncation=truncation), deadline)

    async def run(
        self, texts: Sequence[TextOrPair], work: Callable[[Sequence[TextOrPair]], list[T]], deadline: float
    ) -> list[T]:
        """Return what ``work`` makes of the texts, in order; it is called with some of them at a time.

        Raises:
            VerdictError: as ``encode``.
        """
        chars = count_chars(texts)
        self._check_room(chars)
        job = _Job(texts, work)
        self._waiting_chars += chars
        try:
            self._add(job)
            async with asyncio.timeout_at(deadline):
                return await job.answer
        except TimeoutError:
            self._metrics.shed.labels("timed_out").inc()
            raise TimedOutError(
                "the deadline passed before the texts were tokenized; send fewer texts or wait longer"
            ) from None
        finally:
            job.abandoned = True
            self._waiting_chars -= chars

    async def close(self) -> None:
        """End the thread once the texts that wait are tokenized."""
        await asyncio.to_thread(self._thread.shutdown)

    def _check_room(self, chars: int) -> None:
        waiting, limit = self._waiting_chars, self._max_chars
        excess = waiting + _SHARE * chars - limit
        if waiting and excess > 0:
            self._metrics.shed.labels("overloaded").inc()
            rate = self._chars_per_s
            raise OverloadedError(
                f"the request has {chars} characters, and {waiting} of {limit} wait for tokenization: one request may "
                "add half of what is left; send fewer texts at once, or retry after the time in Retry-After",
                self._retries.seconds(min(excess, waiting) / rate, chars / rate, limit / rate),
            )

    def _add(self, job: _Job) -> None:
        with self._lock:
            self._push(job, self._virtual_time)
            if not self._working:
                self._working = True
                self._thread.submit(self._work)

    def _push(self, job: _Job, start: int) -> None:
        job.finish = start + count_chars(job.next)
        heapq.heappush(self._jobs, (job.finish, next(self._numbers), job))

    def _work(self) -> None:
        """Run slices until none waits; on the tokenizer thread."""
        while True:
            with self._lock:
                if not self._jobs:
                    self._working = False
                    return
                self._virtual_time, _, job = heapq.heappop(self._jobs)
            if not job.abandoned:
                self._run_slice(job)

    def _run_slice(self, job: _Job) -> None:
        started = time.perf_counter()
        chars = count_chars(job.next)
        try:
            job.done += job.work(job.next)
            following = next(job.slices, None)
        except BaseException as error:  # the library is in Rust, where a panic is no Exception
            _deliver(job, error)
            return
        rate = chars / max(time.perf_counter() - started, _SHORTEST_S)
        self._chars_per_s += _SMOOTHING * (rate - self._chars_per_s)
        if following is None:
            _deliver(job, None)
            return
        job.next = following
        with self._lock:
            self._push(job, job.finish)


def count_chars(texts: Sequence[TextOrPair]) -> int:
    """Return the characters of all texts, or of all pairs, together."""
    if isinstance(texts[0], str):
        return sum(map(len, texts))
    return sum(len(part) for pair in texts for part in pair)


def _slices(texts: Sequence[TextOrPair]) -> Iterator[Sequence[TextOrPair]]:
    """Yield the texts in order, as many at a time as have 8,000 characters together, at least one."""
    start = chars = 0
    for index, text in enumerate(texts):
        own = count_chars([text])
        if index > start and chars + own > _SLICE_CHARS:
            yield texts[start:index]
            start, chars = index, 0
        chars += own
    yield texts[start:]


def _deliver(job: _Job, error: BaseException | None) -> None:
    """Complete a job's answer, on the event loop's thread."""

    def complete() -> None:
        if job.answer.done():
            return
        if error is None:
            job.answer.set_result(job.done)
        else:
            job.answer.set_exception(error)

    with suppress(RuntimeError):  # the event loop is closed: no caller is left
        job.answer.get_loop().call_soon_threadsafe(complete)
