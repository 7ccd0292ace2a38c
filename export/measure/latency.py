"""Latency: milliseconds per text on one core, alone and in a micro-batch, all variants alternating.

Time is the measuring thread's processor time. With one intra-op thread all work happens on that thread, so on an idle
core it is the latency, and other processes do not stretch it. They do take a share of the machine's caches, which
changes about twice a second. So all variants run each text in turn, and each is compared with the median of the
variants at the same text at the same moment.
"""

import math
import os
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from artifact.runtime import Batch
from export.samples import Ids

Run = Callable[[Batch], object]
"""Runs a batch; its result is not read."""
LENGTHS_TOKENS: Final = (16, 64, 128, 256)
SENTENCE_TOKENS: Final = 64
"""Texts up to this length count as sentences, longer ones as reviews."""
_ROUNDS: Final = 5
_SEED: Final = 3
_MIX_TEXTS: Final = 30
_TOGETHER_TEXTS: Final = 8
_SHORT_RUNS: Final = 5
"""Timed runs of a sentence; a longer text is run once, because longer runs are less noisy."""
_WARM_UPS: Final = 5
"""Untimed runs of a sentence before that, one of a longer text: the caches hold the weights of the variant before."""


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds per text on one core, run alone except in ``together_ms``.

    Attributes:
        by_length_ms: for texts of exactly that many tokens.
        sentences_ms: mean over the texts of at most ``SENTENCE_TOKENS``; None where there are none.
        reviews_ms: mean over the longer texts; None where there are none.
        mix_ms: mean over the real mix of lengths.
        together_ms: in a micro-batch of eight sentences of similar length, as a busy server forms them; None where
            there are no sentences.
    """

    by_length_ms: dict[int, float]
    sentences_ms: float | None
    reviews_ms: float | None
    mix_ms: float
    together_ms: float | None


def measure(
    runs: Mapping[str, Run],
    rows: Sequence[Ids],
    *,
    max_length: int,
    pad_token_id: int,
    tick: Callable[[], None] = lambda: None,
) -> dict[str, Latency]:
    """Time every run on fixed lengths, on a mix of the lengths of ``rows``, and on a micro-batch; tick per batch."""
    mix = _spread(rows, _MIX_TEXTS)
    longest = max(rows, key=len)
    fixed = [_of_length(longest, tokens) for tokens in LENGTHS_TOKENS if tokens <= max_length]
    batches = [Batch.of([row], pad_token_id) for row in [*fixed, *mix]]
    together = _neighbours(rows)
    if together:
        batches.append(Batch.of(together, pad_token_id))
    with one_core():
        times_ms = _alternate(runs, batches, tick)
    lengths = np.array([len(row) for row in mix])
    return {name: _summary(values, [len(row) for row in fixed], lengths) for name, values in times_ms.items()}


def steps(rows: Sequence[Ids], max_length: int) -> int:
    """Return the number of ticks of ``measure``."""
    fixed = sum(tokens <= max_length for tokens in LENGTHS_TOKENS)
    return _ROUNDS * (fixed + min(_MIX_TEXTS, len(rows)) + bool(_neighbours(rows)))


def _alternate(runs: Mapping[str, Run], batches: Sequence[Batch], tick: Callable[[], None]) -> dict[str, list[float]]:
    """Return the milliseconds of every batch by run."""
    times = np.empty((len(runs), _ROUNDS, len(batches)))
    order = list(enumerate(runs.values()))
    draw = random.Random(_SEED)  # noqa: S311 - not cryptography
    for count in range(_ROUNDS):
        for place, batch in enumerate(batches):
            draw.shuffle(order)  # so that no run always follows the same one
            for index, run in order:
                times[index, count, place] = _time_ms(run, batch)
            tick()
    return dict(zip(runs, typical_ms(times).tolist(), strict=True))


def typical_ms(times_ms: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the time of each run at each batch, (runs, batches), from its rounds, (runs, rounds, batches).

    A slow moment of the machine slows all runs alike, so each time is divided by the median of the runs at that moment.
    """
    common = np.median(times_ms, axis=0)
    result: NDArray[np.float64] = np.median(times_ms / common, axis=1) * np.median(common, axis=0)
    return result


def _time_ms(run: Run, batch: Batch) -> float:
    """Return the median of a few warm runs of a short text, the time of one warm run of a longer one."""
    short = batch.input_ids.shape[1] <= SENTENCE_TOKENS
    for _ in range(_WARM_UPS if short else 1):
        run(batch)
    times = []
    for _ in range(_SHORT_RUNS if short else 1):
        start = time.thread_time()
        run(batch)
        times.append((time.thread_time() - start) * 1e3)
    return float(np.median(times))


def _summary(times_ms: list[float], fixed: list[int], lengths: NDArray[np.int64]) -> Latency:
    end = len(fixed) + len(lengths)
    mix = np.array(times_ms[len(fixed) : end])
    short, long = mix[lengths <= SENTENCE_TOKENS], mix[lengths > SENTENCE_TOKENS]
    return Latency(
        by_length_ms=dict(zip(fixed, times_ms, strict=False)),
        sentences_ms=float(short.mean()) if len(short) else None,
        reviews_ms=float(long.mean()) if len(long) else None,
        mix_ms=float(mix.mean()),
        together_ms=times_ms[end] / _TOGETHER_TEXTS if times_ms[end:] else None,
    )


def _spread(rows: Sequence[Ids], count: int) -> list[Ids]:
    """Return rows spread evenly over the lengths."""
    by_length = sorted(rows, key=len)
    places = np.linspace(0, len(by_length) - 1, min(count, len(by_length))).round().astype(int)
    return [by_length[place] for place in places]


def _neighbours(rows: Sequence[Ids]) -> list[Ids]:
    """Return eight sentences of similar length: the middle half of 16 that are spread over the lengths."""
    sentences = [row for row in rows if len(row) <= SENTENCE_TOKENS]
    if not sentences:
        return []
    waiting = _spread(sentences * math.ceil(2 * _TOGETHER_TEXTS / len(sentences)), 2 * _TOGETHER_TEXTS)
    return waiting[_TOGETHER_TEXTS // 2 :][:_TOGETHER_TEXTS]


def _of_length(row: Ids, tokens: int) -> Ids:
    """Repeat a row's content between its special tokens up to the given length."""
    content = row[1:-1] * (tokens // max(1, len(row) - 2) + 1)
    return (row[0], *content[: tokens - 2], row[-1])


@contextmanager
def one_core() -> Iterator[None]:
    """Pin this thread to one core where the system supports it."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    with suppress(OSError):
        os.sched_setaffinity(0, {max(before)})
    try:
        yield
    finally:
        with suppress(OSError):
            os.sched_setaffinity(0, before)
