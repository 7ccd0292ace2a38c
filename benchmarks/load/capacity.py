"""Capacity: the most that a server does of a mix, which loads and bounds are given in."""

import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from benchmarks.load.client import predict, predict_batch
from benchmarks.load.corpus import Corpus
from benchmarks.load.generator import Generator, run
from benchmarks.processes.servers import Server

_CALLERS: Final = 16
_SAMPLE: Final = 32


@dataclass(frozen=True, slots=True)
class Capacity:
    """What a server does when it is always busy.

    Attributes:
        texts_per_s: single texts answered per second.
        tokens_per_text: tokens that the model read of one, special tokens included, on average.
    """

    texts_per_s: float
    tokens_per_text: float

    def averaged(self, texts_per_s: float) -> "Capacity":
        """Return this capacity with the mean of its rate and another: of before and after what was measured between."""
        return replace(self, texts_per_s=(self.texts_per_s + texts_per_s) / 2)


def measure_capacity(server: Server, corpus: Corpus, seconds: float) -> Capacity:
    """Measure what a server does, in texts, and what these are in tokens."""
    return Capacity(measure_rate(server, corpus, seconds), _tokens_per_text(server, corpus.take(4 * _SAMPLE)))


def measure_rate(server: Server, corpus: Corpus, seconds: float) -> float:
    """Let 16 callers send single texts in a closed loop and return how many were answered per second."""
    requests = itertools.cycle([predict(text) for text in corpus.texts])
    return run(Generator(server.address).closed_loop(requests, _CALLERS, duration_s=seconds)).texts_per_s


def _tokens_per_text(server: Server, texts: Sequence[str]) -> float:
    requests = [predict_batch(texts[start : start + _SAMPLE]) for start in range(0, len(texts), _SAMPLE)]
    outcome = run(Generator(server.address).closed_loop(requests, callers=1))
    bodies = [json.loads(it.answer.body) for it in outcome.exchanges if it.answer]
    tokens: list[int] = [prediction["tokens"] for body in bodies for prediction in body["predictions"]]
    return sum(tokens) / len(tokens)
