"""The ledger: figures of many requests, counted and logged together ten times a second.

Inference evicts the server's code and data from the CPU caches, so the same Python takes more than twice as long for
the first request after a run as for the next. Counting and logging delay no caller: they are recorded in one step and
flushed with those of other requests, one call for all figures of a kind.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Final, TypeVar

_logger = logging.getLogger(__name__)
_PERIOD_S: Final = 0.1
_MAX_RECORDS: Final = 256
"""A record takes one or two microseconds to flush, so this many block the event loop for at most half a millisecond."""

_Figures = TypeVar("_Figures")


class Ledger:
    """Records that wait for the next flush. All state belongs to the event loop's thread."""

    def __init__(self) -> None:
        self._records: dict[Callable[[list[Any]], object], list[Any]] = {}
        self._count = 0
        self._timer: asyncio.Handle | None = None

    def record(self, write: Callable[[list[_Figures]], object], figures: _Figures) -> None:
        """Keep figures for the next flush, which calls ``write`` once with all figures recorded for it, in order.

        Args:
            write: counts or logs a list of figures; equal functions share one call.
            figures: of one request.
        """
        self._records.setdefault(write, []).append(figures)
        self._count += 1
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_PERIOD_S, self.flush)
        elif self._count == _MAX_RECORDS:
            self._timer.cancel()
            self._timer = asyncio.get_running_loop().call_soon(self.flush)

    def flush(self) -> None:
        """Write all records now. If one kind fails, the others are still written."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        records, self._records, self._count = self._records, {}, 0
        for write, figures in records.items():
            try:
                write(figures)
            except Exception:
                _logger.exception("answered requests could not be counted or logged; this is a bug")
