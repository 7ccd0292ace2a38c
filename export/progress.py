"""Progress: what the export is doing, for the person who waits for it."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich import progress as bars
from rich.console import Console


class Progress:
    """Shows one bar per step, and remembers how long each took.

    Args:
        console: where to show it.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self.durations_s: dict[str, float] = {}

    @contextmanager
    def step(self, name: str, total: int) -> Iterator[Callable[[], None]]:
        """Show a step; the caller calls what it gets once per unit of ``total``."""
        columns = (
            bars.TextColumn("{task.description:<28}"),
            bars.BarColumn(),
            bars.MofNCompleteColumn(),
            bars.TimeElapsedColumn(),
            bars.TextColumn("left"),
            bars.TimeRemainingColumn(),
        )
        start = time.monotonic()
        with bars.Progress(*columns, console=self._console) as bar:
            task = bar.add_task(name, total=total)
            yield lambda: bar.advance(task)
            bar.update(task, completed=total)
        self.durations_s[name] = time.monotonic() - start
