"""The ledger: what is to be counted and logged of requests, entered together, ten times a second.

A run of the model leaves neither code nor data of anything else in the core's caches, so that what Python does for one
request right after it takes more than twice as long as for the next. Whatever nobody waits for is noted in one step and
entered with that of other requests: everything of one kind in one call.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Final, TypeVar

_logger = logging.getLogger(__name__)
_PERIOD_S: Final = 0.1
_AT_ONCE: Final = 256
"""Entries of a microsecond or two each: a burst holds nobody up for long."""

_Figures = TypeVar("_Figures")


class Ledger:
    """Entries to be made. All state belongs to the event loop's thread."""

    def __init__(self) -> None:
        self._entries: dict[Callable[[list[Any]], object], list[Any]] = {}
        self._noted = 0
        self._timer: asyncio.Handle | None = None

    def note(self, enter: Callable[[list[_Figures]], object], figures: _Figures) -> None:
        """Have ``enter`` called soon, with the figures of all its notes in their order."""
        self._entries.setdefault(enter, []).append(figures)
        self._noted += 1
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_PERIOD_S, self.settle)
        elif self._noted == _AT_ONCE:
            self._timer.cancel()
            self._timer = asyncio.get_running_loop().call_soon(self.settle)

    def settle(self) -> None:
        """Make all entries now; a kind that fails takes no other with it."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        entries, self._entries, self._noted = self._entries, {}, 0
        for enter, figures in entries.items():
            try:
                enter(figures)
            except Exception:
                _logger.exception("answered requests could not be counted or logged; this is a bug")
