"""Micro-batches: every row runs once, beside rows of about its length."""

from hypothesis import given
from hypothesis import strategies as st

from artifact.cost_curve import CostCurve
from bulk.micro_batches import micro_batches

BEST_AT_64 = CostCurve([(8, 1.0e-3), (16, 1.1e-3), (32, 1.3e-3), (64, 1.7e-3), (128, 9.0e-3)])
ROWS = st.lists(st.integers(1, 40).map(lambda length: (1,) * length), max_size=60)


@given(rows=ROWS)
def test_every_row_is_in_one_micro_batch(rows: list[tuple[int, ...]]) -> None:
    """No row is lost and none runs twice."""
    chosen = [index for batch in micro_batches(rows, BEST_AT_64) for index in batch]
    assert list(range(len(rows))) == sorted(chosen)


@given(rows=ROWS)
def test_a_run_of_several_rows_stays_within_the_best_size(rows: list[tuple[int, ...]]) -> None:
    """Padded tokens of a run are those that the cost curve found cheapest, or one row."""
    for batch in micro_batches(rows, BEST_AT_64):
        assert 1 == len(batch) or len(batch) * max(len(rows[i]) for i in batch) <= BEST_AT_64.best_tokens


def test_rows_of_one_length_run_together() -> None:
    """Where batching pays, four short rows are one run whatever stands between them."""
    rows = [(1,) * 2, (1,) * 60, (1,) * 2, (1,) * 2, (1,) * 2]
    assert [[0, 2, 3, 4], [1]] == list(micro_batches(rows, BEST_AT_64))


def test_rows_run_alone_where_tokens_are_all_that_costs() -> None:
    """Padding a short row to a long one costs more than a run of its own."""
    per_token = CostCurve([(8, 0.8), (16, 1.6), (32, 3.2), (64, 6.4)])
    assert [[0], [1]] == list(micro_batches([(1,) * 8, (1,) * 60], per_token))
