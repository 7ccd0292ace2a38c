"""Lifecycle: whether the server takes requests, and how many it still owes an answer."""

import asyncio
import contextlib

from server.metrics import Metrics


class Lifecycle:
    """Starting, ready, draining. All state belongs to the event loop's thread."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._started = False
        self._draining = False
        self._in_flight = 0
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def ready(self) -> bool:
        """Whether new requests are taken."""
        return self._started and not self._draining

    @property
    def draining(self) -> bool:
        """Whether the server is shutting down."""
        return self._draining

    def mark_started(self) -> None:
        """The model is loaded, warm and right on its known answers."""
        self._started = True
        self._metrics.ready.set(1)

    async def drain(self, timeout_s: float) -> int:
        """Take no more requests and wait until those in flight are answered.

        Returns:
            The requests that were still unanswered after ``timeout_s`` seconds.
        """
        self._draining = True
        self._metrics.ready.set(0)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), timeout_s)
        return self._in_flight

    def __enter__(self) -> None:
        """Count a request in."""
        self._in_flight += 1
        self._idle.clear()

    def __exit__(self, *_: object) -> None:
        """Count a request out."""
        self._in_flight -= 1
        if not self._in_flight:
            self._idle.set()
