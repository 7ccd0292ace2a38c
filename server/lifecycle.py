"""Lifecycle: whether the server takes requests, how many it still has to answer, and the drain at its end."""

import asyncio

from server.observe.metrics import Metrics


class InFlight:
    """Counts the requests inside ``with``. All state belongs to the event loop's thread."""

    def __init__(self) -> None:
        self.count = 0
        self._none: asyncio.Event | None = None

    def __enter__(self) -> None:
        """Count one in."""
        self.count += 1

    def __exit__(self, *_: object) -> None:
        """Count one out."""
        self.count -= 1
        if not self.count and self._none is not None:
            self._none.set()
            self._none = None

    async def none(self) -> None:
        """Wait until the count falls to 0; it may have risen again by the time that this returns."""
        if self.count:
            self._none = self._none or asyncio.Event()
            await self._none.wait()


class Lifecycle:
    """Starting, ready, draining. All state belongs to the event loop's thread.

    Attributes:
        in_flight: the requests that are being answered.
        draining: whether the server is shutting down.
        drain_began: set when it begins to drain.
    """

    def __init__(self, metrics: Metrics) -> None:
        self.in_flight = InFlight()
        self.draining = False
        self.drain_began = asyncio.Event()
        self._metrics = metrics
        self._started = False

    @property
    def ready(self) -> bool:
        """Whether new requests are taken."""
        return self._started and not self.draining

    def mark_started(self) -> None:
        """Become ready. Call it once the model is loaded, warmed up and has passed its known answers."""
        self._started = True
        self._metrics.ready.set(1)

    async def drain(self, timeout_s: float) -> int:
        """Take no more requests and wait until those in flight are answered.

        Returns:
            The number of requests that were still unanswered after ``timeout_s`` seconds.
        """
        self.draining = True
        self.drain_began.set()
        self._metrics.ready.set(0)
        try:
            await asyncio.wait_for(self.in_flight.none(), timeout_s)
        except TimeoutError:
            return self.in_flight.count
        return 0
