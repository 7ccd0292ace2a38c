"""The waiting time of accepted texts, counted in tokens."""

import json

from benchmarks.load.client import HttpResponse
from benchmarks.load.requests import predict
from benchmarks.load.result import Attempt, LoadResult
from benchmarks.promises.overload import tokens_waited_for


def attempt(due_s: float, done_s: float, tokens: int, status: int = 200) -> Attempt:
    """Return an attempt whose response has a number of tokens."""
    response = HttpResponse(status, {}, json.dumps({"tokens": tokens}).encode())
    return Attempt(predict("a text"), due_s, due_s, due_s, done_s, response)


def test_a_text_waits_for_the_texts_answered_between_its_due_time_and_its_answer() -> None:
    """Texts that overtake it count; earlier answers and refusals do not."""
    attempts = [
        attempt(0.0, 4.0, tokens=50),
        attempt(0.5, 1.0, tokens=10),
        attempt(2.0, 3.0, tokens=20),
        attempt(2.0, 2.0, tokens=0, status=429),
    ]
    assert [0, 0, 30] == tokens_waited_for(LoadResult(attempts, wall_s=4.0, generator_share=0.1))


def test_refused_texts_do_not_wait() -> None:
    """A server that refused everything has no waiting times."""
    assert [] == tokens_waited_for(
        LoadResult([attempt(0.0, 0.1, tokens=0, status=429)], wall_s=1.0, generator_share=0.1)
    )
