"""Probabilities are compared with the shares of people who chose a label."""

from pathlib import Path

import numpy as np
import pytest

from artifact.scores import Head
from export.errors import ExportError
from export.evaluate.raters import Rated, RatedColumns, Raters, read_rated
from training.reading import FileSource

pytestmark = pytest.mark.development


def test_figures_of_texts_with_known_shares() -> None:
    """Clear texts count as right or wrong, neutral ones by confidence, and every text for the calibration."""
    raters = Raters.of(np.array([0.95, 0.6, 0.2, 0.9]), Rated(np.array([1.0, 0.05, 0.0, 0.5])))
    assert 3 == raters.clear
    assert pytest.approx(2 / 3) == raters.clear_accuracy
    assert 1 == raters.neutral
    assert pytest.approx(0.9) == raters.neutral_confidence
    assert 0 == raters.neutral_certain
    assert pytest.approx((abs(0.95 + 0.9 - 1.5) + 0.55 + 0.2) / 4) == raters.calibration_error


def test_answers_that_equal_the_shares_are_perfect() -> None:
    """Correlation 1 and calibration error 0."""
    shares = np.array([0.0, 0.3, 0.5, 0.95])
    raters = Raters.of(shares, Rated(shares))
    assert pytest.approx(1) == raters.correlation
    assert pytest.approx(0) == raters.calibration_error


def test_mean_ratings_say_which_texts_are_clear_and_neutral() -> None:
    """A rating beyond 1 is clear whatever its share, one within 0.3 neutral; the correlation is with the rating."""
    rated = Rated(np.array([0.8, 0.2, 0.5, 0.95]), np.array([1.5, -2.0, 0.3, 0.9]))
    raters = Raters.of(np.array([0.9, 0.6, 0.95, 0.2]), rated)
    assert (2, 0.5) == (raters.clear, raters.clear_accuracy)
    assert (1, pytest.approx(0.95), 1.0) == (raters.neutral, raters.neutral_confidence, raters.neutral_certain)
    assert pytest.approx(np.corrcoef([0.9, 0.6, 0.95, 0.2], [1.5, -2.0, 0.3, 0.9])[0, 1]) == raters.correlation


def test_figures_without_texts_are_left_out() -> None:
    """Where no text is clear or neutral, the sentence says nothing of such texts."""
    raters = Raters.of(np.array([0.7, 0.7]), Rated(np.array([0.75, 0.75])))
    assert (None, None, None) == (raters.correlation, raters.clear_accuracy, raters.neutral_confidence)
    assert "Against the raters: calibration error 5.0%." == raters.describe()


def test_shares_are_read_from_a_column(tmp_path: Path) -> None:
    """A file without the column has none; a value that is no share names its row."""
    path = tmp_path / "rated.csv"
    path.write_text("text,label,share\ngood,1,0.9\nbad,0,0.05\n")
    found = read_rated(FileSource(path), RatedColumns("share", "rating"), Head(("bad", "good")))
    assert found is not None
    assert [0.9, 0.05] == found.shares.tolist()
    assert found.ratings is None
    assert read_rated(FileSource(path), RatedColumns("missing"), Head(("bad", "good"))) is None
    with pytest.raises(ExportError, match="two labels"):
        read_rated(FileSource(path), RatedColumns("share"), Head(("a", "b", "c")))
    path.write_text("text,label,share\ngood,1,9\n")
    with pytest.raises(ExportError, match="is not a number from 0 to 1"):
        read_rated(FileSource(path), RatedColumns("share"), Head(("bad", "good")))
    path.write_text("text,label,share,rating\ngood,1,0.9,2.5\nbad,0,0.05,nan\n")
    with pytest.raises(ExportError, match="is not a number from -4 to 4"):
        read_rated(FileSource(path), RatedColumns("share", "rating"), Head(("bad", "good")))
