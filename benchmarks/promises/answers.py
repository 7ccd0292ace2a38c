"""Answers: whether a text's answer under load is its answer alone."""

import json
import math
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, Final

from benchmarks.load.generator import Generator, run
from benchmarks.load.requests import single
from benchmarks.load.result import Attempt, LoadResult
from benchmarks.processes.servers import Server

ROUNDING: Final = 2e-6
"""Answers are rounded to six digits, so two roundings of one number differ by one in the last digit at most."""


def alone(server: Server, texts: Iterable[str]) -> dict[str, Mapping[str, Any]]:
    """Return the idle server's answer to each text by itself."""
    result = run(Generator(server.address).closed_loop(single(sorted(texts)), callers=1))
    return {attempt.request.subject[0]: predictions(attempt)[0] for attempt in result.attempts}


def predictions(attempt: Attempt) -> list[Mapping[str, Any]]:
    """Return the predictions that an attempt got; none if it was refused or lost."""
    if attempt.response is None or attempt.status != HTTPStatus.OK:
        return []
    body = json.loads(attempt.response.body)
    found: list[Mapping[str, Any]] = body.get("predictions", [body])
    return found


def difference(one: Mapping[str, Any], other: Mapping[str, Any]) -> float:
    """Return the largest difference of a probability; infinity if they cannot be answers to the same text."""
    if one["tokens"] != other["tokens"] or one["truncated"] != other["truncated"]:
        return math.inf
    pairs = zip(one["probabilities"], other["probabilities"], strict=True)
    return float(max(abs(mine - yours) for mine, yours in pairs))


def wrong_answers(result: LoadResult, expected: Mapping[str, Mapping[str, Any]]) -> int:
    """Return how many answers differ from the answer to the same text alone."""
    return sum(
        difference(answer, expected[text]) > ROUNDING
        for attempt in result.attempts
        for text, answer in zip(attempt.request.subject, predictions(attempt), strict=False)
    )
