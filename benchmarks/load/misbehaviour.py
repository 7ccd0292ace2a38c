"""Misbehaviour: callers as they are, with cancels, bad input, short patience and texts of any length."""

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from benchmarks.load.client import Request, post, predict, predict_batch
from benchmarks.load.corpus import Corpus

_LONGEST_ABANDONED_S: Final = 0.05
_LARGEST_BATCH: Final = 24

# (body, headers, the one right status)
_BAD: Final[Sequence[tuple[bytes, dict[str, str], int]]] = (
    (b'{"text": ""}', {}, 422),
    (b'{"text": "   "}', {}, 422),
    (b'{"text": 7}', {}, 422),
    (b'{"text": "\\ud800"}', {}, 422),
    (b'{"texts": ["wrong field"]}', {}, 422),
    (b'{"text": "fine", "truncation": "sideways"}', {}, 422),
    (b'{"text": "no end', {}, 400),
    (b"\xff\xfe", {}, 400),
    (b"text=form", {"content-type": "application/x-www-form-urlencoded"}, 415),
    (json.dumps({"text": "long " * 30_000}).encode(), {}, 413),
)


def callers(corpus: Corpus, count: int, seed: int) -> list[Request]:
    """Return requests of mixed callers: three quarters want one answer, the rest is trouble.

    Args:
        corpus: where their texts come from.
        count: requests.
        seed: of everything drawn.
    """
    draw = random.Random(seed)  # noqa: S311 - not cryptography
    kinds: list[Callable[[Corpus, random.Random], Request]] = [_plain, _batch, _cut, _abandoned, _hasty, _bad]
    chosen = draw.choices(kinds, weights=[60, 5, 10, 10, 5, 10], k=count)
    return [kind(corpus, draw) for kind in chosen]


def _plain(corpus: Corpus, draw: random.Random) -> Request:
    return predict(draw.choice(corpus.texts))


def _cut(corpus: Corpus, draw: random.Random) -> Request:
    """A text cut to a random length, so that every length occurs."""
    text = draw.choice(corpus.texts)
    return predict(text[: draw.randint(1, len(text))].strip() or "x")


def _batch(corpus: Corpus, draw: random.Random) -> Request:
    return predict_batch(draw.choices(corpus.texts, k=draw.randint(2, _LARGEST_BATCH)))


def _abandoned(corpus: Corpus, draw: random.Random) -> Request:
    return replace(_plain(corpus, draw), abandon_after_s=draw.uniform(0.001, _LONGEST_ABANDONED_S))


def _hasty(corpus: Corpus, draw: random.Random) -> Request:
    """A caller whose deadline may well pass: both answers are right."""
    headers = {"x-request-timeout-ms": str(draw.randint(1, 30))}
    return replace(predict(draw.choice(corpus.texts), headers), expected=frozenset({200, 504}))


def _bad(corpus: Corpus, draw: random.Random) -> Request:
    body, headers, status = draw.choice(_BAD)
    return replace(post("/predict", body, headers=headers), expected=frozenset({status}))
