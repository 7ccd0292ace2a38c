"""The ledger: what is to be counted and logged of requests, entered together, ten times a second.

A run of the model leaves neither code nor data of anything else in the core's caches, so that what Python does for one
request right after it takes more than twice as long as for the next. Whatever nobody waits for is noted in one step and
entered with that of other requests.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

_logger = logging.getLogger(__name__)
_PERIOD_S: Final = 0.1
_AT_ONCE: Final = 64
"""Entries of a few microseconds each: a burst holds nobody up for long."""


class Ledger:
    """Entries to be made. All state belongs to the event loop's thread."""

    def __init__(self) -> None:
        self._entries: list[tuple[Callable[..., object], tuple[object, ...]]] = []
        self._timer: asyncio.Handle | None = None

    def note(self, enter: Callable[..., object], *figures: object) -> None:
        """Have ``enter(*figures)`` called soon, in the order of the notes."""
        self._entries.append((enter, figures))
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_PERIOD_S, self.settle)
        elif len(self._entries) == _AT_ONCE:
            self._timer.cancel()
            self._timer = asyncio.get_running_loop().call_soon(self.settle)

    def settle(self) -> None:
        """Make all entries now; one that fails takes no other with it."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        entries, self._entries = self._entries, []
        for enter, figures in entries:
            try:
                enter(*figures)
            except Exception:
                _logger.exception("an answered request could not be counted or logged; this is a bug")
