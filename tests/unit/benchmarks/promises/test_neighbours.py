"""The judgement of what ordinary callers notice of others."""

import json
from collections.abc import Sequence

from benchmarks.load.client import HttpResponse
from benchmarks.load.requests import predict
from benchmarks.load.result import Attempt, LoadResult
from benchmarks.promises.neighbours import Neighbourhood

ANSWER = {"tokens": 3, "truncated": False, "probabilities": [0.25, 0.75]}
OTHER = {"tokens": 3, "truncated": False, "probabilities": [0.26, 0.74]}


def load(latencies_s: Sequence[float], *, status: int = 200, answer: dict[str, object] = ANSWER) -> LoadResult:
    """Return a round in which each request took so long and got the same answer."""
    response = HttpResponse(status, {}, json.dumps(answer).encode())
    attempts = [Attempt(predict("good"), 0.0, 0.0, 0.0, latency_s, response) for latency_s in latencies_s]
    return LoadResult(attempts, wall_s=1.0, generator_share=0.1)


def judge(alone: Sequence[LoadResult], beside: Sequence[LoadResult]) -> list[float]:
    """Return the values of the findings."""
    return [found.value for found in Neighbourhood({"good": ANSWER}, [*alone], [*beside]).findings("a promise", 3.0)]


def test_the_slowdown_is_the_median_of_the_rounds() -> None:
    """Each round beside others is compared with its round alone, so that one disturbed round decides nothing."""
    assert [0, 0, 2.0] == judge([load([1.0])] * 3, [load([2.0]), load([90.0]), load([1.5])])


def test_a_refused_request_was_not_answered() -> None:
    """A refusal with 429 counts, although an ordinary caller may retry."""
    assert [2, 0] == judge([load([1.0])] * 2, [load([1.0]), load([0.0, 0.0], status=429)])[:2]


def test_an_answer_to_another_text_is_wrong() -> None:
    """Only answers beside others are compared with the answer alone."""
    assert [0, 3] == judge([load([1.0], answer=OTHER)], [load([1.0] * 3, answer=OTHER)])[:2]
