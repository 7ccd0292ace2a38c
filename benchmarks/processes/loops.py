"""Loops: child processes without HTTP that measure on request, with one line of JSON each way.

The bare loop runs the artifact on texts, one by one: tokenization and inference and nothing else. The server's
throughput and latency are given as ratios to it. An engine loop runs one engine on batches of token ids. A loop that
is not asked takes no CPU. ``loop_child`` is the program that runs in the child.
"""

import contextlib
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from artifact.child import ChildError
from benchmarks.processes.loop_child import BARE, ENGINES
from benchmarks.processes.process import Process, server_python

# glibc: memory that a run frees stays with the process. By default the state of its heap decides whether large batches
# get their memory from the kernel at every run, which cost one engine 18 % in one process and nothing in the next.
_KEEP_MEMORY: Final = {"MALLOC_TRIM_THRESHOLD_": str(2**30), "MALLOC_MMAP_THRESHOLD_": str(2**25)}

Batches = Sequence[Sequence[Sequence[int]]]
"""Batches of rows of token ids."""


class Loop(Process):
    """A child that measures on request.

    Args:
        python: interpreter of the environment that it runs in.
        arguments: of ``loop_child``.
        cores: where it may run.
        environment: added to this process's environment.
    """

    def __init__(
        self, python: str, arguments: Sequence[str], cores: Sequence[int], environment: Mapping[str, str] | None = None
    ) -> None:
        command = [python, "-m", "benchmarks.processes.loop_child", *arguments]
        super().__init__(command, cores=cores, environment=environment, pipes=True)

    def answer(self) -> Any:  # noqa: ANN401 - JSON; each kind of loop knows its shape
        """Wait for the next line and return it; the first one says that the child has loaded.

        Raises:
            ChildError: if the child has ended.
        """
        assert self.process.stdout is not None  # noqa: S101 - pipes were asked for
        if line := self.process.stdout.readline():
            return json.loads(line)
        self.close()
        raise ChildError(f"{self} ended with exit code {self.process.returncode}; it wrote:\n{self.log}")

    def ask(self, question: object) -> Any:  # noqa: ANN401 - as above
        """Send one line and return the answer.

        Raises:
            ChildError: if the child has ended.
        """
        assert self.process.stdin is not None  # noqa: S101 - pipes were asked for
        with contextlib.suppress(BrokenPipeError):  # ``answer`` says why the child ended
            self.process.stdin.write(json.dumps(question) + "\n")
            self.process.stdin.flush()
        return self.answer()


@dataclass(frozen=True, slots=True)
class BareRun:
    """The time of one turn of the bare loop.

    Attributes:
        seconds: wall time of each text.
        cpu_s: CPU seconds of all texts together.
    """

    seconds: list[float]
    cpu_s: float

    @property
    def wall_s(self) -> float:
        """Wall time of all texts; much more than ``cpu_s`` where other processes used the core too."""
        return sum(self.seconds)


class BareLoop(Loop):
    """The bare loop in the server's environment, loaded."""

    def __init__(self, artifact: Path, cores: Sequence[int]) -> None:
        super().__init__(server_python(), [BARE, str(artifact.resolve())], cores)
        self.answer()

    def run(self, texts: Sequence[str]) -> BareRun:
        """Run the texts one by one.

        Raises:
            ChildError: if the child has ended.
        """
        return BareRun(**self.ask(list(texts)))


class EngineLoop(Loop):
    """One engine; the first ``answer`` says that it is loaded.

    Args:
        engine: one of ``ENGINES``.
        artifact: whose engine ``ARTIFACT`` is.
        models: directory of the other engines' models.
        cores: where it may run.
    """

    def __init__(self, engine: str, artifact: Path, models: Path, cores: Sequence[int]) -> None:
        super().__init__(sys.executable, [engine, str(artifact.resolve()), str(models)], cores, _KEEP_MEMORY)

    def seconds(self, batches: Batches, seconds: float) -> float:
        """Take a turn and return the CPU seconds that one pass over the batches takes.

        Args:
            batches: run one by one, over and over.
            seconds: length of the turn; one pass at least.

        Raises:
            ChildError: if the child has ended.
        """
        return float(sum(self.ask({"batches": batches, "seconds": seconds})))


@contextlib.contextmanager
def start_engines(artifact: Path, models: Path, cores: Sequence[int]) -> Iterator[Mapping[str, EngineLoop]]:
    """Start every engine, all at once, and end them with the block."""
    with contextlib.ExitStack() as stack:
        loops = {name: stack.enter_context(EngineLoop(name, artifact, models, cores)) for name in ENGINES}
        for loop in loops.values():
            loop.answer()
        yield loops
