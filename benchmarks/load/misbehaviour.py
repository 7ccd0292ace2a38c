"""Misbehaviour: the requests of callers that cancel, send bad input, set short deadlines or long texts."""

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from benchmarks.load.corpus import TextPool
from benchmarks.load.requests import HttpRequest, post, predict, predict_batch

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


def mixed_callers(pool: TextPool, count: int, seed: int) -> list[HttpRequest]:
    """Return ``count`` requests: three quarters are plain, the rest are trouble.

    Args:
        pool: texts to draw from.
        count: number of requests.
        seed: the same seed gives the same requests.
    """
    draw = random.Random(seed)  # noqa: S311 - not cryptography
    kinds: list[Callable[[TextPool, random.Random], HttpRequest]] = [_plain, _batch, _cut, _abandoned, _hasty, _bad]
    chosen = draw.choices(kinds, weights=[60, 5, 10, 10, 5, 10], k=count)
    return [kind(pool, draw) for kind in chosen]


def _plain(pool: TextPool, draw: random.Random) -> HttpRequest:
    return predict(draw.choice(pool.texts))


def _cut(pool: TextPool, draw: random.Random) -> HttpRequest:
    """A text cut to a random length, so that every length occurs."""
    text = draw.choice(pool.texts)
    return predict(text[: draw.randint(1, len(text))].strip() or "x")


def _batch(pool: TextPool, draw: random.Random) -> HttpRequest:
    return predict_batch(draw.choices(pool.texts, k=draw.randint(2, _LARGEST_BATCH)))


def _abandoned(pool: TextPool, draw: random.Random) -> HttpRequest:
    return replace(_plain(pool, draw), abandon_after_s=draw.uniform(0.001, _LONGEST_ABANDONED_S))


def _hasty(pool: TextPool, draw: random.Random) -> HttpRequest:
    """A request whose deadline may pass: 200 and 504 are right."""
    headers = {"x-request-timeout-ms": str(draw.randint(1, 30))}
    return replace(predict(draw.choice(pool.texts), headers), expected=frozenset({200, 504}))


def _bad(pool: TextPool, draw: random.Random) -> HttpRequest:
    body, headers, status = draw.choice(_BAD)
    return replace(post("/predict", body, headers=headers), expected=frozenset({status}))
