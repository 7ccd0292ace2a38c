"""Cascade: a server with the artifact's first stage on against one without it, taking turns at the same texts."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from benchmarks.figures.rounds import Effort, Measurement, Rounds
from benchmarks.figures.statistics import ratio_interval
from benchmarks.load.generator import Generator, run
from benchmarks.load.requests import HttpRequest, single
from benchmarks.processes.servers import Rig, Server
from benchmarks.report.section import ReportColumns, ReportTable, Section

_CALLERS: Final = 16
_SHAPES: Final = ("sentences", "reviews")
_ANSWERED: Final = "verdict_first_stage_texts_total"

_COLUMNS: Final[ReportColumns[Mapping[str, Any]]] = (
    (f"{_CALLERS} callers", lambda row: row["shape"]),
    ("off texts/s", lambda row: f"{row['off_per_s']:.1f}"),
    ("on texts/s", lambda row: f"{row['on_per_s']:.1f}"),
    ("on / off", lambda row: f"{row['ratio']:.2f} [{row['low']:.2f}, {row['high']:.2f}]"),
    ("answered by the first stage", lambda row: f"{row['answered']:.0%}"),
)


def cascade(rig: Rig, off: Server, on: Server, effort: Effort) -> Measurement[Section]:
    """Compare at sentences and reviews of the corpus.

    Args:
        rig: its texts.
        off: the server without the first stage.
        on: the same with it.
        effort: how long to measure.
    """
    loads = [_Load(shape, single(rig.texts.of(shape).texts), off, on, effort) for shape in _SHAPES]

    def section() -> Section:
        figures = [load.figures() for load in loads]
        notes = ["how much it wins depends on the share of texts that it answers: measure with texts of your own"]
        return Section("cascade", "First stage on against off", figures, ReportTable.of(_COLUMNS, figures), notes)

    return Measurement([load.rounds for load in loads], section)


@dataclass(slots=True)
class _Turn:
    texts_per_s: float
    texts: int


class _Load:
    """One shape of text at two servers."""

    def __init__(self, shape: str, requests: list[HttpRequest], off: Server, on: Server, effort: Effort) -> None:
        self.rounds = Rounds(self._round, cycle=2, seconds=2 * effort.rounds * effort.seconds)
        self._shape = shape
        self._requests = requests
        self._servers = (off, on)
        self._seconds = effort.seconds
        self._turns: dict[Server, list[_Turn]] = {off: [], on: []}
        self._answered = 0

    def _round(self) -> None:
        off, on = self._servers
        number = len(self._turns[off])
        before = on.counted(_ANSWERED)
        for server in (off, on) if number % 2 else (on, off):
            texts = itertools.cycle(self._requests)
            result = run(Generator(server.address).closed_loop(texts, _CALLERS, duration_s=self._seconds))
            self._turns[server].append(_Turn(result.texts_per_s, round(result.texts_per_s * result.wall_s)))
        self._answered += on.counted(_ANSWERED) - before

    def figures(self) -> dict[str, Any]:
        """Return the row of the rounds so far."""
        rates = [[turn.texts_per_s for turn in self._turns[server]] for server in self._servers]
        ratio = ratio_interval(rates[1], rates[0])
        texts = sum(turn.texts for turn in self._turns[self._servers[1]])
        return {
            "shape": self._shape,
            "off_per_s": sum(rates[0]) / len(rates[0]),
            "on_per_s": sum(rates[1]) / len(rates[1]),
            "ratio": ratio.estimate,
            "low": ratio.low,
            "high": ratio.high,
            "answered": self._answered / max(texts, 1),
        }
