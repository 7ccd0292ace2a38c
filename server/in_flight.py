"""In flight: how many requests something still owes an answer, and the moment when there is none."""

import asyncio


class InFlight:
    """Count entries and exits of ``with``. All state belongs to the event loop's thread."""

    def __init__(self) -> None:
        self.count = 0
        self._idle = asyncio.Event()
        self._idle.set()

    def __enter__(self) -> None:
        """Count one in."""
        self.count += 1
        self._idle.clear()

    def __exit__(self, *_: object) -> None:
        """Count one out."""
        self.count -= 1
        if not self.count:
            self._idle.set()

    async def none(self) -> None:
        """Wait until there is none."""
        await self._idle.wait()
