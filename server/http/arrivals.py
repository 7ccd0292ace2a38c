"""Arrivals: the memory of bodies that are arriving, which slow senders give up to others.

A few senders that stop short of the end would otherwise hold all of it for as long as a body may take.
"""

import asyncio
from types import TracebackType
from typing import Final, Self

from server.errors import OverloadedError, SlowBodyError

_PROGRESS_BYTES: Final = 16 * 1024
_STALLED_S: Final = 1.0
"""Where memory is short, a body must bring 16 KiB in this time, or its end."""


class Arrivals:
    """Bodies that are arriving. All state belongs to the event loop's thread.

    Args:
        max_bytes: that they may hold together.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._held_bytes = 0
        self._open: set[Arrival] = set()

    def begin(self) -> "Arrival":
        """Return a body that begins to arrive; it holds memory inside ``with``."""
        return Arrival(self)

    def enter(self, arrival: "Arrival") -> None:
        """Let a body hold memory."""
        self._open.add(arrival)

    def hold(self, arrival: "Arrival", size: int, now_s: float) -> None:
        """Add to the memory that a body holds; the slowest of the others gives way if there is not enough.

        Args:
            arrival: the body.
            size: bytes that it holds more.
            now_s: by the event loop's clock.

        Raises:
            OverloadedError: if there is not enough, and no other body is slow.
        """
        self._held_bytes += size
        while self._held_bytes > self._max_bytes:
            others = self._open - {arrival}
            slowest = min(others, key=lambda other: other.moved_s, default=None)
            if slowest is None or now_s - slowest.moved_s < _STALLED_S:
                raise OverloadedError(
                    f"bodies of {self._held_bytes} bytes are arriving, at most {self._max_bytes} are held; "
                    "retry in a second",
                    retry_after_s=1.0,
                )
            self.leave(slowest)
            slowest.give_up()

    def leave(self, arrival: "Arrival") -> None:
        """Free the memory that a body holds."""
        if arrival in self._open:
            self._open.remove(arrival)
            self._held_bytes -= arrival.size


class Arrival:
    """One body that is arriving, read by the current task.

    Args:
        arrivals: all of them.

    Attributes:
        size: of what has arrived, in bytes.
        moved_s: when it began or last got 16 KiB further, by the event loop's clock.
    """

    def __init__(self, arrivals: Arrivals) -> None:
        self.size = 0
        self._arrivals = arrivals
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        self._given_up = False
        self.moved_s = self._loop.time()

    def add(self, size: int) -> None:
        """Count bytes that have arrived; raises as ``Arrivals.hold``."""
        before = self.size
        self.size += size
        now_s = self._loop.time()
        if before // _PROGRESS_BYTES != self.size // _PROGRESS_BYTES:
            self.moved_s = now_s
        self._arrivals.hold(self, size, now_s)

    def give_up(self) -> None:
        """End the reading of this body with ``SlowBodyError``."""
        self._given_up = True
        if self._task is not None:
            self._task.cancel()

    def __enter__(self) -> Self:
        self._arrivals.enter(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._arrivals.leave(self)
        if self._given_up and isinstance(error, asyncio.CancelledError) and self._task and not self._task.uncancel():
            raise SlowBodyError(
                "the body arrived too slowly while others waited for its memory; send it faster or in smaller parts"
            ) from error
