"""Rows of token ids -> micro-batches of rows of similar length.

The rule is the server's: a row joins while one run costs less than two by the cost curve. The server picks rows that
wait around a first one; here all rows are known, so they are sorted by length and cut from the shortest to the longest.
"""

from collections.abc import Iterator, Sequence

from artifact.cost_curve import BESIDE_A_RUN_S, CostCurve
from artifact.rows import Row


def micro_batches(rows: Sequence[Row], cost: CostCurve) -> Iterator[list[int]]:
    """Yield the indices of the rows that share a run; every row is in one micro-batch.

    Args:
        rows: in any order.
        cost: seconds of a run on this machine; also bounds the padded tokens of a run of several rows.
    """
    chosen: list[int] = []
    for index in sorted(range(len(rows)), key=lambda index: len(rows[index])):
        if chosen and not _joins(len(chosen), len(rows[chosen[-1]]), len(rows[index]), cost):
            yield chosen
            chosen = []
        chosen.append(index)
    if chosen:
        yield chosen


def _joins(count: int, longest: int, length: int, cost: CostCurve) -> bool:
    joint_tokens = length * (count + 1)
    apart = cost.seconds(longest * count) + cost.seconds(length) + BESIDE_A_RUN_S
    return joint_tokens <= cost.best_tokens and apart >= cost.seconds(joint_tokens)
