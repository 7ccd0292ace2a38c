"""A report is JSON, Markdown and pictures."""

import json
from pathlib import Path

import pytest

pytest.importorskip("matplotlib")
pytest.importorskip("rich")

from benchmarks.processes.placement import Placement
from benchmarks.report import machine
from benchmarks.report.render import markdown, write
from benchmarks.report.section import ReportColumns, ReportTable, Section
from tests.support.tiny import TINY

pytestmark = pytest.mark.development

SECTION = Section(
    "closed_loops",
    "Closed loop",
    [{"shape": "sentences", "callers": callers, "texts_per_s": 100.0 * callers} for callers in (1, 4)],
    ReportTable(["callers", "texts/s"], [["1", "100.0"], ["4", "400.0"]]),
    ["a note"],
)


def test_a_report_names_the_source_of_its_figures(tmp_path: Path) -> None:
    """Machine, CPU flags, quota, versions, artifact and command are in the JSON."""
    context = machine.describe(TINY, Placement((0,), (1,)))
    document = write("bench", context, [SECTION], tmp_path)
    assert json.loads((tmp_path / "bench.json").read_text()) == document
    assert {"measured_at", "command", "source_commit", "machine", "versions", "artifact"} <= document.keys()
    assert {"cpu", "flags", "cores", "server_cores", "quota_vcpus"} <= document["machine"].keys()
    assert "tiny" == document["artifact"]["name"]
    assert SECTION.figures == document["sections"]["closed_loops"]["figures"]


def test_a_measurement_of_many_models_has_no_artifact() -> None:
    """Nor cores of a load; its first lines name the machine alone."""
    text = markdown({**machine.describe(), "sections": {}})
    assert "Artifact" not in text
    assert "server on core" not in text
    assert "- Machine: " in text


@pytest.mark.parametrize(("vcpus", "words"), [(0.5, "A QUOTA OF 0.5 CPUs"), (None, "no CPU quota")])
def test_a_quota_is_named_in_the_first_lines(vcpus: float | None, words: str) -> None:
    """Two cores with half a CPU second per second are not two cores."""
    context = machine.describe(TINY, Placement((0,), (1,)))
    context["machine"]["quota_vcpus"] = vcpus
    assert words in markdown({**context, "sections": {}})


def test_the_load_of_other_processes_is_named_in_the_first_lines() -> None:
    """A report of a run that has not ended has no such figure."""
    context = machine.describe(TINY, Placement((0,), (1,)))
    assert "meanwhile" not in markdown({**context, "sections": {}})
    machine.conclude(context)
    share = context["machine"]["others_share"]
    assert f"others took {share:.0%} of it meanwhile" in markdown({**context, "sections": {}})


def test_a_note_about_the_machine_is_named_in_the_first_lines() -> None:
    """Flags of a processor do not say that a part of it was switched off."""
    context = machine.describe(TINY, Placement((0,), (1,)), "AVX-512 is hidden from the runtime")
    assert "; AVX-512 is hidden from the runtime\n" in markdown({**context, "sections": {}})


def test_a_table_renders_its_columns_for_every_row() -> None:
    """A column is a name and the function of its cell."""
    columns: ReportColumns[int] = (("n", str), ("square", lambda number: str(number**2)))
    assert ReportTable(["n", "square"], [["2", "4"], ["3", "9"]]) == ReportTable.of(columns, [2, 3])


def test_markdown_holds_tables_notes_and_pictures(tmp_path: Path) -> None:
    """The Markdown can be read in the repository."""
    write("bench", machine.describe(TINY, Placement((0,), (1,))), [SECTION], tmp_path)
    text = (tmp_path / "bench.md").read_text()
    assert "| callers | texts/s |\n|---|---:|\n| 1 | 100.0 |\n| 4 | 400.0 |\n\n- a note\n" in text
    assert "![Closed loop](closed_loops.png)" in text


def test_a_picture_is_drawn_for_a_section_that_has_one(tmp_path: Path) -> None:
    """The picture is a PNG beside the report."""
    write("bench", machine.describe(TINY, Placement((0,), (1,))), [SECTION], tmp_path)
    assert (tmp_path / "closed_loops.png").read_bytes().startswith(b"\x89PNG")
