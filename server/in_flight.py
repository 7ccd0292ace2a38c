"""In flight: how many requests something still owes an answer, and the moment when there is none."""

import asyncio


class InFlight:
    """Count entries and exits of ``with``. All state belongs to the event loop's thread."""

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
        """Wait for the moment in which there is none; others may have come since."""
        if self.count:
            self._none = self._none or asyncio.Event()
            await self._none.wait()
