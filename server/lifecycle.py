"""Lifecycle: whether the server takes requests, and the drain of those that it still owes an answer."""

import asyncio

from server.in_flight import InFlight
from server.observe.metrics import Metrics


class Lifecycle:
    """Starting, ready, draining. All state belongs to the event loop's thread.

    Attributes:
        in_flight: the requests that are being answered.
        draining: whether the server is shutting down.
    """

    def __init__(self, metrics: Metrics) -> None:
        self.in_flight = InFlight()
        self.draining = False
        self._metrics = metrics
        self._started = False

    @property
    def ready(self) -> bool:
        """Whether new requests are taken."""
        return self._started and not self.draining

    def mark_started(self) -> None:
        """The model is loaded, warm and right on its known answers."""
        self._started = True
        self._metrics.ready.set(1)

    async def drain(self, timeout_s: float) -> int:
        """Take no more requests and wait until those in flight are answered.

        Returns:
            The requests that were still unanswered after ``timeout_s`` seconds.
        """
        self.draining = True
        self._metrics.ready.set(0)
        try:
            await asyncio.wait_for(self.in_flight.none(), timeout_s)
        except TimeoutError:
            return self.in_flight.count
        return 0
