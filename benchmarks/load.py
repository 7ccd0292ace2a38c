"""Load: requests to a server by a schedule, and what became of each.

Closed loop: so many callers, each sends its next request when the last was answered. It finds the capacity.
Open loop: requests leave by the clock, Poisson arrivals by a seed, whether the server keeps up or not, and
latency counts from the moment at which a request was due. A closed loop hides a server that stops for a second
behind one slow answer per caller; an open loop shows that second ("coordinated omission", Gil Tene 2013).

The generator measures itself: its share of a core and how late its requests left.
"""

import asyncio
import itertools
import random
import time
from collections.abc import Coroutine, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final, TypeVar

import uvloop

from benchmarks.client import Address, Connection, ConnectionLostError, Request, connect
from benchmarks.statistics import quantile

T = TypeVar("T")

NO_ANSWER: Final = 0
"""The status of a request whose connection was lost or that nobody answered in time."""
_ANSWER_TIMEOUT_S: Final = 60.0
_BUSY_SHARE: Final = 0.8
_LATE_S: Final = 0.010


@dataclass(slots=True)
class Exchange:
    """One request and what became of it; times in seconds from the start of the load.

    Attributes:
        due_s: when the schedule wanted it sent; in a closed loop, when it was sent.
        sent_s: when it was sent.
        done_s: when its answer was whole, or given up.
        status: HTTP status, or ``NO_ANSWER``.
        texts: texts it carried.
    """

    due_s: float
    sent_s: float
    done_s: float
    status: int
    texts: int

    @property
    def latency_s(self) -> float:
        """From the moment at which it was due to the end of its answer."""
        return self.done_s - self.due_s


@dataclass(frozen=True, slots=True)
class Outcome:
    """All exchanges of one load, in the order in which they ended.

    Attributes:
        exchanges: what became of each request.
        wall_s: from the first request to the last answer.
        generator_share: CPU seconds of this process per second of wall time.
    """

    exchanges: list[Exchange]
    wall_s: float
    generator_share: float

    @property
    def texts_per_s(self) -> float:
        """Texts predicted per second of wall time."""
        return sum(it.texts for it in self.exchanges if it.status == HTTPStatus.OK) / self.wall_s

    def latencies_s(self, status: int = HTTPStatus.OK) -> list[float]:
        """Latencies of the answers with a status."""
        return [it.latency_s for it in self.exchanges if it.status == status]

    def statuses(self) -> dict[int, int]:
        """How often each status came."""
        counts: dict[int, int] = {}
        for it in self.exchanges:
            counts[it.status] = counts.get(it.status, 0) + 1
        return counts

    @property
    def lateness_s(self) -> float:
        """How late requests left at the 99th percentile."""
        return quantile([it.sent_s - it.due_s for it in self.exchanges], 0.99)

    @property
    def generator_was_the_limit(self) -> bool:
        """Whether the figures may tell of this process instead of the server."""
        return self.generator_share > _BUSY_SHARE or self.lateness_s > _LATE_S


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a load on an event loop that is fast enough for it."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main)


def poisson_arrivals(rate_per_s: float, duration_s: float, seed: int) -> list[float]:
    """Return the seconds at which requests are due: exponential gaps, the same for the same seed."""
    draw = random.Random(seed)  # noqa: S311 - not cryptography
    gaps = (draw.expovariate(rate_per_s) for _ in itertools.count())
    return list(itertools.takewhile(lambda due: due < duration_s, itertools.accumulate(gaps)))


@dataclass(slots=True)
class Generator:
    """Sends requests to one address and keeps connections alive between them."""

    address: Address
    _idle: list[Connection] = field(default_factory=list)
    _exchanges: list[Exchange] = field(default_factory=list)
    _started: float = 0.0

    async def closed_loop(self, requests: Iterable[Request], callers: int, duration_s: float = 3600.0) -> Outcome:
        """Let so many callers send the requests, each one after the other, until they or the time run out."""
        shared = iter(requests)
        with _Meter() as meter:
            self._begin()
            await asyncio.gather(*(self._caller(shared, duration_s) for _ in range(callers)))
        return self._end(meter)

    async def open_loop(self, requests: Sequence[Request], arrivals: Sequence[float]) -> Outcome:
        """Send a request at each of the arrivals (seconds), the requests in turn, and wait for all answers."""
        with _Meter() as meter:
            self._begin()
            async with asyncio.TaskGroup() as group:
                for due, request in zip(arrivals, itertools.cycle(requests), strict=False):
                    wait = due - self._now()
                    if wait > 0:
                        await asyncio.sleep(wait)
                    group.create_task(self._exchange(request, due))
        return self._end(meter)

    async def _caller(self, requests: Iterator[Request], duration_s: float) -> None:
        for request in requests:
            due = self._now()
            if due >= duration_s:
                return
            await self._exchange(request, due)

    async def _exchange(self, request: Request, due_s: float) -> None:
        exchange = Exchange(due_s, self._now(), 0.0, NO_ANSWER, request.texts)
        try:
            async with asyncio.timeout(_ANSWER_TIMEOUT_S):
                connection = self._idle.pop() if self._idle else await connect(self.address)
                try:
                    exchange.status = (await connection.exchange(request)).status
                finally:
                    if exchange.status == NO_ANSWER:
                        connection.close()
                    elif connection.reusable:
                        self._idle.append(connection)
        except (ConnectionLostError, OSError, TimeoutError):
            pass
        exchange.done_s = self._now()
        self._exchanges.append(exchange)

    def _begin(self) -> None:
        self._exchanges = []
        self._started = time.perf_counter()

    def _now(self) -> float:
        return time.perf_counter() - self._started

    def _end(self, meter: "_Meter") -> Outcome:
        return Outcome(self._exchanges, meter.wall_s, meter.cpu_s / meter.wall_s)

    def close(self) -> None:
        """Drop all connections."""
        for connection in self._idle:
            connection.close()
        self._idle.clear()


class _Meter:
    """Wall and CPU seconds of this process between enter and exit."""

    def __enter__(self) -> "_Meter":
        self._wall, self._cpu = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        self.wall_s = time.perf_counter() - self._wall
        self.cpu_s = time.process_time() - self._cpu
