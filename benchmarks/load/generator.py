"""Load: requests to a server by a schedule, and what became of each.

Closed loop: so many callers, each sends its next request when the last was answered. It finds the capacity.
Open loop: requests leave by the clock, Poisson arrivals by a seed, whether the server keeps up or not, and
latency counts from the moment at which a request was due. A closed loop hides a server that stops for a second
behind one slow answer per caller; an open loop shows that second ("coordinated omission", Gil Tene 2013).

The generator measures itself: its share of a core and how late its requests left.
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

from benchmarks.load.client import Address, Connection, ConnectionLostError, Request, connect
from benchmarks.load.outcome import Exchange, Outcome

T = TypeVar("T")

_ANSWER_TIMEOUT_S: Final = 60.0


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a load on an event loop that is fast enough for it, and without pauses of the garbage collector.

    A full collection stops the generator for 40 ms, and every request that is due then leaves late.
    """
    with loads() as runner:
        return runner.run(main)


@contextlib.contextmanager
def loads() -> Iterator[asyncio.Runner]:
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


@dataclass(slots=True)
class Generator:
    """Sends requests to one address.

    Attributes:
        address: of the server.
        keep: whether connections outlive a load, for the next one on the same event loop; ``close`` ends them.
        polls: whether callers of a closed loop look for their answers all the time. What a core takes to wake up, which
            is 0.1 ms in a virtual machine, is then no part of a latency. The load takes all of its core for it.
    """

    address: Address
    keep: bool = False
    polls: bool = False
    _idle: list[Connection] = field(default_factory=list)
    _exchanges: list[Exchange] = field(default_factory=list)
    _started: float = 0.0

    async def closed_loop(
        self, requests: Iterable[Request], callers: int, *, duration_s: float = math.inf, until_lost: bool = False
    ) -> Outcome:
        """Let callers send the requests, each one after the other, until they or the time run out.

        Args:
            requests: taken by whichever caller is free.
            callers: how many there are.
            duration_s: seconds after which no more are sent.
            until_lost: whether a caller gives up at its first request without an answer.
        """
        shared = iter(requests)
        with _Meter() as meter, _polling() if self.polls else contextlib.nullcontext():
            self._begin()
            async with asyncio.TaskGroup() as group:
                for _ in range(callers):
                    group.create_task(self._caller(shared, duration_s, until_lost))
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

    def close(self) -> None:
        """Drop the connections that are kept."""
        for connection in self._idle:
            connection.close()
        self._idle.clear()

    async def _caller(self, requests: Iterator[Request], duration_s: float, until_lost: bool) -> None:
        for request in requests:
            due = self._now()
            if due >= duration_s:
                return
            exchange = await self._exchange(request, due)
            if until_lost and exchange.answer is None:
                return

    async def _exchange(self, request: Request, due_s: float) -> Exchange:
        exchange = Exchange(request, due_s, self._now())
        patience_s = _ANSWER_TIMEOUT_S if request.abandon_after_s is None else request.abandon_after_s
        with contextlib.suppress(ConnectionLostError, OSError, TimeoutError):
            async with asyncio.timeout(patience_s):
                connection = self._take() or await connect(self.address)
                exchange.sent_s = self._now()
                try:
                    exchange.answer = await connection.exchange(request)
                finally:
                    self._give_back(connection, whole=exchange.answer is not None)
        exchange.done_s = exchange.answer.read_s - self._started if exchange.answer else self._now()
        self._exchanges.append(exchange)
        return exchange

    def _take(self) -> Connection | None:
        """Return a kept connection that the server has not closed in the meantime."""
        while self._idle:
            connection = self._idle.pop()
            if connection.reusable:
                return connection
        return None

    def _give_back(self, connection: Connection, *, whole: bool) -> None:
        if whole and connection.reusable:
            self._idle.append(connection)
        else:
            connection.close()

    def _begin(self) -> None:
        self._exchanges = []
        self._started = time.perf_counter()

    def _now(self) -> float:
        return time.perf_counter() - self._started

    def _end(self, meter: "_Meter") -> Outcome:
        if not self.keep:
            self.close()
        return Outcome(self._exchanges, meter.wall_s, meter.cpu_s / meter.wall_s)


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
