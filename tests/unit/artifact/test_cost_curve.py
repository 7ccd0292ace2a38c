"""The cost curve: seconds of a run, at and between the sizes that were measured."""

import time

import numpy as np
import pytest
from numpy.typing import NDArray

from artifact.cost_curve import CostCurve
from artifact.runtime import Batch
from tests.support.engines import EchoEngine, GatedEngine


def test_a_run_costs_a_fixed_part_and_the_same_for_every_token() -> None:
    """Between and beyond points on a line, costs are on the same line."""
    curve = CostCurve([(10, 2.0), (20, 3.0), (40, 5.0)])
    assert pytest.approx([1.1, 2.0, 2.5, 4.0, 9.0]) == [curve.seconds(tokens) for tokens in (1, 10, 15, 30, 80)]


def test_noise_neither_favours_a_size_nor_makes_more_tokens_cheaper() -> None:
    """A point that was measured 10 % too high moves every cost by less than 4 %, its own included."""
    exact = [(8, 1.0), (16, 1.6), (32, 2.8), (64, 5.2), (128, 10.0), (256, 19.6)]
    noisy = CostCurve([(tokens, seconds * (1.1 if tokens == 64 else 1.0)) for tokens, seconds in exact])
    assert pytest.approx([seconds for _, seconds in exact], rel=0.04) == [noisy.seconds(tokens) for tokens, _ in exact]
    falling = CostCurve([(8, 2.0), (16, 1.0)])
    assert falling.seconds(8) <= falling.seconds(16)


def test_sizes_beyond_the_best_do_not_change_the_costs_below() -> None:
    """Runs that outgrow the CPU caches are slower for another reason, so the line is fitted without them."""
    curve = CostCurve([(8, 1.4), (16, 1.8), (32, 2.6), (64, 4.2), (128, 20.0)])
    assert (64, pytest.approx(1.8)) == (curve.best_tokens, curve.seconds(16))


def test_an_engine_whose_tokens_cost_least_alone_gains_nothing_by_joining() -> None:
    """Two runs apart never cost more than one of both together, so such an engine gets no batches."""
    curve = CostCurve([(8, 1.0), (16, 2.5), (32, 6.0)])
    assert 2 * curve.seconds(8) <= curve.seconds(16)


@pytest.mark.parametrize(
    ("points", "best"),
    [
        ([(8, 1.0), (64, 1.0), (256, 1.0)], 256),
        ([(8, 8.0), (64, 64.0), (256, 256.0)], 8),
        ([(8, 4.0), (64, 8.0), (256, 48.0)], 64),
        ([(8, 4.0), (32, 4.5), (64, 7.2), (256, 31.0)], 64),
        ([(8, 8.36), (32, 32.0)], 8),  # 4.5 % dearer
        ([(8, 8.56), (32, 32.0)], 32),  # 7 % dearer
        ([(8, 4.0), (32, 12.0), (64, 16.0), (256, 62.0)], 256),  # of 64 tokens only 48 are filled, at the cost of 14
    ],
)
def test_the_best_batch_is_the_smallest_that_is_nearly_cheapest(points: list[tuple[int, float]], best: int) -> None:
    """A larger batch that saves less than 6 % per token only makes the next text wait."""
    assert best == CostCurve(points).best_tokens


def test_overhead_outside_inference_asks_for_larger_batches() -> None:
    """An engine whose tokens cost the same in any batch gets batches all the same: each run has its overhead."""
    points = [(size, size * 35e-6) for size in (8, 16, 32, 64, 128, 256, 512)]
    assert 256 == CostCurve(points).best_tokens


def test_rows_of_short_models_leave_less_unfilled() -> None:
    """Half of a row of 8 tokens is 4 tokens, half of one of 32 is 16."""
    points = [(8, 1.0), (16, 1.3), (32, 2.0), (64, 3.9), (128, 8.0)]
    assert (32, 64) == (CostCurve(points).best_tokens, CostCurve(points, row_tokens=8).best_tokens)


@pytest.mark.parametrize(("seconds", "best"), [(1e9, 256), (30.0, 256), (29.9, 64), (7.9, 256), (0.1, 256)])
def test_a_batch_takes_no_longer_than_allowed_unless_that_costs_too_much(seconds: float, best: int) -> None:
    """A shorter run is chosen if a token costs at most 25 % more; an engine that needs large batches gets them."""
    assert best == CostCurve([(8, 4.0), (64, 8.0), (256, 30.0)]).best_tokens_within(seconds)


@pytest.mark.parametrize("max_length", [3, 5, 8, 16, 31, 32, 64, 512])
def test_measuring_warms_up_every_length_that_callers_send(max_length: int) -> None:
    """Shapes never exceed the model's length, the longest is among them, and the points ascend."""
    engine = GatedEngine(EchoEngine())
    engine.open()
    curve = CostCurve.measure(engine, pad_token_id=0, max_length=max_length)
    lengths = {batch.input_ids.shape[1] for batch in engine.batches}
    assert max_length == max(lengths)
    tokens = [point[0] for point in curve.points]
    assert sorted(set(tokens)) == tokens
    assert all(point[1] > 0 for point in curve.points)
    assert curve.best_tokens in tokens


def test_a_moment_in_which_the_machine_is_slow_makes_no_size_look_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock that the engine moves: after one run of every size it is half as fast."""
    clock_s, runs = [0.0], 0

    class Slowing(EchoEngine):
        def run(self, batch: Batch) -> NDArray[np.float32]:
            nonlocal runs
            runs += 1
            clock_s[0] += (10 + batch.input_ids.size) * (1e-3 if runs <= 7 else 2e-3)
            return super().run(batch)

    monkeypatch.setattr(time, "thread_time", lambda: clock_s[0])
    curve = CostCurve.measure(Slowing(), pad_token_id=0, max_length=32)
    assert pytest.approx([(10 + size) / 1e3 for size, _ in curve.points]) == [seconds for _, seconds in curve.points]


def test_an_engine_that_fails_is_not_measured() -> None:
    """The error of a failing run reaches the caller."""

    class Broken:
        def run(self, batch: Batch) -> None:
            raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        CostCurve.measure(Broken(), pad_token_id=0, max_length=8)  # type: ignore[arg-type]  # it never answers
