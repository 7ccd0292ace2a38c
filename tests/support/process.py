"""A server in a process of its own, as a user starts it, that never outlives its test."""

import os
import queue
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from tests.support.engines import PATIENCE_S
from tests.support.tiny import TINY

ROOT = Path(__file__).parent.parent.parent


class ServerProcess:
    """``python -m server`` with its log.

    Args:
        process: started with pipes for both streams.

    Attributes:
        lines: what it has written to standard error, as far as it was read: all of it after ``wait``.
        output: what it has written to standard output, after ``wait``.
    """

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        self.lines: list[str] = []
        self.output = ""
        self._queue: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, args=(process.stderr,))
        self._reader.start()

    @property
    def url(self) -> str:
        """Where it listens; waits until it says so."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def port(self) -> int:
        """The port it took; waits until it says so."""
        return int(self.wait_for(r"listening on http://127\.0\.0\.1:(\d+)").group(1))

    def wait_for(self, pattern: str) -> re.Match[str]:
        """Return the first match in the log, old or new; fail if the process ends or is silent for long."""
        for line in self.lines:
            if match := re.search(pattern, line):
                return match
        while True:
            line = self._queue.get(timeout=PATIENCE_S)
            if line is None:
                self._queue.put(None)  # whoever waits next fails at once, too
                raise AssertionError(f"the server ended without {pattern!r}: {''.join(self.lines)}")
            self.lines.append(line)
            if match := re.search(pattern, line):
                return match

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def wait(self) -> int:
        """Wait for the end and return the exit code; the log is complete then."""
        code = self.process.wait(PATIENCE_S)
        while (line := self._queue.get(timeout=PATIENCE_S)) is not None:
            self.lines.append(line)
        assert self.process.stdout is not None
        self.output = self.process.stdout.read()
        return code

    def close(self) -> None:
        """End the process, if it has not ended, and its reader."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._reader.join()
        for stream in (self.process.stdout, self.process.stderr):
            if stream:
                stream.close()

    def _read(self, stream: IO[str]) -> None:
        for line in stream:
            self._queue.put(line)
        self._queue.put(None)


@contextmanager
def server_process(
    artifact: Path = TINY, *, interpreter: str | Path = sys.executable, **settings: str
) -> Iterator[ServerProcess]:
    """Start a server on a free port and end it after the block.

    Args:
        artifact: what it serves.
        interpreter: of the environment that it runs in; the tests' own by default.
        settings: environment variables; ``VERDICT_`` is put before those in lower case.
    """
    environment = dict(os.environ) | {"VERDICT_ARTIFACT_DIR": str(artifact), "VERDICT_PORT": "0"}
    for name, value in settings.items():
        environment[f"VERDICT_{name.upper()}" if name.islower() else name] = value
    process = subprocess.Popen(
        [interpreter, "-m", "server"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    server = ServerProcess(process)
    try:
        yield server
    finally:
        server.close()
