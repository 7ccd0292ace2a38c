"""A split is compared with and without the first stage."""

import numpy as np
import pytest

from artifact.scores import Head
from export.evaluate.cascade import Cascade
from export.evaluate.served import ServedPrediction

pytestmark = pytest.mark.development

HEAD = Head(("bad", "good"))


def test_the_figures_with_and_without_stand_side_by_side() -> None:
    """Share answered and accuracy are those of all texts, of each range of lengths and of each kind."""
    without = [ServedPrediction((0.1, 0.9), 8), ServedPrediction((0.2, 0.8), 8), ServedPrediction((0.7, 0.3), 40)]
    answers = [ServedPrediction((0.4, 0.6), 8, by_first_stage=True), ServedPrediction((0.6, 0.4), 8, True), without[2]]
    cascade = Cascade.of(HEAD, np.array([1, 1, 0]), answers, without, ["a", "b", "b"])
    found = {part.name: (part.n, part.answered, part.accuracy, part.without) for part in cascade.subsets}
    assert (3, pytest.approx(2 / 3), pytest.approx(2 / 3), 1.0) == found["all texts"]
    assert (2, 1.0, 0.5, 1.0) == found["up to 16 tokens"]
    assert (1, 0.0, 1.0, 1.0) == found["up to 64 tokens"]
    assert (2, 0.5, 0.5, 1.0) == found["b"]
    assert pytest.approx(2 / 3 * 0.1 + 1 / 3 * 0.3) == cascade.calibration_error
    assert "the first stage answers 66.7%: 66.67% (-33.33 points), calibration error 16.67%" == cascade.describe()
    assert "| up to 16 tokens | 2 | 100.0% | 50.00% | 100.00% |" in cascade.markdown()
