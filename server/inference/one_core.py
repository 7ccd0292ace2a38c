"""One core: which work the event loop's own thread does where another thread would have no core to run on.

There, short inference and tokenization run inline, on the event loop's thread. Another thread would finish nothing
earlier, and the two would evict each other's data from the CPU caches. In return this policy bounds how long callers
wait for the event loop. It knows neither engine nor tokenizer nor HTTP.
"""

import asyncio
import math
import time
from collections.abc import Callable
from typing import Final, Self

from server.inference.queue import Queue

_MAX_RUN_S: Final = 0.035
"""Enough for a micro-batch of sentences or one review. A probe or a refusal waits for one such run, behind a long
queue for two."""
_MAX_CHARS: Final = 8000
"""Tokenized in 3 to 5 ms: nearly every review."""
_ADDED_WAIT: Final = 0.1
_MAX_ITERATIONS: Final = 200
_IDLE_ITERATION_S: Final = 20e-6
"""An event loop iteration that finds nothing to do takes about 5 microseconds, one that accepts or reads 50."""


class InlinePolicy:
    """How much work the event loop's thread may do itself, and what it owes other callers then.

    Args:
        max_run_s: longest inference on the loop's thread, in seconds. 0: always use a worker thread, as with several
            cores; the other methods then change nothing.
        max_chars: characters per loop iteration that may be tokenized on the loop's thread although they would be
            worth a thread. 0: always use the tokenizer thread.
        added_wait: share of the time that the last row in the queue still has to wait; answers may be sent later by
            that much.
        max_iterations: loop iterations that others get after a run, at most.
        idle_iteration_s: an iteration that takes less had nothing to do.
        clock: seconds from any origin.
    """

    def __init__(
        self,
        max_run_s: float,
        max_chars: int,
        *,
        added_wait: float = _ADDED_WAIT,
        max_iterations: int = _MAX_ITERATIONS,
        idle_iteration_s: float = _IDLE_ITERATION_S,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.max_run_s = max_run_s
        self._max_chars = self._chars_left = max_chars
        self._added_wait = added_wait
        self._max_iterations = max_iterations
        self._idle_iteration_s = idle_iteration_s
        self._clock = clock

    @classmethod
    def for_cpus(cls, cpus: float) -> Self:
        """Return the policy for a process that may use so many CPUs."""
        return cls(_MAX_RUN_S, _MAX_CHARS) if cpus <= 1 else cls(0.0, 0)

    def may_run(self, seconds: float) -> bool:
        """Return whether inference that takes so long may run on the loop's thread."""
        return seconds <= self.max_run_s

    def may_tokenize(self, chars: int) -> bool:
        """Return whether so many characters may be tokenized on the loop's thread, and count them if so."""
        if chars > self._chars_left:
            return False
        if self._chars_left == self._max_chars:
            asyncio.get_running_loop().call_soon(self._begin_iteration)
        self._chars_left -= chars
        return True

    def _begin_iteration(self) -> None:
        self._chars_left = self._max_chars

    def may_run_again(self, ran_s: float, queue: Queue, tokens_per_s: float) -> bool:
        """Return whether another run may begin before the earlier ones are answered.

        Inference evicts the server's code and data from the CPU caches, so the first response after a run is slow;
        responses that follow each other share that cost. No run is added where a caller would notice: while the queue
        is close to refusing rows, or while a row may be answered before the rest of the queue.

        Args:
            ran_s: seconds since the first of these runs began.
            queue: the rows that wait.
            tokens_per_s: the rate at which the queue drains; 0 if it is not known.
        """
        if queue.is_half_full or queue.has_large_admission or not tokens_per_s:
            return False
        return ran_s < min(self._added_wait * queue.tokens / tokens_per_s, self.max_run_s)

    async def let_others_run(self, ran_s: float, queue: Queue) -> None:
        """Yield to the event loop until an iteration has nothing to do, at most ``max_iterations`` times.

        A request on a new connection takes four iterations: it is accepted, read, admitted, and refused or queued.
        uvloop accepts one connection per iteration, so with two iterations per run the callers of a full server
        waited seconds for their 429. While the queue is close to refusing rows, others get as much time as the runs
        took: refused callers that retry at once would otherwise keep the event loop busy without end.

        Args:
            ran_s: seconds for which the loop's thread ran inference.
            queue: the rows that wait.
        """
        if not self.max_run_s:
            return
        await asyncio.sleep(0)  # timers that are due by now run after this iteration
        now = self._clock()
        end = now + ran_s if queue.is_half_full else math.inf
        for _ in range(self._max_iterations):
            began = now
            await asyncio.sleep(0)
            now = self._clock()
            if now - began < self._idle_iteration_s or now > end:
                return
