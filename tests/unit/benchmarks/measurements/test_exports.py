"""The table and bounds of whole exports."""

from dataclasses import replace

import pytest

pytest.importorskip("matplotlib")
pytest.importorskip("psutil")
pytest.importorskip("rich")

from benchmarks.measurements.exports import ExportFigures, findings, sections

pytestmark = pytest.mark.development

ROW = ExportFigures(
    architecture="distilbert",
    width=768,
    layers=6,
    parameters=66_955_010,
    export_s=365.4,
    export_cpu_s=598.0,
    export_peak_bytes=2_100_000_000,
    steps_s={"build variants": 200.0, "latency, in turns": 80.0},
    chosen="static",
    graph_bytes=68_000_000,
    checkpoint_bytes=268_000_000,
    start_s=1.52,
    server_bytes=210_000_000,
    difference=0.0123,
    decisions=1.0,
    texts_per_s={"sentences": 81.2, "reviews": 9.8},
)


def test_a_row_says_what_a_model_costs() -> None:
    """Times of the export in minutes, sizes in MB; the longest steps stand in a note."""
    section, _ = sections([ROW])
    assert [
        "distilbert, 768 wide, 6 layers", "67", "6:05 min", "9:58 min", "2.1 GB", "static", "68.0", "1.5 s", "210 MB",
        "81.2", "9.8", "0.0123",
    ] == list(section.table.rows[0])  # fmt: skip
    assert "distilbert: build variants 200 s, latency, in turns 80 s; 100% of the labels" in section.notes[-1]


@pytest.mark.parametrize(("changed", "held"), [({}, True), ({"export_s": 601.0}, False), ({"difference": 0.11}, False)])
def test_an_export_of_six_layers_must_take_ten_minutes_at_most(changed: dict[str, float], held: bool) -> None:
    """And the served answers are those of transformers but for int8's error."""
    assert held == all(finding.holds for finding in findings([replace(ROW, **changed)]))


def test_a_deeper_model_may_take_longer() -> None:
    """Only its answers are judged."""
    (finding,) = findings([replace(ROW, architecture="roberta", layers=12, export_s=900.0)])
    assert "roberta, 12 layers: difference from transformers" == finding.what
