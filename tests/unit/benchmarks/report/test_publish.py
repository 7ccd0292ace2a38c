"""Figures that documents quote are those of the committed reference run."""

import itertools
import json
from pathlib import Path

import pytest

pytest.importorskip("matplotlib")
pytest.importorskip("rich")

from benchmarks.processes.process import Placement
from benchmarks.report import machine
from benchmarks.report.publish import README, REFERENCE, PublishError, headlines, publish, quote, split
from benchmarks.report.render import markdown, write
from benchmarks.report.section import Section, Table
from tests.support.tiny import TINY

pytestmark = pytest.mark.development

ROOT = Path(__file__).parents[4]
OTHER_CPUS = [ROOT / "benchmarks" / "results" / name for name in ("with-amx", "without-vnni")]

needs_reference = pytest.mark.skipif(
    not (REFERENCE / "bench.json").exists(), reason="no reference run has been published yet"
)


@needs_reference
def test_the_readme_of_benchmarks_quotes_the_reference() -> None:
    """Its tables are the JSON's, to the last digit."""
    _, quoted, _ = split(README.read_text())
    assert quoted == quote(REFERENCE)


@needs_reference
def test_markdown_and_json_of_published_runs_are_twins() -> None:
    """What people read is what programs read."""
    for path in itertools.chain.from_iterable(directory.glob("*.json") for directory in (REFERENCE, *OTHER_CPUS)):
        assert markdown(json.loads(path.read_text())) == path.with_suffix(".md").read_text()


@needs_reference
def test_the_main_readme_quotes_the_three_figures_that_matter() -> None:
    """Each stands there in the words in which it was measured."""
    readme = (ROOT / "README.md").read_text()
    bench = json.loads((REFERENCE / "bench.json").read_text())
    assert [] == [words for words in headlines(bench) if words not in readme]


@pytest.mark.parametrize("directory", OTHER_CPUS, ids=lambda directory: directory.name)
def test_the_readme_of_benchmarks_quotes_the_runs_on_other_cpus(directory: Path) -> None:
    """Each figure stands there in the words in which it was measured."""
    bench = json.loads((directory / "bench.json").read_text())
    assert [] == [words for words in headlines(bench) if words not in README.read_text()]


def test_publishing_replaces_what_was_quoted_before(tmp_path: Path) -> None:
    """The rest of the README stays as it was."""
    section = Section("ratios", "Ratios", [], Table(["what", "measured"], [["sentences", "1.20"]]))
    write("bench", machine.describe(TINY, Placement((0,), (1,))), [section], tmp_path / "latest")
    readme = tmp_path / "README.md"
    before, _, after = split(README.read_text())
    readme.write_text(f"{before}old figures\n{after}")
    publish(tmp_path / "latest", tmp_path / "reference", readme)
    assert split(readme.read_text()) == (before, quote(tmp_path / "reference"), after)
    assert "### Ratios\n\n| what | measured |\n|---|---:|\n| sentences | 1.20 |" in readme.read_text()


def test_what_measures_next_to_nothing_is_not_published(tmp_path: Path) -> None:
    """A quick run and a directory without a report are refused, and nothing is written."""
    source = tmp_path / "latest"
    source.mkdir()
    with pytest.raises(PublishError, match="latest holds no report; measure one with make bench"):
        publish(source, tmp_path / "reference", README)
    (source / "bench.json").write_text(json.dumps({"command": "python -m benchmarks bench --quick"}))
    with pytest.raises(PublishError, match=r"bench\.json is of a quick run"):
        publish(source, tmp_path / "reference", README)
    assert not (tmp_path / "reference").exists()


def test_headlines_come_from_the_closed_loops() -> None:
    """Throughput of 16 callers, and the latency of one."""
    figures = [
        {"shape": "sentences", "callers": 1, "texts_per_s": 250.0, "p50_s": 0.00394},
        {"shape": "sentences", "callers": 16, "texts_per_s": 300.4, "p50_s": 0.05},
        {"shape": "reviews", "callers": 16, "texts_per_s": 40.6, "p50_s": 0.4},
    ]
    bench = {"sections": {"closed_loops": {"figures": figures}}}
    assert ["300 sentences a second", "41 reviews a second", "3.9 ms"] == headlines(bench)
