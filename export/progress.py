"""Progress: a bar for each step of the export, and how long each step took."""

import logging
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich import progress as bars
from rich.console import Console


class Progress:
    """Shows one bar per step.

    Args:
        console: where to show it.

    Attributes:
        durations_s: of the finished steps, by name; one that ran twice has the sum.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self.durations_s: dict[str, float] = {}

    def say(self, line: str) -> None:
        """Show a line."""
        self._console.print(line, highlight=False, markup=False, soft_wrap=True)

    @contextmanager
    def step(self, name: str, total: int) -> Iterator[Callable[[], None]]:
        """Show a step; the caller calls the yielded function once per unit of ``total``."""
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
        self.durations_s[name] = self.durations_s.get(name, 0.0) + time.monotonic() - start


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Silence logs and warnings of the libraries, which would break the progress bars; this program checks itself."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            logging.disable(before)
