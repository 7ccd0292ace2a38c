"""The cost curve: what a run costs, between and beyond what was measured."""

import pytest

from server.cost_curve import CostCurve
from server.engine import Batch
from tests.support.engines import EchoEngine, GatedEngine


def test_costs_between_points_are_interpolated_and_beyond_grow_in_proportion() -> None:
    """Half way between two points costs half way between, twice the last point twice its cost."""
    curve = CostCurve([(10, 1.0), (20, 3.0), (40, 4.0)])
    assert [1.0, 2.0, 3.0, 3.5, 4.0, 8.0] == [curve.seconds(tokens) for tokens in (10, 15, 20, 30, 40, 80)]
    assert 1.0 == curve.seconds(1)


def test_noise_never_makes_more_work_cheaper() -> None:
    """A point measured below its predecessor costs at least as much."""
    curve = CostCurve([(8, 2.0), (16, 1.0), (32, 3.0)])
    costs = [curve.seconds(tokens) for tokens in range(8, 64)]
    assert sorted(costs) == costs
    assert 2.0 == curve.seconds(16)


@pytest.mark.parametrize(
    ("points", "best"),
    [
        ([(8, 1.0), (64, 1.0), (256, 1.0)], 256),
        ([(8, 8.0), (64, 64.0), (256, 256.0)], 8),
        ([(8, 4.0), (64, 8.0), (256, 48.0)], 64),
        ([(8, 4.0), (64, 8.08), (256, 32.0)], 64),
    ],
)
def test_the_best_batch_is_the_smallest_that_is_nearly_cheapest(points: list[tuple[int, float]], best: int) -> None:
    """A larger batch that saves less than 2 % per token only lets the next text wait."""
    assert best == CostCurve(points).best_tokens


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


def test_an_engine_that_fails_is_not_measured() -> None:
    """A failing run is the caller's to report, not hidden in a curve."""

    class Broken:
        def run(self, batch: Batch) -> None:
            raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        CostCurve.measure(Broken(), pad_token_id=0, max_length=8)  # type: ignore[arg-type]  # it never answers
