"""Quality of a graph against labels and the fp32 graph, and the effect of batches."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from artifact.runtime import Batch
from export.measure.quality import batch_variance, quality

pytestmark = pytest.mark.development

_ROWS = [tuple(range(1, length)) for length in (3, 5, 9, 4, 7, 6, 8, 10, 12)]


class _Stub:
    """An engine that answers a text by its tokens, plus so much per place of the batch."""

    def __init__(self, per_place: float) -> None:
        self._per_place = per_place

    def run(self, batch: Batch) -> NDArray[np.float32]:
        tokens = batch.attention_mask.sum(axis=1) / 10 + self._per_place * batch.input_ids.shape[1]
        return np.stack([tokens, np.zeros(len(tokens))], axis=1).astype(np.float32)


def test_a_graph_is_compared_with_labels_and_with_fp32() -> None:
    """One of four labels is wrong, and the same one differs from fp32."""
    reference = np.array([[0, 3], [3, 0], [0, 3], [3, 0]], np.float32)
    logits = reference.copy()
    logits[0] = [3, 0]
    found = quality(logits, reference, np.array([1, 0, 1, 0]))
    assert (4, 0.75, 0.25) == (found.n, found.accuracy, found.flipped)
    change = (1 - math.exp(-3)) / (1 + math.exp(-3))
    assert pytest.approx((change, change / 4)) == (found.largest_change, found.mean_change)


@pytest.mark.parametrize("per_place", [0.0, 0.01])
def test_variance_is_the_largest_change_between_alone_and_in_a_batch(per_place: float) -> None:
    """A graph that answers by the width of its batch is found out; one that does not has none."""
    ticks: list[int] = []
    found = batch_variance(_Stub(per_place), _ROWS, 0, rounds=4, max_length=20, tick=lambda: ticks.append(1))
    assert (per_place > 0) == (found > 0)
    assert 8 == len(ticks)


def test_an_answer_that_is_not_a_number_is_no_small_change() -> None:
    """NaN fails every gate, in whatever batch it occurs."""
    assert math.isnan(batch_variance(_Stub(math.nan), _ROWS, 0, rounds=2, max_length=20))
