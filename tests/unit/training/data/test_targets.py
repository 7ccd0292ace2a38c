"""Targets of a run: labels, values and pairs of the sources, and which rows are held out."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from training.data.sources import Source
from training.data.targets import truth_of
from training.data.training_data import load_training_data
from training.reading import DataError


def write(path: Path, rows: list[dict[str, Any]], **options: Any) -> Source:
    """Write rows and return their source, of which a fifth is held out."""
    path.write_text("\n".join(map(json.dumps, rows)))
    return Source(str(path), name=path.stem, held_out=0.2, **options)


def text(number: int) -> str:
    """Return a text that is no part of another one."""
    return f"text {number} {number * 7} {number * 13} about {number * 31}"


def test_rows_of_a_rare_label_are_held_out_too(tmp_path: Path) -> None:
    """A multi-label row counts as one of its rarest label, and rows without any as a kind of their own."""
    labels = [["common"]] * 70 + [["common", "rare"]] * 10 + [[]] * 20
    rows = [{"text": text(number), "label": own} for number, own in enumerate(labels)]
    data = load_training_data([write(tmp_path / "a.jsonl", rows)], None, seed=1, problem="multi_label")
    assert ["common", "rare"] == data.labels
    assert {(0,): 14, (0, 1): 2, (): 4} == Counter(example.target for example in data.validation)
    assert (20, 2) == truth_of(data.validation, "multi_label", 2).shape
    assert [16, 2] == truth_of(data.validation, "multi_label", 2).sum(axis=0).tolist()
    assert "labels of" in data.mappings[0]


def test_a_label_without_a_row_is_named(tmp_path: Path) -> None:
    """It could not be learnt."""
    rows = [{"text": text(number), "label": "a"} for number in range(20)]
    with pytest.raises(DataError, match="no training row has the label b"):
        load_training_data([write(tmp_path / "a.jsonl", rows)], ["a", "b"], seed=1, problem="multi_label")


def test_values_of_every_range_are_held_out(tmp_path: Path) -> None:
    """A fifth of the rows of each fifth of the values."""
    rows = [{"text": text(number), "label": number / 10} for number in range(100)]
    data = load_training_data([write(tmp_path / "a.jsonl", rows)], None, seed=1, problem="regression")
    assert ["value"] == data.labels
    values = truth_of(data.validation, "regression", 1)
    assert [4] * 5 == [int(((values >= low) & (values < low + 2)).sum()) for low in (0, 2, 4, 6, 8)]
    assert {} == data.unmeasured


def test_a_constant_is_no_regression(tmp_path: Path) -> None:
    """There is nothing to learn from equal values."""
    rows = [{"text": text(number), "label": 3} for number in range(20)]
    with pytest.raises(DataError, match="every training row has the same value"):
        load_training_data([write(tmp_path / "a.jsonl", rows)], None, seed=1, problem="regression")


def test_pairs_may_share_their_first_text(tmp_path: Path) -> None:
    """A premise with three hypotheses is three rows; only an equal pair is a duplicate."""
    rows = [{"text": text(number // 2), "other": text(900 + number), "label": "yn"[number % 2]} for number in range(40)]
    data = load_training_data([write(tmp_path / "a.jsonl", [*rows, rows[0]], text_pair="other")], None, seed=1)
    assert (1, 0, 40) == (data.duplicates, data.nested, len(data.train) + len(data.validation))
    assert rows[0]["other"] in {example.text_pair for example in (*data.train, *data.validation)}
