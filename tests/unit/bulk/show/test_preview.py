"""Previews: the text's column is found where only one can be it, and rows are estimated."""

import gzip
import json
import random
import string
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from bulk.errors import UsageError
from bulk.files.rows import AllColumns
from bulk.show.preview import choose_text, sample
from tests.support.tables import only, write_json_lines, write_parquet
from training.reading import DataError


def choose(*paths: Path, named: str | None = None) -> str:
    """Return the text's column of some files."""
    return choose_text([only(path) for path in paths], named, ["label", "score"])


@pytest.mark.parametrize(
    ("content", "column"),
    [
        ("id,text,note\n1,good,a b\n", "text"),
        ("id,body,stars\n1,a good film,5\n2,bad,1\n", "body"),
        ("name,review\nAnn,I liked it\nBob,\n", "review"),
    ],
)
def test_the_only_column_that_can_be_the_text_is_chosen(tmp_path: Path, content: str, column: str) -> None:
    """One that is called text, or one of several words."""
    (tmp_path / "t.csv").write_text(content)
    assert column == choose(tmp_path / "t.csv")


def test_columns_are_chosen_in_every_format(tmp_path: Path) -> None:
    """Numbers and lists are no texts."""
    table = write_parquet(tmp_path / "t.parquet", {"id": [1, 2], "body": ["a b", None], "tags": [["x y"], []]})
    assert "body" == choose(table)
    assert "body" == choose(write_json_lines(tmp_path / "t.jsonl", [{"id": 1}, {"body": "a b"}]))
    (tmp_path / "t.txt").write_text("a\n")
    assert "text" == choose(tmp_path / "t.txt")


@pytest.mark.parametrize(
    ("content", "named", "message"),
    [
        ("a,b\nx y,z w\n", None, r"2 columns of texts; choose one with --text COLUMN. .* 'a' \(such as 'x y'\); 'b'"),
        ("a,b\n1,2\n", None, "no column of texts; choose one with --text"),
        ("a,b\n1,2\n", "c", "has no column 'c'. Its columns: 'a'"),
        ("text,label\nx,1\n", None, "has 'label' already, which scoring adds"),
    ],
)
def test_where_it_is_not_clear_the_columns_are_listed(
    tmp_path: Path, content: str, named: str | None, message: str
) -> None:
    """With an example of each."""
    (tmp_path / "t.csv").write_text(content)
    with pytest.raises(UsageError, match=message):
        choose(tmp_path / "t.csv", named=named)


def test_a_column_that_python_cannot_hold_is_no_text(tmp_path: Path) -> None:
    """A time beyond the year 9999 does not keep the text beside it from being found."""
    table = {"body": ["a b", "c d"], "when": pa.array([2**60, 0], pa.timestamp("ms"))}
    parquet.write_table(pa.table(table), tmp_path / "a.parquet")
    assert "body" == choose(tmp_path / "a.parquet")


def test_a_malformed_first_file_does_not_decide(tmp_path: Path) -> None:
    """The next one is looked at; the first is refused later, with its reason."""
    (tmp_path / "a.csv").write_bytes(b"\xff")
    (tmp_path / "b.csv").write_text("body\na b\n")
    assert "body" == choose(tmp_path / "a.csv", tmp_path / "b.csv")
    with pytest.raises(DataError, match="UTF-8"):
        choose(tmp_path / "a.csv")


@pytest.mark.parametrize("compressed", [False, True])
def test_rows_of_text_files_are_estimated_from_the_first(tmp_path: Path, compressed: bool) -> None:
    """Within a third, which is enough for a bar and a price."""
    chance = random.Random(1)  # noqa: S311 - made-up texts, no secret
    texts = [" ".join(chance.choices(string.ascii_lowercase, k=chance.randint(3, 20))) for _ in range(20_000)]
    content = "".join(json.dumps({"text": text}) + "\n" for text in texts).encode()
    path = tmp_path / ("t.jsonl.gz" if compressed else "t.jsonl")
    path.write_bytes(gzip.compress(content) if compressed else content)
    found = sample([only(path)], AllColumns("text"), 1000)
    assert texts[:1000] == found.texts
    assert pytest.approx(20_000, rel=1 / 3) == path.stat().st_size / found.bytes_per_row


def test_a_sample_has_rows_of_several_files(tmp_path: Path) -> None:
    """An equal share of each."""
    files = [only(write_parquet(tmp_path / f"{n}.parquet", {"text": [f"{n}"] * 5})) for n in range(3)]
    assert ["0", "0", "1", "1", "2", "2"] == sample(files, AllColumns("text"), 6).texts
