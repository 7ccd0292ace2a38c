"""Engines: the artifact's graph against what one would run without it, on one core, taking turns.

No tokenizer, no HTTP: token ids in, logits out. Each engine has a process of its own, as one would run it; the others
wait meanwhile and take no CPU. A round is one pass over a case's batches, and every engine has a short turn at a batch
before any has one at the next: what others do to the machine's caches changes within half a second, so that only turns
which lie closer together can be compared. Ratios are those of the middle half of the rounds.
"""

import contextlib
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.figures.effort import Effort
from benchmarks.figures.rounds import Rounds
from benchmarks.figures.statistics import Interval, middle_ratio
from benchmarks.measurements.engine_cases import Batches, Case
from benchmarks.processes.process import Process

TORCH: Final = "PyTorch eager fp32"
FP32: Final = "ONNX fp32"
USUAL_INT8: Final = "usual int8"
ARTIFACT: Final = "this artifact"
ENGINES: Final = (TORCH, FP32, USUAL_INT8, ARTIFACT)
_ORDERS: Final = tuple((*ENGINES[first:], *ENGINES[:first]) for first in range(len(ENGINES)))
_TURN_S: Final = 0.06
_CASE_S: Final = 6.5
# glibc: memory that a run gives back stays with the process. Otherwise the state of its heap decides whether large
# batches get their memory from the kernel at every run, which costs the same engine 18 % in one process and nothing in
# the next. All engines get the same.
_KEEP_MEMORY: Final = {"MALLOC_TRIM_THRESHOLD_": str(2**30), "MALLOC_MMAP_THRESHOLD_": str(2**25)}


class EngineError(Exception):
    """The process of the engines ended; the message holds what it wrote."""


@dataclass(frozen=True, slots=True)
class Speed:
    """How fast an engine is at a case.

    Attributes:
        case: the case's name.
        tokens: length of its texts where all have the same.
        engine: the engine's name.
        texts_per_s: per CPU second, over all rounds.
        ratio: the artifact's speed over this engine's, in the middle half of the rounds.
        rounds: how many there were.
    """

    case: str
    tokens: int | None
    engine: str
    texts_per_s: float
    ratio: Interval
    rounds: int


class EngineLoop(Process):
    """One engine in a process of its own, pinned."""

    def __init__(self, engine: str, artifact: Path, reference: Path, cores: Sequence[int]) -> None:
        command = [
            sys.executable,
            "-m",
            "benchmarks.processes.engine_loop",
            engine,
            str(artifact.resolve()),
            str(reference),
        ]
        super().__init__(command, cores=cores, environment=_KEEP_MEMORY, pipes=True)

    def wait_until_loaded(self) -> None:
        """Wait until it can take turns.

        Raises:
            EngineError: if the process has ended.
        """
        self._read()

    def seconds(self, batches: Batches, seconds: float) -> float:
        """Take a turn and return the CPU seconds that all batches take, run one by one.

        Args:
            batches: run over and over.
            seconds: length of the turn; longer where one pass over the batches is.

        Raises:
            EngineError: if the process has ended.
        """
        assert self.child.stdin is not None  # noqa: S101 - pipes were asked for
        with contextlib.suppress(BrokenPipeError):  # reading says why it ended
            self.child.stdin.write(json.dumps({"batches": batches, "seconds": seconds}) + "\n")
            self.child.stdin.flush()
        return sum(self._read())

    def _read(self) -> list[float]:
        assert self.child.stdout is not None  # noqa: S101 - pipes were asked for
        line = self.child.stdout.readline()
        if not line:
            self.stop()
            written = self.log()
            self.close()
            raise EngineError(f"an engine ended; it wrote:\n{written}")
        answer: list[float] = json.loads(line)
        return answer


@contextlib.contextmanager
def start_engines(artifact: Path, reference: Path, cores: Sequence[int]) -> Iterator[Mapping[str, EngineLoop]]:
    """Start every engine, all at once, and end them with the block."""
    with contextlib.ExitStack() as stack:
        loops = {name: stack.enter_context(EngineLoop(name, artifact, reference, cores)) for name in ENGINES}
        for loop in loops.values():
            loop.wait_until_loaded()
        yield loops


class Contest:
    """The engines at one case; each has run it once when the contest is made.

    Every contest gets the same time: the shorter its runs, the noisier they are, and the more rounds it gets. Each
    engine is as often first at a batch as second, third and last.
    """

    def __init__(self, loops: Mapping[str, EngineLoop], case: Case, effort: Effort) -> None:
        self.rounds = Rounds(self._round, 1 if effort.quick else len(_ORDERS), effort.lasting(_CASE_S))
        self._loops = loops
        self._case = case
        self._turn_s = effort.lasting(_TURN_S)
        self._seconds: dict[str, list[float]] = {engine: [] for engine in ENGINES}
        for loop in loops.values():
            loop.seconds(case.batches, self._turn_s)  # the first runs of a length pay for their memory

    def _round(self) -> None:
        shift = len(self._seconds[ARTIFACT])
        taken = dict.fromkeys(ENGINES, 0.0)
        for place, batch in enumerate(self._case.batches):
            for engine in _ORDERS[(place + shift) % len(_ORDERS)]:
                taken[engine] += self._loops[engine].seconds([batch], self._turn_s)
        for engine in ENGINES:
            self._seconds[engine].append(taken[engine])

    def speeds(self) -> list[Speed]:
        """Return how fast each engine was in the rounds so far."""
        return [
            Speed(
                self._case.name,
                self._case.tokens,
                engine,
                self._case.texts * len(seconds) / sum(seconds),
                middle_ratio(seconds, self._seconds[ARTIFACT]),
                len(seconds),
            )
            for engine, seconds in self._seconds.items()
        ]
