"""Engines: the artifact's graph against what one would run without it, on one core, taking turns.

No tokenizer, no HTTP: token ids in, logits out. Each engine has a process of its own, as one would run it; the others
wait meanwhile and take no CPU. A round is one pass over a case's batches, and every engine has a short turn at a batch
before any has one at the next: what others do to the machine's caches changes within half a second, so that only turns
which lie closer together can be compared. Ratios are those of the middle half of the rounds.
"""

import contextlib
import json
import random
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.effort import Effort
from benchmarks.process import Process
from benchmarks.statistics import Interval, middle_ratio

TORCH: Final = "PyTorch eager fp32"
FP32: Final = "ONNX fp32"
USUAL_INT8: Final = "usual int8"
ARTIFACT: Final = "this artifact"
ENGINES: Final = (TORCH, FP32, USUAL_INT8, ARTIFACT)
_TURN_S: Final = 0.06
_CASE_S: Final = 6.5
# glibc: memory that a run gives back stays with the process. Otherwise the state of its heap decides whether large
# batches get their memory from the kernel at every run, which costs the same engine 18 % in one process and nothing in
# the next. All engines get the same.
_KEEP_MEMORY: Final = {"MALLOC_TRIM_THRESHOLD_": str(2**30), "MALLOC_MMAP_THRESHOLD_": str(2**25)}

Batches = Sequence[Sequence[Sequence[int]]]


class EngineError(Exception):
    """The process of the engines ended; the message holds what it wrote."""


@dataclass(frozen=True, slots=True)
class Case:
    """Batches of token ids that every engine gets; ``tokens`` is their length where all have the same."""

    name: str
    batches: Batches
    tokens: int | None = None

    @property
    def texts(self) -> int:
        """Texts in all batches."""
        return sum(len(batch) for batch in self.batches)


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
        command = [sys.executable, "-m", "benchmarks.engine_loop", engine, str(artifact.resolve()), str(reference)]
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


def uniform_case(tokens: int, batch: int, vocabulary: int) -> Case:
    """Return one batch of texts of one length, of random tokens."""
    draw = random.Random(tokens)  # noqa: S311 - not cryptography
    rows = [[draw.randrange(vocabulary) for _ in range(tokens)] for _ in range(batch)]
    return Case(f"{tokens} tokens{_by(batch)}", [rows], tokens if batch == 1 else None)


def mixed_case(name: str, rows: Sequence[Sequence[int]], batch: int) -> Case:
    """Return real texts in batches of neighbours in length, as a batcher would form them."""
    ordered = sorted(rows, key=len) if batch > 1 else list(rows)
    batches = [ordered[start : start + batch] for start in range(0, len(ordered), batch)]
    return Case(f"{name}{_by(batch)}", batches)


def compare_engines(loops: Mapping[str, EngineLoop], cases: Sequence[Case], effort: Effort) -> list[Speed]:
    """Let the engines take turns at every batch of every case, each equally often first, second, third and last."""
    return [speed for case in cases for speed in _compare(loops, case, effort)]


def _compare(loops: Mapping[str, EngineLoop], case: Case, effort: Effort) -> list[Speed]:
    """Every case gets the same time: the shorter its runs, the noisier they are, and the more rounds it gets."""
    turn_s = effort.lasting(_TURN_S)
    for loop in loops.values():
        loop.seconds(case.batches, turn_s)  # the first runs of a length pay for their memory
    seconds: dict[str, list[float]] = {engine: [] for engine in ENGINES}
    orders = [(*ENGINES[first:], *ENGINES[:first]) for first in range(len(ENGINES))]
    began = time.perf_counter()
    while not seconds[ARTIFACT] or time.perf_counter() - began < effort.lasting(_CASE_S):
        for shift in range(1 if effort.quick else len(orders)):
            taken = dict.fromkeys(ENGINES, 0.0)
            for place, batch in enumerate(case.batches):
                for engine in orders[(place + shift) % len(orders)]:
                    taken[engine] += loops[engine].seconds([batch], turn_s)
            for engine in ENGINES:
                seconds[engine].append(taken[engine])
    return [
        Speed(
            case.name,
            case.tokens,
            engine,
            case.texts * len(seconds[engine]) / sum(seconds[engine]),
            middle_ratio(seconds[engine], seconds[ARTIFACT]),
            len(seconds[engine]),
        )
        for engine in ENGINES
    ]


def _by(batch: int) -> str:
    return "" if batch == 1 else f" x {batch}"
