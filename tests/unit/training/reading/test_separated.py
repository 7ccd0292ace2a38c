"""CSV and TSV come back field by field, or are refused."""

import csv
from pathlib import Path

import pytest

from training.reading import Columns, DataError, read


def _rows(path: Path, content: str) -> list[tuple[int, str, object]]:
    path.write_text(content, encoding="utf-8", newline="")
    return [(row.number, row.text, row.label) for row in read(path).rows]


def test_quoted_line_breaks_stay(tmp_path: Path) -> None:
    """A field may hold line breaks of any kind; a row's number is the line on which it begins."""
    content = 'label,text\r\n1,"a\r\nb\nc\rd"\r\n0,e\u2028f\x85g\x0bh\x1ci\r\n'
    assert [(2, "a\r\nb\nc\rd", "1"), (5, "e\u2028f\x85g\x0bh\x1ci", "0")] == _rows(tmp_path / "a.csv", content)


def test_long_fields_are_read(tmp_path: Path) -> None:
    """The standard library's limit of 131,072 characters does not apply, and holds again afterwards."""
    earlier = csv.field_size_limit(131_072)
    assert [(2, "x" * 200_000, "1")] == _rows(tmp_path / "a.tsv", f"text\tlabel\n{'x' * 200_000}\t1\n")
    assert 131_072 == csv.field_size_limit(earlier)


def test_quotes_inside_a_field_are_characters(tmp_path: Path) -> None:
    """A quote that does not begin a field needs no quoting."""
    assert [(2, 'the "best" one', "1")] == _rows(tmp_path / "a.tsv", 'text\tlabel\nthe "best" one\t1\n')


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "body,label\nx,1\n", "a.csv has no column 'text', only 'body', 'label'; rename"),
        ("a.csv", "text,text,label\nx,y,1\n", "a.csv has two columns 'text'"),
        ("a.csv", "text,label\nx\n", "a.csv line 2 has 1 fields, the header 2: no value for 'label'"),
        ("a.csv", "text,label\nx,1\ny,z,2\n", "a.csv line 3 has 3 fields, the header 2: '2' is too many"),
        ("a.csv", 'text,label\ny,1\n"x,1\nz,1', "a.csv line 3: the quotes or line ends are wrong"),
        ("a.csv", 'text,label\n"x" y,1\n', "a.csv line 2: the quotes or line ends are wrong"),
        ("a.csv", "text,label\nx\ry,1\n", "a.csv line 2: the quotes or line ends are wrong"),
        ("a.tsv", 'text\tlabel\nok\t1\n"so\t1\nwhat"\t0\n', "a.tsv line 3: a quote opens .* 1 lines below"),
        ("a.tsv", 'label\ttext\n1\t"so\n\n0\twhat\n1\tnow"\n', "a.tsv line 2: a quote opens .* 3 lines below"),
    ],
)
def test_unfit_rows_are_named_with_their_line(tmp_path: Path, name: str, content: str, message: str) -> None:
    """Missing and surplus fields and quotes that would join rows are refused; no row is dropped or joined."""
    with pytest.raises(DataError, match=message):
        _rows(tmp_path / name, content)


def test_a_tsv_may_quote_a_line_break(tmp_path: Path) -> None:
    """A quoted break is told from a lone quote by the tabs of its lines."""
    assert [(2, "so\nwhat", "1")] == _rows(tmp_path / "a.tsv", 'text\tlabel\n"so\nwhat"\t1\n')


def test_a_quoted_break_in_the_only_column_of_a_tsv_is_refused(tmp_path: Path) -> None:
    """With one column each line looks like a row, so it cannot be told what the quote means."""
    (tmp_path / "a.tsv").write_text('text\n"so\nwhat"\n')
    with pytest.raises(DataError, match="looks like a row of its own"):
        read(tmp_path / "a.tsv", Columns(label=None))
