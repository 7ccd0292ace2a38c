"""Load generator: sends requests to a server by a schedule and records the result of each.

Closed loop: each of several callers sends its next request when its last one was answered. It finds the capacity.
Open loop: requests leave by the clock, with Poisson arrivals from a seed, whether the server keeps up or not.
Latency counts from the time at which a request was due. A closed loop hides a server that stops for a second behind
one slow answer per caller; an open loop shows that second ("coordinated omission", Gil Tene 2013).

The generator measures itself: its share of a core and how late it began with its requests.
"""

import asyncio
import contextlib
import gc
import itertools
import math
import random
import time
from collections.abc import Coroutine, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import uvloop

from benchmarks.load.client import Address, Connection, ConnectionLostError, connect
from benchmarks.load.requests import HttpRequest, single
from benchmarks.load.result import Attempt, LoadResult

T = TypeVar("T")

_RESPONSE_TIMEOUT_S: Final = 60.0
_CALLERS: Final = 16


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a load on a fast event loop and without garbage collection.

    A full collection stops the generator for 40 ms, and every request that is due meanwhile leaves late.
    """
    with load_runner() as runner:
        return runner.run(main)


@contextlib.contextmanager
def load_runner() -> Iterator[asyncio.Runner]:
    """Like ``run``, for several loads one after the other on the same event loop."""
    collects = gc.isenabled()
    gc.disable()
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            yield runner
    finally:
        if collects:
            gc.enable()


def poisson_arrivals(rate_per_s: float, duration_s: float, seed: int) -> list[float]:
    """Return the seconds at which requests are due: exponential gaps, the same for the same seed."""
    draw = random.Random(seed)  # noqa: S311 - not cryptography
    gaps = (draw.expovariate(rate_per_s) for _ in itertools.count())
    return list(itertools.takewhile(lambda due: due < duration_s, itertools.accumulate(gaps)))


def measure_rate(address: Address, texts: Sequence[str], seconds: float) -> float:
    """Let 16 callers send single texts in a closed loop and return the texts answered per second: the capacity."""
    requests = itertools.cycle(single(texts))
    return run(Generator(address).closed_loop(requests, _CALLERS, duration_s=seconds)).texts_per_s


@dataclass(slots=True)
class Generator:
    """Sends requests to one address.

    Attributes:
        address: of the server.
        keep: whether connections stay open for the next load on the same event loop; ``close`` ends them.
        polls: whether the event loop never sleeps in a closed loop. A core of a virtual machine needs 0.1 ms to wake
            up, which would count as latency. Polling takes the whole core.
    """

    address: Address
    keep: bool = False
    polls: bool = False
    _idle: list[Connection] = field(default_factory=list)
    _attempts: list[Attempt] = field(default_factory=list)
    _started: float = 0.0

    async def closed_loop(
        self, requests: Iterable[HttpRequest], callers: int, *, duration_s: float = math.inf, until_lost: bool = False
    ) -> LoadResult:
        """Let each caller send one request after the other until the requests or the time run out.

        Args:
            requests: shared; the next caller that is free takes the next one.
            callers: how many there are.
            duration_s: seconds after which no more are sent.
            until_lost: whether a caller stops at its first request without a response.
        """
        shared = iter(requests)
        with _Meter() as meter, _polling() if self.polls else contextlib.nullcontext():
            self._begin()
            async with asyncio.TaskGroup() as group:
                for _ in range(callers):
                    group.create_task(self._caller(shared, duration_s, until_lost))
        return self._end(meter)

    async def open_loop(self, requests: Sequence[HttpRequest], arrivals: Sequence[float]) -> LoadResult:
        """Send a request at each arrival (seconds), cycling through the requests, and wait for all responses."""
        with _Meter() as meter:
            self._begin()
            async with asyncio.TaskGroup() as group:
                for due, request in zip(arrivals, itertools.cycle(requests), strict=False):
                    wait = due - self._now()
                    if wait > 0:
                        await asyncio.sleep(wait)
                    group.create_task(self._attempt(request, due))
        return self._end(meter)

    def close(self) -> None:
        """Drop the connections that were kept open."""
        for connection in self._idle:
            connection.close()
        self._idle.clear()

    async def _caller(self, requests: Iterator[HttpRequest], duration_s: float, until_lost: bool) -> None:
        for request in requests:
            due = self._now()
            if due >= duration_s:
                return
            attempt = await self._attempt(request, due)
            if until_lost and attempt.response is None:
                return

    async def _attempt(self, request: HttpRequest, due_s: float) -> Attempt:
        attempt = Attempt(request, due_s, self._now())
        patience_s = _RESPONSE_TIMEOUT_S if request.abandon_after_s is None else request.abandon_after_s
        with contextlib.suppress(ConnectionLostError, OSError, TimeoutError):
            async with asyncio.timeout(patience_s):
                connection = self._take() or await connect(self.address)
                attempt.sent_s = self._now()
                try:
                    attempt.response = await connection.send(request)
                finally:
                    self._give_back(connection, complete=attempt.response is not None)
        attempt.done_s = attempt.response.read_s - self._started if attempt.response else self._now()
        self._attempts.append(attempt)
        return attempt

    def _take(self) -> Connection | None:
        """Return an open connection that the server has not closed in the meantime."""
        while self._idle:
            connection = self._idle.pop()
            if connection.reusable:
                return connection
        return None

    def _give_back(self, connection: Connection, *, complete: bool) -> None:
        if complete and connection.reusable:
            self._idle.append(connection)
        else:
            connection.close()

    def _begin(self) -> None:
        self._attempts = []
        self._started = time.perf_counter()

    def _now(self) -> float:
        return time.perf_counter() - self._started

    def _end(self, meter: "_Meter") -> LoadResult:
        if not self.keep:
            self.close()
        return LoadResult(self._attempts, meter.wall_s, meter.cpu_s / meter.wall_s)


@contextlib.contextmanager
def _polling() -> Iterator[None]:
    """Keep the event loop from sleeping."""
    loop, polls = asyncio.get_running_loop(), True

    def poll() -> None:
        if polls:
            loop.call_soon(poll)

    poll()
    try:
        yield
    finally:
        polls = False


class _Meter:
    """Wall and CPU seconds of this process between enter and exit."""

    def __enter__(self) -> "_Meter":
        self._wall, self._cpu = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        self.wall_s = time.perf_counter() - self._wall
        self.cpu_s = time.process_time() - self._cpu
