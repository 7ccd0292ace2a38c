"""Reports and progress: what a run did, what it costs and how long it still takes."""

import io

from rich.console import Console

from bulk.job import Count, FileRecord
from bulk.show.progress import Pace
from bulk.show.report import Report
from tests.support.tables import make_options

FILES = [
    FileRecord("a.csv", "a.parquet", "1", Count(600, 2, 9000), {"positive": 500, "negative": 98}),
    FileRecord("b.csv", "b.parquet", "1", Count(400, 0, 5000), {"negative": 400}, ("a note",)),
]


def make_report(price: float | None = 0.05) -> Report:
    """Return the report of a run that scored 500 of 1,000 rows in 100 s on 4 vCPUs."""
    return Report(
        make_options(), FILES, {"c.csv": "c.csv line 3 is wrong"}, ["README.md"], Count(500, 1, 7000), 100, 4, price
    )


def test_the_report_adds_up() -> None:
    """Rows, errors and tokens of all files; rate and cost of this run."""
    document = make_report().document()
    expected = {"rows": 1000, "errors": 2, "tokens": 14000, "seconds": 100, "rows_per_second": 5.0, "vcpus": 4}
    assert expected.items() <= document.items()
    assert {"positive": 500, "negative": 498} == document["labels"]
    assert round(0.05 * 4 * 100 / 3600, 6) == document["cost"]
    assert [{"input": "c.csv", "reason": "c.csv line 3 is wrong"}] == document["refused"]


def test_without_a_price_there_is_no_cost() -> None:
    """Nobody reads a 0."""
    assert make_report(None).document()["cost"] is None


def test_the_summary_names_what_was_refused_and_left_alone() -> None:
    """A person sees at once what is missing."""
    written = io.StringIO()
    Console(width=120, file=written).print(make_report().table("out"))
    shown = written.getvalue()
    for part in (
        "2, 1 refused",
        "1,000, 2 with an error",
        "c.csv line 3 is wrong",
        "1 file: a note",
        "README.md",
        "5.0 rows/s",
    ):
        assert part in shown


def test_pace_tells_rows_rate_and_time_left() -> None:
    """Rows of an earlier run do not count for the rate."""
    assert "600 of 1,000 rows, 50 rows/s, 0:00:08 left" == str(Pace(600, 100, 10.0, 1000, exact=True))
    assert "0 of ~1,000 rows" == str(Pace(0, 0, 0.0, 1000, exact=False))
