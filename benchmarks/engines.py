"""Engines: the artifact's graph against what one would run without it, on one core, taking turns.

No tokenizer, no HTTP: token ids in, logits out. Each round gives every engine the same batches.
"""

import json
import random
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.effort import Effort
from benchmarks.process import Process
from benchmarks.statistics import Interval, ratio_interval

TORCH: Final = "PyTorch eager fp32"
FP32: Final = "ONNX fp32"
USUAL_INT8: Final = "usual int8"
ARTIFACT: Final = "this artifact"
ENGINES: Final = (TORCH, FP32, USUAL_INT8, ARTIFACT)

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
        texts_per_s: per CPU second, in the round in the middle.
        ratio: the artifact's speed over this engine's.
    """

    case: str
    tokens: int | None
    engine: str
    texts_per_s: float
    ratio: Interval


class EngineLoop(Process):
    """All engines in a process of its own, pinned."""

    def __init__(self, artifact: Path, reference: Path, cores: Sequence[int]) -> None:
        command = [sys.executable, "-m", "benchmarks.engine_loop", str(artifact.resolve()), str(reference)]
        super().__init__(command, cores=cores, pipes=True)
        self._read()

    def seconds(self, engine: str, batches: Batches) -> list[float]:
        """Run batches one by one and return the CPU seconds that each took.

        Raises:
            EngineError: if the process has ended.
        """
        assert self.child.stdin is not None  # noqa: S101 - pipes were asked for
        self.child.stdin.write(json.dumps({"engine": engine, "batches": batches}) + "\n")
        self.child.stdin.flush()
        return self._read()

    def _read(self) -> list[float]:
        assert self.child.stdout is not None  # noqa: S101 - pipes were asked for
        line = self.child.stdout.readline()
        if not line:
            self.stop()
            written = self.log()
            self.close()
            raise EngineError(f"the engines ended; they wrote:\n{written}")
        answer: list[float] = json.loads(line)
        return answer


def uniform_case(tokens: int, batch: int, count: int, vocabulary: int) -> Case:
    """Return batches of texts of one length, of random tokens."""
    draw = random.Random(tokens)  # noqa: S311 - not cryptography
    rows = [[draw.randrange(vocabulary) for _ in range(tokens)] for _ in range(batch)]
    return Case(f"{tokens} tokens{_by(batch)}", [rows] * count, tokens if batch == 1 else None)


def mixed_case(name: str, rows: Sequence[Sequence[int]], batch: int) -> Case:
    """Return real texts in batches of neighbours in length, as a batcher would form them."""
    ordered = sorted(rows, key=len) if batch > 1 else list(rows)
    batches = [ordered[start : start + batch] for start in range(0, len(ordered), batch)]
    return Case(f"{name}{_by(batch)}", batches)


def compare_engines(loop: EngineLoop, cases: Sequence[Case], effort: Effort) -> list[Speed]:
    """Let the engines take turns at every case, in another order each round."""
    speeds = []
    for case in cases:
        seconds: dict[str, list[float]] = {engine: [] for engine in ENGINES}
        for engine in ENGINES:
            loop.seconds(engine, case.batches[:1])  # the first run of a length pays for it
        for number in range(effort.rounds):
            turn = number % len(ENGINES)
            for engine in (*ENGINES[turn:], *ENGINES[:turn]):
                seconds[engine].append(sum(loop.seconds(engine, case.batches)))
        for engine in ENGINES:
            rate = case.texts / statistics.median(seconds[engine])
            speeds.append(
                Speed(case.name, case.tokens, engine, rate, ratio_interval(seconds[engine], seconds[ARTIFACT]))
            )
    return speeds


def _by(batch: int) -> str:
    return "" if batch == 1 else f" x {batch}"
