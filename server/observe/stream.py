"""The stream of log lines: a thread writes them, so that a reader that stalls holds up no request.

Where standard error is stalled, closed or full, lines wait up to a bound. Further ones are dropped and counted.
"""

import logging
import os
import threading
from collections import deque
from collections.abc import Callable
from contextlib import nullcontext, suppress
from typing import Final

_MAX_WAITING_BYTES: Final = 1_000_000
"""About 4,000 lines of requests."""
_CLOSE_S: Final = 0.3
"""For the last lines, at the end of the process."""


class BackgroundHandler(logging.Handler):
    """Format records at once and write them on a thread.

    Args:
        descriptor: of the file that is written; standard error.

    Attributes:
        on_drop: called, on any thread, with the number of lines that were dropped.
    """

    def __init__(self, descriptor: int = 2) -> None:
        super().__init__()
        self.on_drop: Callable[[int], object] = lambda _: None
        self._descriptor = descriptor
        self._changed = threading.Condition()
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._writing = False
        self._dropped = 0
        self._torn = False
        self._thread: threading.Thread | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Hand a record to the thread, or drop it if too much waits."""
        try:
            text = (self.format(record) + "\n").encode(errors="backslashreplace")
        except Exception:  # as every handler: a record that cannot be formatted ends no request
            self.handleError(record)
            return
        with self._changed:
            if self._waiting_bytes + len(text) > _MAX_WAITING_BYTES:
                self._count_dropped(text)
                return
            self._waiting.append(text)
            self._waiting_bytes += len(text)
            if self._thread is None:  # a daemon: one that hangs in a write must not hold up the end
                self._thread = threading.Thread(target=self._write_on, name="log", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def flush(self) -> None:
        """Wait until all lines are written, but not for long."""
        with self._changed:
            self._changed.wait_for(lambda: not (self._waiting or self._writing), _CLOSE_S)

    def _write_on(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting)
                text = b"".join(self._waiting)
                self._waiting.clear()
                self._writing = True
                lost, self._dropped = self._dropped, 0
            note = self._note(lost) if lost else b""
            written = self._write(note + text)
            with self._changed:
                self._writing = False
                self._waiting_bytes -= len(text)
                if written < len(note):
                    self._dropped += lost
                self._count_dropped(text[max(0, written - len(note)) :])
                self._changed.notify_all()

    def _note(self, lost: int) -> bytes:
        """Return the line that tells how many are missing."""
        message = "%d log lines were dropped: standard error did not take them"
        record = logging.LogRecord("server.log", logging.WARNING, "", 0, message, (lost,), None)
        with self.lock or nullcontext():  # the formatter is used on the event loop's thread as well
            return (self.format(record) + "\n").encode()

    def _count_dropped(self, text: bytes) -> None:
        if text:
            self._dropped += text.count(b"\n")
            self.on_drop(text.count(b"\n"))

    def _write(self, text: bytes) -> int:
        """Return how many bytes were written before an error: a closed pipe, a full disk."""
        written = 0
        with suppress(OSError):
            if self._torn:
                os.write(self._descriptor, b"\n")
            while written < len(text):
                written += os.write(self._descriptor, text[written : written + 65536])
        if written:
            self._torn = text[written - 1 : written] != b"\n"
        return written
