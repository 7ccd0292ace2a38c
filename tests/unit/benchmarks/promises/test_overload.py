"""What an overloaded server makes its callers wait for."""

import json

from benchmarks.load.client import Answer, predict
from benchmarks.load.outcome import Exchange, Outcome
from benchmarks.promises.overload import tokens_waited_for


def exchange(due_s: float, done_s: float, tokens: int, status: int = 200) -> Exchange:
    """An exchange whose answer says how many tokens were read."""
    answer = Answer(status, {}, json.dumps({"tokens": tokens}).encode())
    return Exchange(predict("a text"), due_s, due_s, due_s, done_s, answer)


def test_a_text_waits_for_what_is_answered_between_its_coming_and_its_answer() -> None:
    """Not for what was answered before it came, nor for refusals; those that overtake it count."""
    exchanges = [
        exchange(0.0, 4.0, tokens=50),
        exchange(0.5, 1.0, tokens=10),
        exchange(2.0, 3.0, tokens=20),
        exchange(2.0, 2.0, tokens=0, status=429),
    ]
    assert [0, 0, 30] == tokens_waited_for(Outcome(exchanges, wall_s=4.0, generator_share=0.1))


def test_without_answers_nobody_waited() -> None:
    """A server that refused everything made nobody wait."""
    assert [] == tokens_waited_for(Outcome([exchange(0.0, 0.1, tokens=0, status=429)], wall_s=1.0, generator_share=0.1))
