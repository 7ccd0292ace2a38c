"""Results of a load: each request with its times and response, and the figures that follow from them."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, Self

from benchmarks.figures.statistics import quantile
from benchmarks.load.client import HttpResponse
from benchmarks.load.requests import HttpRequest

NO_RESPONSE: Final = 0
"""The status of a request without a response: no server, a lost connection, or a timeout."""
_BUSY_SHARE: Final = 0.8
_LATE_S: Final = 0.010


@dataclass(slots=True)
class Attempt:
    """One request and its result. Times are seconds from the start of the load.

    Attributes:
        request: what was sent.
        due_s: when the schedule wanted it sent; in a closed loop, when the caller was free.
        begun_s: when the generator began with it.
        sent_s: when it was sent, after connecting where that was needed; NaN if no server listened.
        done_s: when the last bytes of its response arrived, or when it was given up.
        response: None if there was none.
    """

    request: HttpRequest
    due_s: float
    begun_s: float
    sent_s: float = math.nan
    done_s: float = math.nan
    response: HttpResponse | None = None

    @property
    def status(self) -> int:
        """The HTTP status, or ``NO_RESPONSE``."""
        return self.response.status if self.response else NO_RESPONSE

    @property
    def latency_s(self) -> float:
        """Seconds from its due time to the end of its response."""
        return self.done_s - self.due_s

    @property
    def as_expected(self) -> bool:
        """Whether its status is right, or its own caller dropped it before there was one."""
        abandoned = self.response is None and self.request.abandon_after_s is not None
        return abandoned or self.status in self.request.expected


@dataclass(frozen=True, slots=True)
class LoadResult:
    """All attempts of one load.

    Attributes:
        attempts: in the order in which they ended.
        wall_s: seconds from the first request to the last response.
        generator_share: CPU seconds of this process per second of wall time.
    """

    attempts: list[Attempt]
    wall_s: float
    generator_share: float

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """Return several loads as one."""
        wall_s = sum(part.wall_s for part in parts)
        cpu_s = sum(part.generator_share * part.wall_s for part in parts)
        return cls([attempt for part in parts for attempt in part.attempts], wall_s, cpu_s / wall_s)

    @property
    def texts_per_s(self) -> float:
        """Texts predicted per second of wall time."""
        return sum(each.request.texts for each in self.attempts if each.status == HTTPStatus.OK) / self.wall_s

    @property
    def unexpected(self) -> list[Attempt]:
        """Attempts without a right response."""
        return [attempt for attempt in self.attempts if not attempt.as_expected]

    def latencies_s(self) -> list[float]:
        """Return the latencies of the responses with status 200."""
        return [attempt.latency_s for attempt in self.attempts if attempt.status == HTTPStatus.OK]

    def statuses(self) -> dict[int, int]:
        """Return how often each status occurred."""
        return dict(Counter(attempt.status for attempt in self.attempts))

    @property
    def lateness_s(self) -> float:
        """The 99th percentile of how late the generator began with a request. Later waits are the server's."""
        return quantile([attempt.begun_s - attempt.due_s for attempt in self.attempts], 0.99)

    @property
    def generator_note(self) -> str:
        """The generator's share of its core, in words."""
        limit = ", WHICH WAS THE LIMIT" if self.generator_was_the_limit else ""
        return f"the load took {self.generator_share:.0%} of a core{limit}"

    @property
    def generator_was_the_limit(self) -> bool:
        """Whether this process, not the server, may have set the figures."""
        return self.generator_share > _BUSY_SHARE or self.lateness_s > _LATE_S
