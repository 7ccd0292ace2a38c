"""Quality of a graph against labels and the fp32 graph, and the effect of batches."""

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from artifact.runtime import Batch
from artifact.scores import Head
from export.measure.quality import batch_variance, quality, score_changes

pytestmark = pytest.mark.development

HEAD = Head(("a", "b"))
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
    found = quality(HEAD, logits, reference, np.array([1, 0, 1, 0]))
    assert (4, 0.75, 0.25) == (found.n, found.accuracy, found.flipped)
    change = (1 - math.exp(-3)) / (1 + math.exp(-3))
    assert pytest.approx((change, change / 4)) == (found.largest_change, found.mean_change)


@pytest.mark.parametrize("per_place", [0.0, 0.01])
def test_variance_is_the_largest_change_between_alone_and_in_a_batch(per_place: float) -> None:
    """A graph that answers by the width of its batch is found out; one that does not has none."""
    ticks: list[int] = []
    found = batch_variance(HEAD, _Stub(per_place), _ROWS, 0, rounds=4, max_length=20, tick=lambda: ticks.append(1))
    assert (per_place > 0) == (found > 0)
    assert 8 == len(ticks)


def test_an_answer_that_is_not_a_number_is_no_small_change() -> None:
    """NaN fails every gate, in whatever batch it occurs."""
    assert math.isnan(batch_variance(HEAD, _Stub(math.nan), _ROWS, 0, rounds=2, max_length=20))


def test_a_multi_label_graph_is_compared_by_its_decisions() -> None:
    """Of eight decisions one differs from fp32; F1 has the right, the missing and the surplus labels in it."""
    head = Head(("a", "b"), problem="multi_label", thresholds=(0.5, 0.8), activation="sigmoid")
    reference = np.array([[1, 2], [-1, 2], [1, -1], [-1, -1]], np.float32)
    logits = reference.copy()
    logits[0, 1] = 1  # 0.73 is under the threshold of 0.8
    truth = np.array([[True, True], [False, True], [True, False], [False, False]])
    found = quality(head, logits, reference, truth)
    assert (1 / 8, None, 1.0) == (found.flipped, found.accuracy, found.temperature)
    assert pytest.approx(2 * 3 / (3 + 4)) == found.figures["micro_f1"] == found.main
    assert pytest.approx(1 / (1 + math.exp(-2)) - 1 / (1 + math.exp(-1)), abs=1e-6) == found.largest_change


@pytest.mark.parametrize(
    ("activation", "change"), [("identity", 0.1), ("sigmoid", 1 / (1 + math.exp(-4.4)) - 1 / (1 + math.exp(-4)))]
)
def test_a_regression_is_compared_by_its_values(activation: Any, change: float) -> None:
    """A value changes by a share of the largest one, a probability by itself; decisions are the order of the texts."""
    head = Head(("stars",), problem="regression", activation=activation)
    reference = np.array([[1], [2], [3], [4]], np.float32)
    logits = np.array([[1], [2], [3], [4.4]], np.float32)
    found = quality(head, logits, reference, np.array([1.0, 2.0, 3.0, 4.0]))
    assert pytest.approx(change, abs=1e-6) == found.largest_change == score_changes(head, logits, reference).max()
    assert pytest.approx(0.0, abs=1e-12) == found.flipped
    assert found.main == found.figures["pearson"]
    swapped = quality(head, reference[[1, 0, 2, 3]], reference, None)
    assert pytest.approx(0.2) == swapped.flipped
    assert swapped.main is None
