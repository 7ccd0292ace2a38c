"""The cost of a million texts, on a priced vCPU and by hosted services."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import BenchmarkError
from benchmarks.load.corpus import TextPool, Texts
from benchmarks.report.costs import cost_of_a_million, costs

SHORT, LONG = "x" * 100, "x" * 1300
TEXTS = Texts(TextPool("sentences", (SHORT,)), TextPool("reviews", (LONG, LONG[:1000])))


def write(directory: Path, name: str, section: str, figures: list[dict[str, Any]]) -> None:
    """Write a report with one section."""
    document = {"machine": {"server_cores": [0, 1]}, "sections": {section: {"figures": figures}}, "artifact": {}}
    (directory / f"{name}.json").write_text(json.dumps(document))


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A run of two cores with 200 sentences and 20 reviews a second at 16 callers."""
    figures = [
        {"shape": shape, "callers": callers, "texts_per_s": rate * callers}
        for shape, rate in (("sentences", 12.5), ("reviews", 1.25))
        for callers in (16, 64)
    ]
    write(tmp_path, "bench", "closed_loops", figures)
    return tmp_path


def test_a_million_texts_cost_the_hours_that_they_take() -> None:
    """At 100 texts per vCPU second they take 10,000 s, which are 2.78 hours."""
    assert pytest.approx(0.1) == cost_of_a_million(100, price_per_hour=0.036)


def test_a_core_is_priced_at_its_share_of_the_rate(directory: Path) -> None:
    """Of 200 sentences a second each of the two cores has 100."""
    _, section = costs(directory, TEXTS, 0.036, "an example")
    ours = section.figures[0]
    assert pytest.approx(0.1) == ours["million_sentences_usd"]
    assert pytest.approx(1.0) == ours["million_reviews_usd"]
    assert ["$0.036 a vCPU-hour", "$0.100", "$1.0"] == list(section.table.rows[0][1:])
    assert section.notes[0].startswith("$0.036 a vCPU-hour is assumed: an example.")


def test_a_container_is_priced_at_its_largest_size(directory: Path) -> None:
    """A row of its own, if the container was measured."""
    sizes = [{"vcpus": vcpus, "sentences_per_s": 80 * vcpus, "reviews_per_s": 10 * vcpus} for vcpus in (0.25, 2)]
    write(directory, "container", "container", sizes)
    _, section = costs(directory, TEXTS, 0.036, "")
    assert "Verdict in a container of 2 vCPU, 4 callers" == section.figures[1]["name"]
    assert pytest.approx(0.125) == section.figures[1]["million_sentences_usd"]


def test_services_charge_by_their_units(directory: Path) -> None:
    """By 100 characters and 300 at least, by started 1,000 characters, and by tokens of prompt, text and answer."""
    _, section = costs(directory, TEXTS, 0.036, "")
    found = {row["name"].partition(",")[0]: row for row in section.figures}
    aws, google, llm = (
        found[name] for name in ("AWS Comprehend", "Google Natural Language", "a small LLM by batch API")
    )
    assert [300.0, 1150.0] == [pytest.approx(aws[f"million_{shape}_usd"]) for shape in ("sentences", "reviews")]
    assert [1000.0, 1500.0] == [pytest.approx(google[f"million_{shape}_usd"]) for shape in ("sentences", "reviews")]
    assert pytest.approx(0.05 * (60 + 25) + 0.25 * 10) == llm["million_sentences_usd"]


def test_every_list_price_has_its_date_and_source(directory: Path) -> None:
    """A price without a date is worth nothing."""
    _, section = costs(directory, TEXTS, 0.036, "")
    assert "looked up on 2026-11-27" in section.notes[1]
    assert all(row["source"] in section.notes[1] for row in section.figures if "source" in row)


def test_a_directory_without_a_bench_is_refused(tmp_path: Path) -> None:
    """The message names the directory and the remedy."""
    with pytest.raises(BenchmarkError, match=r"holds no bench\.json, whose rates are priced; run make bench"):
        costs(tmp_path, TEXTS, 0.036, "")
