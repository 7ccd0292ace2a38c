"""Outcome: what became of the requests of one load, and what that says of server and generator."""

import math
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from benchmarks.figures.statistics import quantile
from benchmarks.load.client import Answer, Request

NO_ANSWER: Final = 0
"""The status of a request that got no answer: nobody listened, the connection was lost, or it took too long."""
_BUSY_SHARE: Final = 0.8
_LATE_S: Final = 0.010


@dataclass(slots=True)
class Exchange:
    """One request and what became of it; times in seconds from the start of the load.

    Attributes:
        request: what was sent.
        due_s: when the schedule wanted it sent; in a closed loop, when the caller was free to.
        begun_s: when the generator turned to it.
        sent_s: when it was sent, which may have needed a new connection; NaN if nobody listened.
        done_s: when the last bytes of its answer had come, or it was given up.
        answer: what came back, if anything.
    """

    request: Request
    due_s: float
    begun_s: float
    sent_s: float = math.nan
    done_s: float = math.nan
    answer: Answer | None = None

    @property
    def status(self) -> int:
        """The answer's HTTP status, or ``NO_ANSWER``."""
        return self.answer.status if self.answer else NO_ANSWER

    @property
    def latency_s(self) -> float:
        """From the moment at which it was due to the end of its answer."""
        return self.done_s - self.due_s

    @property
    def as_expected(self) -> bool:
        """Whether it got a right answer, or was dropped by its own caller before it could get one."""
        abandoned = self.answer is None and self.request.abandon_after_s is not None
        return abandoned or self.status in self.request.expected


@dataclass(frozen=True, slots=True)
class Outcome:
    """All exchanges of one load, in the order in which they ended.

    Attributes:
        exchanges: what became of each request.
        wall_s: from the first request to the last answer.
        generator_share: CPU seconds of this process per second of wall time.
    """

    exchanges: list[Exchange]
    wall_s: float
    generator_share: float

    @property
    def texts_per_s(self) -> float:
        """Texts predicted per second of wall time."""
        return sum(it.request.texts for it in self.exchanges if it.status == HTTPStatus.OK) / self.wall_s

    def latencies_s(self, status: int = HTTPStatus.OK) -> list[float]:
        """Latencies of the answers with a status."""
        return [it.latency_s for it in self.exchanges if it.status == status]

    def statuses(self) -> dict[int, int]:
        """How often each status came."""
        counts: dict[int, int] = {}
        for it in self.exchanges:
            counts[it.status] = counts.get(it.status, 0) + 1
        return counts

    @property
    def lateness_s(self) -> float:
        """How late the generator turned to a request at the 99th percentile; later waits are the server's."""
        return quantile([it.begun_s - it.due_s for it in self.exchanges], 0.99)

    @property
    def generator_note(self) -> str:
        """What the load took of its own core, in words."""
        limit = ", WHICH WAS THE LIMIT" if self.generator_was_the_limit else ""
        return f"the load took {self.generator_share:.0%} of a core{limit}"

    @property
    def generator_was_the_limit(self) -> bool:
        """Whether the figures may tell of this process instead of the server."""
        return self.generator_share > _BUSY_SHARE or self.lateness_s > _LATE_S
