"""Watch: what a process takes over time, sampled beside the load."""

import threading
import time
from types import TracebackType
from typing import Self

import psutil

from benchmarks.processes.process import Process, Usage


class Watch:
    """Samples a process between enter and exit.

    Args:
        process: what to watch; sampling ends quietly when it does.
        every_s: seconds between samples; one takes about a millisecond of the watching process.

    Attributes:
        samples: (seconds since the start, usage).
    """

    def __init__(self, process: Process, every_s: float) -> None:
        self.samples: list[tuple[float, Usage]] = []
        self._process = process
        self._every_s = every_s
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def between(self, start: float, end: float) -> list[Usage]:
        """Return the samples of a part of the time, given by its shares from 0 to 1."""
        last = self.samples[-1][0]
        return [usage for seconds, usage in self.samples if start * last <= seconds <= end * last]

    def _sample(self) -> None:
        started = time.perf_counter()
        while True:
            try:
                self.samples.append((time.perf_counter() - started, self._process.usage()))
            except psutil.NoSuchProcess:
                return
            if self._ended.wait(self._every_s):
                return

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._ended.set()
        self._thread.join()
