"""Bare: the same artifact on the same texts, tokenize and run one by one in one pinned process, no HTTP.

What a server adds or saves is told by its ratio to this bare loop. Its process is started once and waits,
without taking CPU, while the server is measured.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.processes.process import Process, server_python


class BareLoopError(Exception):
    """The bare loop ended; the message holds what it wrote."""


@dataclass(frozen=True, slots=True)
class BareRun:
    """What the texts of one turn took.

    Attributes:
        seconds: of each text, by the clock.
        cpu_s: of all of them, in CPU seconds.
    """

    seconds: list[float]
    cpu_s: float

    @property
    def wall_s(self) -> float:
        """Seconds of all texts, by the clock; much more than ``cpu_s`` where others used the core as well."""
        return sum(self.seconds)


class BareLoop(Process):
    """The bare loop in a process of its own, pinned to the server's cores."""

    def __init__(self, artifact: Path, cores: Sequence[int]) -> None:
        command = [server_python(), "-m", "benchmarks.processes.bare_loop", str(artifact.resolve())]
        super().__init__(command, cores=cores, pipes=True)
        self.run([])

    def run(self, texts: Sequence[str]) -> BareRun:
        """Run the texts one by one and return what they took.

        Raises:
            BareLoopError: if the process has ended.
        """
        assert self.child.stdin is not None  # noqa: S101 - pipes were asked for
        assert self.child.stdout is not None  # noqa: S101 - as above
        try:
            self.child.stdin.write(json.dumps(list(texts)) + "\n")
            self.child.stdin.flush()
            answer = self.child.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if not answer:
            self.stop()
            written = self.log()
            self.close()
            raise BareLoopError(f"the bare loop ended; it wrote:\n{written}")
        return BareRun(**json.loads(answer))
