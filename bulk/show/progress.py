"""Progress: rows, rate and time left, counted from the parts that are in the output folder.

So it shows the same on this machine and on a cluster, and nothing that a crash could take back. On a terminal it is
a bar; elsewhere a line every half a minute, for logs.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from types import TracebackType
from typing import Final, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

from bulk.job import Count

_LISTING_SHARE: Final = 10
"""Pause between listings, in times of what one takes: an object store takes seconds for a million parts."""
_LINE_EVERY_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Pace:
    """How far a run is.

    Attributes:
        rows: scored so far.
        resumed: of them, scored by an earlier run.
        seconds: since this run started.
        total: rows in all.
        exact: whether the total is known; else it is estimated from the size of text files.
    """

    rows: int
    resumed: int
    seconds: float
    total: int
    exact: bool

    @property
    def rate(self) -> float:
        """Rows per second of this run."""
        return (self.rows - self.resumed) / self.seconds if self.seconds > 0 else 0.0

    def __str__(self) -> str:
        total = f"{self.rows:,} of {'' if self.exact else '~'}{max(self.total, self.rows):,} rows"
        if self.rate <= 0:
            return total
        left = timedelta(seconds=round(max(self.total - self.rows, 0) / self.rate))
        return f"{total}, {self.rate:,.0f} rows/s, {left} left"


class ProgressDisplay:
    """Shows progress until it is closed.

    Args:
        console: where.
        count: counts what is done in the output folder.
        resumed: rows that were done before.
        total: rows in all.
        exact: whether the total is known.
    """

    def __init__(self, console: Console, count: Callable[[], Count], *, resumed: int, total: int, exact: bool) -> None:
        self._console = console
        self._count = count
        self._resumed, self._total, self._exact = resumed, total, exact
        self._started = time.monotonic()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="progress", daemon=True)
        self._bar = Progress(
            SpinnerColumn(), BarColumn(40), TextColumn("{task.description}"), console=console, transient=True
        )
        self._task = self._bar.add_task(str(self._pace(resumed)), total=max(total, 1), completed=resumed)
        self.rows = resumed

    def _pace(self, rows: int) -> Pace:
        return Pace(rows, self._resumed, time.monotonic() - self._started, self._total, self._exact)

    def _watch(self) -> None:
        line_at = time.monotonic() + _LINE_EVERY_S
        pause = 0.5
        while not self._closed.wait(pause):
            before = time.monotonic()
            self.rows = self._count().rows
            pace = self._pace(self.rows)
            self._bar.update(self._task, completed=min(self.rows, max(self._total, 1)), description=str(pace))
            if not self._console.is_terminal and time.monotonic() >= line_at:
                self._console.print(str(pace), highlight=False)
                line_at += _LINE_EVERY_S
            pause = max(0.5, _LISTING_SHARE * (time.monotonic() - before))

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._bar.start()
        self._thread.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._closed.set()
        self._thread.join()
        self._bar.stop()
