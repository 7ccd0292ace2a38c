"""Labels that cannot be the model's stop the export; another domain does not."""

import json
from pathlib import Path

import numpy as np
import pytest

from export.errors import ExportError
from export.label_check import check_labels, recorded_accuracy

pytestmark = pytest.mark.development

_TRUTH = np.arange(120) % 12
_NAMES = [str(name) for name in range(12)]


def _check(predicted: np.ndarray, truth: np.ndarray, recorded: float | None = None) -> None:
    check_labels(predicted, truth, _NAMES[: int(truth.max()) + 1], where="rows.csv", recorded=recorded)


def test_labels_in_another_order_are_named() -> None:
    """Twelve classes sorted as text: a perfect model is right on a sixth, and the line says which label is which."""
    order = np.array([_NAMES.index(name) for name in sorted(_NAMES)])
    with pytest.raises(ExportError, match=r"right on 16.7% of 120 texts of rows.csv.*: 2 is predicted as 4, 3 is"):
        _check(order.argsort()[_TRUTH], _TRUTH)
    swapped = np.array([0, 1] * 50)
    with pytest.raises(ExportError, match="0 is predicted as 1, 1 is predicted as 0"):
        _check(1 - swapped, swapped)


def test_an_accuracy_far_below_the_recorded_one_stops() -> None:
    """98 % at the end of training and 60 % on the data cannot be the same task."""
    predicted = np.where(np.arange(120) % 5 < 3, _TRUTH, (_TRUTH + 1 + np.arange(120) % 7) % 12)
    with pytest.raises(ExportError, match=r"right on 60.0% .* but on 98.0% of the rows that training held out"):
        _check(predicted, _TRUTH, recorded=0.98)


@pytest.mark.parametrize(
    ("predicted", "recorded"),
    [
        (np.where(np.arange(120) % 5 < 4, _TRUTH, 0), 0.9),
        (np.zeros(120, int), None),
        (np.random.default_rng(0).integers(0, 12, 120), None),
        (np.random.default_rng(0).integers(0, 12, 120), 0.1),
    ],
)
def test_a_weak_model_is_no_mistake(predicted: np.ndarray, recorded: float | None) -> None:
    """Another domain, one answer for all, and chance are figures, not errors."""
    _check(predicted, _TRUTH, recorded)


def test_the_recorded_accuracy_is_that_of_all_rows(tmp_path: Path) -> None:
    """It is the mean over the sources by their rows; a foreign checkpoint has none."""
    assert recorded_accuracy(tmp_path) is None
    entries = [{"accuracy": 1.0, "n": 30}, {"accuracy": 0.5, "n": 10}]
    (tmp_path / "metrics.json").write_text(json.dumps({"evaluations": entries}))
    assert 0.875 == recorded_accuracy(tmp_path)
    (tmp_path / "metrics.json").write_text("[]")
    assert recorded_accuracy(tmp_path) is None
