"""A report is written for people, for programs and as pictures."""

import json
from pathlib import Path

import pytest

pytest.importorskip("matplotlib")
pytest.importorskip("rich")

from benchmarks import machine
from benchmarks.process import Placement
from benchmarks.report import write
from benchmarks.section import Section, Table
from tests.support.tiny import TINY

pytestmark = pytest.mark.development

SECTION = Section(
    "closed_loops",
    "Closed loop",
    [{"shape": "sentences", "callers": callers, "texts_per_s": 100.0 * callers} for callers in (1, 4)],
    Table(["callers", "texts/s"], [["1", "100.0"], ["4", "400.0"]]),
    ["a note"],
)


def test_a_report_says_where_its_figures_come_from(tmp_path: Path) -> None:
    """Machine, CPU flags, cgroup, versions, artifact and command stand in the JSON."""
    context = machine.describe(TINY, Placement((0,), (1,)))
    document = write("bench", context, [SECTION], tmp_path)
    assert json.loads((tmp_path / "bench.json").read_text()) == document
    assert {"measured_at", "command", "source_commit", "machine", "versions", "artifact"} <= document.keys()
    assert {"cpu", "flags", "cores", "server_cores", "cgroup"} <= document["machine"].keys()
    assert document["artifact"]["name"] == "tiny"
    assert document["sections"]["closed_loops"]["figures"] == SECTION.figures


def test_markdown_holds_tables_notes_and_pictures(tmp_path: Path) -> None:
    """It can be read where the repository is."""
    write("bench", machine.describe(TINY, Placement((0,), (1,))), [SECTION], tmp_path)
    text = (tmp_path / "bench.md").read_text()
    assert "| callers | texts/s |\n|---|---:|\n| 1 | 100.0 |\n| 4 | 400.0 |\n\n- a note\n" in text
    assert "![Closed loop](closed_loops.png)" in text


def test_a_picture_is_drawn_for_a_section_that_has_one(tmp_path: Path) -> None:
    """It is a PNG beside the report."""
    write("bench", machine.describe(TINY, Placement((0,), (1,))), [SECTION], tmp_path)
    assert (tmp_path / "closed_loops.png").read_bytes().startswith(b"\x89PNG")
