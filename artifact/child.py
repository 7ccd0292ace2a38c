"""Child: a server as a process of its own, as a user starts it. For export, benchmarks and tests.

Its output goes to a file: a pipe that nobody reads would stop the server, and one that a grandchild inherits would
hang whoever waits for its end.
"""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

ROOT: Final = Path(__file__).resolve().parent.parent
"""The project's folder, in which its packages can be imported."""
_POLL_S: Final = 0.01
_PATIENCE_S: Final = 60.0
_END_S: Final = 35.0
"""Longer than a server's default drain."""


class ChildError(Exception):
    """A child ended, or kept silent for too long; the message holds its output."""


class Child:
    """A process that ends with the block that it was started in.

    Args:
        command: program and arguments.
        environment: added to this process's environment.
        directory: where it runs.
        pipes: whether standard input and output are text pipes; otherwise input is empty and output goes to the log.

    Attributes:
        process: the running process.
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        environment: Mapping[str, str] | None = None,
        directory: Path = ROOT,
        pipes: bool = False,
    ) -> None:
        self._written = ""
        self._log = tempfile.NamedTemporaryFile()  # noqa: SIM115 - closed with the process
        with Path(self._log.name).open("ab") as stream:  # appended to: two streams write into it
            self.process = subprocess.Popen(  # noqa: S603 - the caller's own command
                command,
                cwd=directory,
                env={**os.environ, **(environment or {})},
                stdin=subprocess.PIPE if pipes else subprocess.DEVNULL,
                stdout=subprocess.PIPE if pipes else stream,
                stderr=stream,
                text=True,
            )

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self.process.poll() is None

    @property
    def log(self) -> str:
        """Its output so far; all of it once it has ended, also after ``close``."""
        if self._log.closed:
            return self._written
        return Path(self._log.name).read_text(encoding="utf-8", errors="replace")

    @property
    def lines(self) -> list[str]:
        """The log's lines, without their ends."""
        return self.log.split("\n")[:-1]

    def wait_for(self, pattern: str, timeout_s: float = _PATIENCE_S) -> re.Match[str]:
        """Return the first match of a regular expression in a line of the log, old or new.

        Raises:
            ChildError: if it ends without one, or none comes within ``timeout_s``.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            ended = not self.running  # before the log is read: its last lines count
            for line in self.lines:
                if match := re.search(pattern, line):
                    return match
            if ended:
                raise ChildError(f"{self} ended with exit code {self.process.returncode}; it wrote:\n{self.log}")
            if time.monotonic() > deadline:
                raise ChildError(f"{self} did not write {pattern!r} within {timeout_s:g} s; it wrote:\n{self.log}")
            time.sleep(_POLL_S)

    @property
    def port(self) -> int:
        """The port that a Verdict server listens on; waits until it is ready.

        Raises:
            ChildError: if it ends or does not become ready.
        """
        return int(self.wait_for(r"listening on http://127\.0\.0\.1:(\d+)").group(1))

    @property
    def url(self) -> str:
        """Its base URL; waits until it is ready."""
        return f"http://127.0.0.1:{self.port}"

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def wait(self, timeout_s: float = _PATIENCE_S) -> int:
        """Wait until it has ended by itself and return its exit code.

        Raises:
            subprocess.TimeoutExpired: if it runs for longer than ``timeout_s``.
        """
        return self.process.wait(timeout_s)

    def stop(self) -> int:
        """Ask it to end, kill it if it does not, and return its exit code."""
        if self.running:
            self.process.terminate()
        try:
            return self.process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()

    def close(self) -> None:
        """Stop it and release what belongs to it."""
        self.stop()
        self._written = self.log
        for stream in (self.process.stdin, self.process.stdout, self._log):
            if stream is not None:
                stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()

    def __str__(self) -> str:
        return " ".join(map(str, self.process.args)) if isinstance(self.process.args, list) else str(self.process.args)


def server_environment(artifact: Path, settings: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment variables with which a server serves an artifact on a free port of the loopback.

    Args:
        artifact: the directory that it serves.
        settings: further variables; ``VERDICT_`` is put before names in lower case.
    """
    own = {"host": "127.0.0.1", "port": "0", "artifact_dir": str(artifact.resolve()), "log_level": "info"}
    chosen = {**own, **(settings or {})}
    return {f"VERDICT_{key.upper()}" if key.islower() else key: value for key, value in chosen.items()}


class ServedArtifact(Child):
    """``python -m server`` on an artifact, on a free port of the loopback.

    Args:
        artifact: the directory that it serves.
        settings: as for ``server_environment``.
        interpreter: of the environment that it runs in; this process's own by default.
    """

    def __init__(
        self, artifact: Path, settings: Mapping[str, str] | None = None, *, interpreter: str | Path = sys.executable
    ) -> None:
        super().__init__([interpreter, "-m", "server"], environment=server_environment(artifact, settings))
