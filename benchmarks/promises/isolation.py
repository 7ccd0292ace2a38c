"""Isolation: whatever other callers do, each gets the answer to its own question."""

import json
import math
from collections.abc import Mapping
from typing import Any, Final

from benchmarks.figures.effort import Effort
from benchmarks.load.capacity import measure_capacity
from benchmarks.load.client import predict
from benchmarks.load.generator import Generator, poisson_arrivals, run
from benchmarks.load.misbehaviour import callers
from benchmarks.load.outcome import Exchange
from benchmarks.processes.rig import Rig
from benchmarks.processes.servers import Server
from benchmarks.promises.finding import Finding

_INTERLEAVINGS: Final = 10
_LOAD: Final = 1.5
_ROUNDING: Final = 2e-6
"""Answers are rounded to six digits: two of the same number differ by one of the last digit at most."""


def isolation(rig: Rig, effort: Effort) -> list[Finding]:
    """Callers cancel, send nonsense and run out of patience at 150 % of capacity; every answer is checked."""
    corpus = rig.texts.mixed(400, seed=7)
    wrong, largest, checked, unexpected = 0, 0.0, 0, 0
    with rig.server() as server:
        rate = _LOAD * measure_capacity(server, corpus, effort.lasting(5)).texts_per_s
        for number in range(_INTERLEAVINGS):
            requests = callers(corpus, max(round(effort.lasting(400)), 20), seed=number)
            arrivals = poisson_arrivals(rate, len(requests) / rate, seed=number)
            outcome = run(Generator(server.address).open_loop(requests, arrivals))
            alone = _alone(server, {text for it in outcome.exchanges for text in it.request.subject})
            unexpected += sum(not it.as_expected for it in outcome.exchanges)
            for exchange in outcome.exchanges:
                for text, answer in zip(exchange.request.subject, _predictions(exchange), strict=False):
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
    """Return what the idle server says of each text by itself."""
    outcome = run(Generator(server.address).closed_loop([predict(text) for text in sorted(texts)], callers=1))
    return {it.request.subject[0]: _predictions(it)[0] for it in outcome.exchanges}


def _predictions(exchange: Exchange) -> list[Mapping[str, Any]]:
    if exchange.answer is None or exchange.status != 200:  # noqa: PLR2004 - OK
        return []
    body = json.loads(exchange.answer.body)
    predictions: list[Mapping[str, Any]] = body.get("predictions", [body])
    return predictions


def _difference(one: Mapping[str, Any], other: Mapping[str, Any]) -> float:
    """Return the largest difference of a probability; infinite if they can not be answers to one text."""
    if one["tokens"] != other["tokens"] or one["truncated"] != other["truncated"]:
        return math.inf
    pairs = zip(one["probabilities"], other["probabilities"], strict=True)
    return float(max(abs(mine - yours) for mine, yours in pairs))
