"""Documents quote the figures of the published run."""

import itertools
import json
from pathlib import Path

import pytest

pytest.importorskip("matplotlib")
pytest.importorskip("rich")

from benchmarks import BenchmarkError
from benchmarks.processes.placement import Placement
from benchmarks.report import machine
from benchmarks.report.publish import ARCHITECTURES, PUBLISHED, README, Publication, headlines, publish, quote, split
from benchmarks.report.render import markdown, write
from benchmarks.report.section import ReportTable, Section
from tests.support.tiny import TINY

pytestmark = pytest.mark.development

ROOT = Path(__file__).parents[4]
OTHER_CPUS = [ROOT / "benchmarks" / "results" / name for name in ("with-amx", "without-vnni")]
DIRECTORIES = (PUBLISHED, ARCHITECTURES.directory)

needs_results = pytest.mark.skipif(not (PUBLISHED / "bench.json").exists(), reason="no run has been published yet")


@needs_results
def test_the_readme_of_benchmarks_quotes_the_published_run() -> None:
    """Its tables are those of the JSON, to the last digit."""
    _, quoted, _ = split(README.read_text())
    assert quote(PUBLISHED) == quoted


@needs_results
def test_the_document_of_export_quotes_the_published_architectures() -> None:
    """Its tables are those of the JSON, to the last digit."""
    _, quoted, _ = split(ARCHITECTURES.document.read_text())
    assert quote(ARCHITECTURES.directory) == quoted


@needs_results
def test_markdown_and_json_of_published_runs_are_twins() -> None:
    """People and programs read the same figures."""
    for path in itertools.chain.from_iterable(directory.glob("*.json") for directory in (*DIRECTORIES, *OTHER_CPUS)):
        assert path.with_suffix(".md").read_text() == markdown(json.loads(path.read_text()))


@needs_results
def test_the_main_readme_quotes_the_three_headline_figures() -> None:
    """In the words of ``headlines``."""
    readme = (ROOT / "README.md").read_text()
    bench = json.loads((PUBLISHED / "bench.json").read_text())
    assert [] == [words for words in headlines(bench) if words not in readme]


@pytest.mark.parametrize("directory", [PUBLISHED, *OTHER_CPUS], ids=lambda directory: directory.name)
def test_the_readme_of_benchmarks_quotes_the_headline_figures_of_every_run(directory: Path) -> None:
    """In the words of ``headlines``."""
    bench = json.loads((directory / "bench.json").read_text())
    assert [] == [words for words in headlines(bench) if words not in README.read_text()]


def test_publishing_replaces_the_quoted_tables(tmp_path: Path) -> None:
    """The rest of the README stays; publishing the published run again changes nothing."""
    section = Section("ratios", "Ratios", [], ReportTable(["what", "measured"], [["sentences", "1.20"]]))
    write("bench", machine.describe(TINY, Placement((0,), (1,))), [section], tmp_path / "latest")
    readme = tmp_path / "README.md"
    before, _, after = split(README.read_text())
    readme.write_text(f"{before}old figures\n{after}")
    for source in ("latest", "published"):
        publish(tmp_path / source, [Publication(tmp_path / "published", readme)])
        assert (before, quote(tmp_path / "published"), after) == split(readme.read_text())
    assert "### Ratios\n\n| what | measured |\n|---|---:|\n| sentences | 1.20 |" in readme.read_text()


def test_reports_of_other_models_have_a_document_of_their_own(tmp_path: Path) -> None:
    """A run with both kinds is published in two places; one with a single kind leaves the other as it is."""
    section = Section("exports", "Cost", [], ReportTable(["what", "measured"], [["seconds", "1.20"]]))
    documents = {}
    for name in ("reference", "architectures"):
        documents[name] = tmp_path / f"{name}.md"
        documents[name].write_text("".join(split(README.read_text())[::2]))
    ours = Publication(tmp_path / "reference", documents["reference"])
    others = Publication(tmp_path / "architectures", documents["architectures"], of_other_models=True)
    write("exports", machine.describe(), [section], tmp_path / "latest")
    publish(tmp_path / "latest", [ours, others])
    assert not ours.directory.exists()
    write("bench", machine.describe(TINY, Placement((0,), (1,))), [section], tmp_path / "latest")
    publish(tmp_path / "latest", [ours, others])
    assert {"bench.json", "bench.md"} == {path.name for path in ours.directory.iterdir()}
    assert {"exports.json", "exports.md"} == {path.name for path in others.directory.iterdir()}
    assert [1, 1] == [document.read_text().count("### Cost") for document in documents.values()]


def test_a_quick_run_and_an_empty_directory_are_not_published(tmp_path: Path) -> None:
    """Nothing is written."""
    source = tmp_path / "latest"
    source.mkdir()
    with pytest.raises(BenchmarkError, match="latest holds no report; measure one with make bench"):
        publish(source, [Publication(tmp_path / "published", README)])
    (source / "bench.json").write_text(json.dumps({"command": "python -m benchmarks bench --quick"}))
    with pytest.raises(BenchmarkError, match=r"bench\.json is of a quick run"):
        publish(source, [Publication(tmp_path / "published", README)])
    assert not (tmp_path / "published").exists()


def test_headlines_come_from_the_closed_loops() -> None:
    """The throughput of 16 callers, and the latency of one."""
    figures = [
        {"shape": "sentences", "callers": 1, "texts_per_s": 250.0, "p50_s": 0.00394},
        {"shape": "sentences", "callers": 16, "texts_per_s": 300.4, "p50_s": 0.05},
        {"shape": "reviews", "callers": 16, "texts_per_s": 40.6, "p50_s": 0.4},
    ]
    bench = {"sections": {"closed_loops": {"figures": figures}}}
    assert ["300 sentences a second", "41 reviews a second", "3.9 ms"] == headlines(bench)
