"""Isolation: every caller gets the answer to its own text, also among misbehaving callers."""

from typing import Final

from benchmarks.figures.rounds import Effort
from benchmarks.load.generator import Generator, measure_rate, poisson_arrivals, run
from benchmarks.load.misbehaviour import mixed_callers
from benchmarks.processes.servers import Rig
from benchmarks.promises.answers import ROUNDING, alone, difference, predictions
from benchmarks.promises.finding import Finding

_INTERLEAVINGS: Final = 10
_LOAD: Final = 1.5


def isolation(rig: Rig, effort: Effort) -> list[Finding]:
    """Callers cancel, send bad input and set short deadlines at 150 % of capacity. Every answer is checked."""
    pool = rig.texts.mixed(400, seed=7)
    wrong, largest, checked, unexpected = 0, 0.0, 0, 0
    with rig.server() as server:
        rate = _LOAD * measure_rate(server.address, pool.texts, effort.scaled(5))
        for number in range(_INTERLEAVINGS):
            requests = mixed_callers(pool, max(round(effort.scaled(400)), 20), seed=number)
            arrivals = poisson_arrivals(rate, len(requests) / rate, seed=number)
            result = run(Generator(server.address).open_loop(requests, arrivals))
            own = alone(server, {text for attempt in result.attempts for text in attempt.request.subject})
            unexpected += len(result.unexpected)
            for attempt in result.attempts:
                for text, answer in zip(attempt.request.subject, predictions(attempt), strict=False):
                    deviation = difference(answer, own[text])
                    largest = max(largest, deviation)
                    wrong += deviation > ROUNDING
                    checked += 1
    note = f"of {checked}, in {_INTERLEAVINGS} random interleavings; largest difference {largest:.6f}"
    return [
        Finding("isolation: answers that differ from the text's answer alone", wrong, "answers", "exactly", 0, note),
        Finding("isolation: answers of another status than intended", unexpected, "answers", "exactly", 0),
    ]
