"""Texts are divided by their hash, so a text always stands on the same side."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from training.divide import main

pytestmark = pytest.mark.development


def test_sides_do_not_depend_on_order_or_other_rows(tmp_path: Path) -> None:
    """Every row is on one side, about a fifth to measure on, and in another order on the same side."""
    rows = [{"text": f"text {number}", "label": number % 2} for number in range(500)]
    sides = []
    for name, chosen in (("all", rows), ("half", rows[::-2])):
        source, train, test = (tmp_path / f"{name}{part}.parquet" for part in ("", "-train", "-test"))
        pq.write_table(pa.Table.from_pylist(chosen), source)
        assert 0 == main([str(source), "--train", str(train), "--test", str(test)])
        sides.append({path: {row["text"] for row in pq.read_table(path).to_pylist()} for path in (train, test)})
        assert len(chosen) == sum(len(pq.read_table(path)) for path in (train, test))
    (all_train, all_test), (half_train, half_test) = (side.values() for side in sides)
    assert half_train < all_train
    assert half_test < all_test
    assert 60 < len(all_test) < 140


def test_a_missing_file_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 1, and the reason."""
    missing = str(tmp_path / "missing.parquet")
    assert 1 == main([missing, "--train", missing, "--test", missing])
    assert 1 == len(capsys.readouterr().err.splitlines())
