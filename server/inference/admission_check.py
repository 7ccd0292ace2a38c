"""The admission check: whether the queue has room for a request's rows, and when to retry if it has none."""

import time
from collections.abc import Callable
from typing import Final

from server.errors import OverloadedError, TooLargeError
from server.inference.queue import BatchLimits, Queue
from server.inference.retry_schedule import RetrySchedule
from server.observe.metrics import Metrics

_SPREAD: Final = 2
"""Refused callers come back over twice the time that a full queue takes: at that rate all find room in a burst of three
times the queue, and one that ignores Retry-After delays others by no more."""
_RATE_SMOOTHING: Final = 0.1
_SHORTEST_RUN_S: Final = 1e-6


class AdmissionCheck:
    """Refuse rows for which the queue has no room.

    Args:
        queue: the rows that wait.
        limits: of the queue.
        workers: micro-batches that run at the same time.
        metrics: where refusals are counted.
        clock: seconds from any origin.

    Attributes:
        tokens_per_s: how fast one worker runs tokens, smoothed over about ten runs; 0 before the first.
    """

    def __init__(
        self,
        queue: Queue,
        limits: BatchLimits,
        *,
        workers: int,
        metrics: Metrics,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.tokens_per_s = 0.0
        self._queue = queue
        self._limits = limits
        self._workers = workers
        self._metrics = metrics
        self._retries = RetrySchedule(clock)

    def check(self, tokens: int) -> None:
        """Refuse rows of so many tokens together if they do not fit; 0 always fit.

        Raises:
            TooLargeError: if they would not fit into an empty queue.
            OverloadedError: if they do not fit now.
        """
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
                self._retry_after_s(self._queue.tokens + needed - limit, tokens),
            )

    def has_room(self, tokens: int, share: float) -> bool:
        """Whether rows of so many tokens together would leave the rest of the queue free; any fit into an empty one.

        Args:
            tokens: of the rows.
            share: the part of the queue that they and those that wait may take, at most 1.
        """
        needed = max(tokens, self._limits.max_row_tokens)
        return not self._queue.tokens or self._queue.tokens + needed <= share * self._limits.max_queue_tokens

    def _retry_after_s(self, excess_tokens: int, tokens: int) -> float:
        """Return the seconds until there is room for the caller, after those refused before it.

        Args:
            excess_tokens: must leave the queue first; the rate of recent runs says when.
            tokens: of the caller's rows.
        """
        rate = self.tokens_per_s * self._workers
        if not rate:
            return 1.0
        return self._retries.seconds(
            excess_tokens / rate, tokens / rate, _SPREAD * self._limits.max_queue_tokens / rate
        )

    def record_run(self, tokens: int, seconds: float) -> None:
        """Take a run of so many tokens into the rate."""
        smoothing = _RATE_SMOOTHING if self.tokens_per_s else 1.0
        self.tokens_per_s += smoothing * (tokens / max(seconds, _SHORTEST_RUN_S) - self.tokens_per_s)
