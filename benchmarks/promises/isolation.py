"""Isolation: every caller gets the answer to its own text, also among misbehaving callers."""

import json
import math
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from benchmarks.figures.rounds import Effort
from benchmarks.load.generator import Generator, measure_rate, poisson_arrivals, run
from benchmarks.load.misbehaviour import mixed_callers
from benchmarks.load.requests import single
from benchmarks.load.result import Attempt
from benchmarks.processes.servers import Rig, Server
from benchmarks.promises.finding import Finding

_INTERLEAVINGS: Final = 10
_LOAD: Final = 1.5
_ROUNDING: Final = 2e-6
"""Answers are rounded to six digits, so two roundings of one number differ by one in the last digit at most."""


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
            alone = _alone(server, {text for attempt in result.attempts for text in attempt.request.subject})
            unexpected += len(result.unexpected)
            for attempt in result.attempts:
                for text, answer in zip(attempt.request.subject, _predictions(attempt), strict=False):
                    difference = _difference(answer, alone[text])
                    largest = max(largest, difference)
                    wrong += difference > _ROUNDING
                    checked += 1
    note = f"of {checked}, in {_INTERLEAVINGS} random interleavings; largest difference {largest:.6f}"
    return [
        Finding("isolation: answers that differ from the text's answer alone", wrong, "answers", "exactly", 0, note),
        Finding("isolation: answers of another status than intended", unexpected, "answers", "exactly", 0),
    ]


def _alone(server: Server, texts: set[str]) -> dict[str, Mapping[str, Any]]:
    """Return the idle server's answer to each text by itself."""
    result = run(Generator(server.address).closed_loop(single(sorted(texts)), callers=1))
    return {attempt.request.subject[0]: _predictions(attempt)[0] for attempt in result.attempts}


def _predictions(attempt: Attempt) -> list[Mapping[str, Any]]:
    if attempt.response is None or attempt.status != HTTPStatus.OK:
        return []
    body = json.loads(attempt.response.body)
    predictions: list[Mapping[str, Any]] = body.get("predictions", [body])
    return predictions


def _difference(one: Mapping[str, Any], other: Mapping[str, Any]) -> float:
    """Return the largest difference of a probability; infinity if they cannot be answers to the same text."""
    if one["tokens"] != other["tokens"] or one["truncated"] != other["truncated"]:
        return math.inf
    pairs = zip(one["probabilities"], other["probabilities"], strict=True)
    return float(max(abs(mine - yours) for mine, yours in pairs))
