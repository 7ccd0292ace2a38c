"""Latency: a slow moment of the machine does not count against a variant."""

import time
from collections.abc import Callable

import numpy as np
import pytest

pytest.importorskip("onnx")

from export.measure.latency import Batch, measure, steps, typical_ms

pytestmark = pytest.mark.development

TRUE_MS = np.array([[1.0, 20.0], [2.0, 30.0], [4.0, 40.0]])  # (runs, batches)


def test_a_slow_moment_slows_all_and_counts_for_none() -> None:
    """The machine is slower in most rounds, each time by another factor."""
    slowed = np.array([1.0, 1.8, 1.4, 1.0, 2.0, 1.3, 1.0])[None, :, None]
    typical = typical_ms(TRUE_MS[:, None, :] * slowed)
    assert pytest.approx(TRUE_MS / TRUE_MS[0]) == typical / typical[0]


def test_a_disturbed_round_does_not_count() -> None:
    """One run is disturbed in three of seven rounds and the others are not."""
    times = np.repeat(TRUE_MS[:, None, :], 7, axis=1)
    times[0, 2:5] *= 1.9
    assert pytest.approx(TRUE_MS) == typical_ms(times)


def test_every_run_has_its_own_time_at_every_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """The runs move the clock: a token costs one of them a millisecond and the other three."""
    clock_s, ticks = [0.0], 0

    def costing(ms_per_token: float) -> Callable[[Batch], None]:
        def run(batch: Batch) -> None:
            clock_s[0] += batch.input_ids.size * ms_per_token / 1e3

        return run

    def tick() -> None:
        nonlocal ticks
        ticks += 1

    monkeypatch.setattr(time, "thread_time", lambda: clock_s[0])
    rows = [(1, *range(5, 5 + length), 2) for length in (8, 18, 98)]
    runs = {"one": costing(1), "other": costing(3)}
    found = measure(runs, rows, max_length=128, pad_token_id=0, tick=tick)
    assert pytest.approx(15) == found["one"].sentences_ms
    assert pytest.approx(45) == found["other"].sentences_ms
    assert pytest.approx(300) == found["other"].reviews_ms
    assert pytest.approx(20) == found["one"].together_ms  # four of either sentence, the shorter ones padded
    assert pytest.approx({16: 16, 64: 64, 128: 128}) == found["one"].by_length_ms
    assert steps(rows, 128) == ticks
    assert measure({"one": costing(1)}, rows[2:], max_length=128, pad_token_id=0)["one"].together_ms is None
