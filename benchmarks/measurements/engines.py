"""Engines: the artifact's graph against PyTorch, fp32 and the usual int8, on one core, taking turns.

Token ids in, logits out: no tokenizer, no HTTP. Each engine has its own process, as a user would run it; the others
wait meanwhile and take no CPU. A round is one pass over a case's batches, and every engine has a short turn at a batch
before any has one at the next: other processes change the caches within half a second, so only turns that are close
together can be compared. Ratios are those of the middle half of the rounds.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Final

from benchmarks.figures.rounds import Effort, Measurement, Rounds
from benchmarks.figures.statistics import Interval, middle_ratio
from benchmarks.measurements.engine_cases import EngineCase, choose_cases
from benchmarks.processes.loop_child import ARTIFACT, ENGINES
from benchmarks.processes.loops import EngineLoop
from benchmarks.processes.servers import Rig
from benchmarks.report.section import ReportTable, Section

_ORDERS: Final = tuple((*ENGINES[first:], *ENGINES[:first]) for first in range(len(ENGINES)))
_TURN_S: Final = 0.06
_CASE_S: Final = 6.5


@dataclass(frozen=True, slots=True)
class EngineSpeed:
    """The speed of an engine at a case.

    Attributes:
        case: the case's name.
        tokens: length of its texts where all have the same.
        engine: the engine's name.
        texts_per_s: per CPU second, over all rounds.
        ratio: the artifact's speed over this engine's, in the middle half of the rounds.
        rounds: number of rounds.
    """

    case: str
    tokens: int | None
    engine: str
    texts_per_s: float
    ratio: Interval
    rounds: int


class Contest:
    """The engines at one case. Each runs it once when the contest is made.

    Every contest gets the same time, so short texts, whose runs are noisier, get more rounds. Each engine is equally
    often first, second, third and last at a batch.
    """

    def __init__(self, loops: Mapping[str, EngineLoop], case: EngineCase, effort: Effort) -> None:
        self.rounds = Rounds(self._round, 1 if effort.quick else len(_ORDERS), effort.scaled(_CASE_S))
        self._loops = loops
        self._case = case
        self._turn_s = effort.scaled(_TURN_S)
        self._seconds: dict[str, list[float]] = {engine: [] for engine in ENGINES}
        for loop in loops.values():
            loop.seconds(case.batches, self._turn_s)  # the first runs of a length allocate its memory

    def _round(self) -> None:
        shift = len(self._seconds[ARTIFACT])
        taken = dict.fromkeys(ENGINES, 0.0)
        for place, batch in enumerate(self._case.batches):
            for engine in _ORDERS[(place + shift) % len(_ORDERS)]:
                taken[engine] += self._loops[engine].seconds([batch], self._turn_s)
        for engine in ENGINES:
            self._seconds[engine].append(taken[engine])

    def speeds(self) -> list[EngineSpeed]:
        """Return the speed of each engine in the rounds so far."""
        return [
            EngineSpeed(
                self._case.name,
                self._case.tokens,
                engine,
                self._case.texts * len(seconds) / sum(seconds),
                middle_ratio(seconds, self._seconds[ARTIFACT]),
                len(seconds),
            )
            for engine, seconds in self._seconds.items()
        ]


def measure_engines(rig: Rig, loops: Mapping[str, EngineLoop], effort: Effort) -> Measurement[Section]:
    """Measure all engines at all cases."""
    contests = [Contest(loops, case, effort) for case in choose_cases(rig, effort)]

    def section() -> Section:
        cases = [contest.speeds() for contest in contests]
        rows = [[speeds[0].case, *(f"{each.texts_per_s:.1f} ({each.ratio.estimate:.2f}x)" for each in speeds)]
                for speeds in cases]  # fmt: skip
        return Section(
            "engines",
            "Engines: texts per CPU second, and how many times as fast this artifact is",
            [asdict(speed) for speeds in cases for speed in speeds],
            ReportTable(["texts", *ENGINES], rows),
            [
                "Token ids in, logits out, one thread; each engine in a process of its own; short turns at one batch "
                "after the other, with a warm cache; ratios of the middle half of the rounds."
            ],
        )

    return Measurement([contest.rounds for contest in contests], section)
