"""Two runs agree if all of their ratios do, within a tolerance."""

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("matplotlib")
pytest.importorskip("psutil")
pytest.importorskip("rich")

from benchmarks import BenchmarkError
from benchmarks.__main__ import main
from benchmarks.report.agreement import compare_runs

pytestmark = pytest.mark.development


def write(path: Path, *, int8: float = 1.3, server: float = 0.98, idle_ms: float = 0.6, rate: float = 400.0) -> Path:
    """Write a run's JSON with one ratio of each kind."""
    engines = [
        {"case": "16 tokens", "engine": "usual int8", "ratio": {"estimate": int8, "low": 1.1, "high": 1.4}},
        {"case": "16 tokens", "engine": "this artifact", "ratio": {"estimate": 1.0, "low": 1.0, "high": 1.0}},
    ]
    ratios = [
        {"what": "16 callers", "value": server, "relative": None},
        {"what": "1 caller", "value": idle_ms, "relative": 1 + idle_ms / 2},
    ]
    closed = [{"shape": "sentences", "callers": 16, "texts_per_s": rate}]
    sections: dict[str, Any] = {"engines": engines, "ratios": ratios, "closed_loops": closed}
    document = {
        "machine": {"cpu": "a", "cores": 2},
        "artifact": {"model_sha256": "0"},
        "sections": {name: {"figures": figures} for name, figures in sections.items()},
    }
    path.write_text(json.dumps(document))
    return path


def test_runs_agree_within_the_tolerance(tmp_path: Path) -> None:
    """An engine over itself is not a ratio, and rates are not judged."""
    first, second = write(tmp_path / "a.json"), write(tmp_path / "b.json", int8=1.42, rate=500.0)
    section, agree = compare_runs(first, second, within=0.1)
    assert agree
    assert "3 of 3 ratios agree within 10%." == section.notes[0]
    assert section.notes[1].startswith("Rates, which are not judged: at worst 25.0%")
    assert ["engines, 16 tokens: over usual int8", "1.300", "1.420", "9.2%"] == section.table.rows[0]


def test_one_ratio_too_far_apart_is_enough(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The exit code is 1, and the last line names the ratio."""
    first, second = write(tmp_path / "a.json"), write(tmp_path / "b.json", server=0.88)
    assert 1 == main(["agreement", str(first), str(second)])
    answer = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (False, "server over bare loop: 16 callers") == (answer["agree"], answer["worst"]["what"])
    assert 0 == main(["agreement", str(first), str(second), "--within", "0.12"])


def test_a_difference_is_compared_as_a_ratio(tmp_path: Path) -> None:
    """0.6 and 0.8 ms above 2 ms are 8 % apart, not a third."""
    _, agree = compare_runs(write(tmp_path / "a.json"), write(tmp_path / "b.json", idle_ms=0.8), within=0.1)
    assert agree


def test_a_note_names_different_machines(tmp_path: Path) -> None:
    """Their ratios may differ."""
    first, second = write(tmp_path / "a.json"), write(tmp_path / "b.json")
    second.write_text(second.read_text().replace('"cpu": "a"', '"cpu": "b"'))
    section, _ = compare_runs(first, second, within=0.1)
    assert "The runs differ in machine cpu: a and b." == section.notes[-1]


def test_files_that_cannot_be_compared_are_refused(tmp_path: Path) -> None:
    """The message names the file, or the figure that only one of them has."""
    first, second = write(tmp_path / "a.json"), write(tmp_path / "b.json")
    second.write_text(second.read_text().replace("16 tokens", "64 tokens"))
    with pytest.raises(BenchmarkError, match=r"only one of them has: engines, 16 tokens: over usual int8"):
        compare_runs(first, second, within=0.1)
    second.write_text("{}")
    with pytest.raises(BenchmarkError, match=r"b\.json is no report"):
        compare_runs(first, second, within=0.1)
    with pytest.raises(BenchmarkError, match=r"missing\.json cannot be read"):
        compare_runs(first, tmp_path / "missing.json", within=0.1)
