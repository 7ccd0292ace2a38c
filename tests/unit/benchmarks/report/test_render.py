"""A report is written for people, for programs and as pictures."""

import json
import time
from pathlib import Path

import pytest

pytest.importorskip("matplotlib")
pytest.importorskip("rich")

from benchmarks.processes.process import Placement
from benchmarks.report import machine
from benchmarks.report.render import markdown, write
from benchmarks.report.section import Section, Table
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
    assert {"cpu", "flags", "cores", "server_cores", "quota_vcpus", "cgroup"} <= document["machine"].keys()
    assert "tiny" == document["artifact"]["name"]
    assert document["sections"]["closed_loops"]["figures"] == SECTION.figures


@pytest.mark.parametrize(
    ("files", "vcpus"),
    [
        ({"cpu.max": "50000 100000"}, 0.5),
        ({"cpu.max": "max 100000"}, None),
        ({"cpu/cpu.cfs_quota_us": "25000", "cpu/cpu.cfs_period_us": "100000"}, 0.25),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, None),
        ({}, None),
    ],
)
def test_a_quota_stands_in_the_first_lines(tmp_path: Path, files: dict[str, str], vcpus: float | None) -> None:
    """Two cores with half a CPU second a second are no two cores."""
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text + "\n")
    assert machine.quota_vcpus(tmp_path) == vcpus
    context = machine.describe(TINY, Placement((0,), (1,)))
    context["machine"]["quota_vcpus"] = vcpus
    words = f"A QUOTA OF {vcpus:g} CPUs" if vcpus else "no CPU quota"
    assert words in markdown({**context, "sections": {}})


def test_what_others_took_of_the_machine_is_told() -> None:
    """Of 20 CPU seconds that there were, 12 were busy and 9 of these our own."""
    before, after = machine.CpuSeconds(100.0, 50.0, 1.0), machine.CpuSeconds(120.0, 62.0, 10.0)
    assert pytest.approx(0.15) == after.others_share(before)
    context = machine.describe(TINY, Placement((0,), (1,)))
    assert "meanwhile" not in markdown({**context, "sections": {}})
    machine.conclude(context)
    context["machine"]["others_share"] = round(context["machine"]["others_share"], 2)
    assert f"others took {context['machine']['others_share']:.0%} of it meanwhile" in markdown(
        {**context, "sections": {}}
    )


def test_cpu_seconds_of_this_machine_are_counted() -> None:
    """What this process takes is its own, and busy."""
    before = machine.CpuSeconds.now()
    until = time.process_time() + 0.1
    while time.process_time() < until:
        pass
    after = machine.CpuSeconds.now()
    assert after.own - before.own > 0.05
    assert 0.0 <= after.others_share(before) <= 1.0


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
