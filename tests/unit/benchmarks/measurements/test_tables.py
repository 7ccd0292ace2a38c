"""The columns of every measurement, on the published figures."""

import json
from typing import Any

import pytest

pytest.importorskip("matplotlib")
pytest.importorskip("psutil")

from benchmarks.measurements import baselines, container, loops
from benchmarks.promises import finding
from benchmarks.promises.finding import Finding
from benchmarks.report.publish import PUBLISHED
from benchmarks.report.section import ReportColumns, ReportTable

pytestmark = pytest.mark.development


@pytest.mark.parametrize(
    ("report", "section", "columns"),
    [
        ("baselines", "baselines", baselines._COLUMNS),
        ("container", "container", container._COLUMNS),
        ("bench", "closed_loops", loops._CLOSED),
        ("bench", "open_loops", loops._OPEN),
    ],
)
def test_columns_render_the_published_figures_as_published(
    report: str, section: str, columns: ReportColumns[Any]
) -> None:
    """Reports of two revisions can be compared cell by cell."""
    published = json.loads((PUBLISHED / f"{report}.json").read_text())["sections"][section]
    table = ReportTable.of(columns, published["figures"])
    assert published["table"] == {"columns": table.columns, "rows": table.rows}


def test_findings_render_the_published_ratios_as_published() -> None:
    """They are the columns of all promises."""
    published = json.loads((PUBLISHED / "bench.json").read_text())["sections"]["ratios"]
    findings = [Finding(**{key: value for key, value in row.items() if key != "holds"}) for row in published["figures"]]
    section = finding.summarize("ratios", published["title"], findings)
    assert published["table"] == {"columns": section.table.columns, "rows": section.table.rows}
    assert published["figures"] == section.figures
    assert published["notes"] == section.notes
