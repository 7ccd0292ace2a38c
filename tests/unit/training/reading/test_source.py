"""A file is named by its path and options, in every command."""

from pathlib import Path

import pytest

from training.reading import Columns, DataError, FileSource, TextFormat, parse_file, parse_texts


@pytest.mark.parametrize(
    ("specification", "source"),
    [
        ("a.csv", FileSource(Path("a.csv"))),
        ("a,b.CSV,text=body", FileSource(Path("a,b.CSV"), Columns("body"))),
        ("d/a.tsv,label=y,quotes=none", FileSource(Path("d/a.tsv"), Columns(label="y"), TextFormat(quotes="none"))),
        ("a.csv,separator=,,text=b", FileSource(Path("a.csv"), Columns("b"), TextFormat(separator=","))),
        ("a.csv,separator=tab", FileSource(Path("a.csv"), Columns(), TextFormat(separator="\t"))),
        ("a.csv,encoding=cp1252", FileSource(Path("a.csv"), Columns(), TextFormat("cp1252"))),
        ("a.xlsx", FileSource(Path("a.xlsx"))),
    ],
)
def test_options_follow_the_path(specification: str, source: FileSource) -> None:
    """Options follow commas; the name of a file may hold commas itself."""
    assert source == parse_file(specification)


def test_texts_need_no_label(tmp_path: Path) -> None:
    """Where texts alone are wanted, a column of labels is not looked at, even if it has gaps."""
    path = tmp_path / "a.csv"
    path.write_text("label,body\n,good\n")
    assert ["good"] == [row.text for row in parse_texts(f"{path},text=body").read().rows]


def test_the_group_may_be_given_by_the_caller() -> None:
    """An option wins over the group that the command asks for."""
    assert "kind" == parse_file("a.csv", group="kind").columns.group
    assert "topic" == parse_file("a.csv,group=topic", group="kind").columns.group


@pytest.mark.parametrize(
    ("specification", "message"),
    [
        ("a.csv,colour=red", "unknown data option 'colour=red'; there are text, label, confidence, group"),
        ("a.csv,text", "unknown data option 'text'"),
        ("a.csv,encoding=klingon", "the encoding 'klingon' is unknown; there are utf-8"),
        ("a.csv,encoding=hex", "the encoding 'hex' is unknown"),
        ("a.csv,encoding=undefined", "the encoding 'undefined' is unknown"),
        ("a.csv,encoding=unicode_escape", "the encoding 'unicode_escape' is unknown"),
        ("a.csv,separator=::", "the separator '::' is not one character"),
        ("a.csv,quotes=single", "quotes are 'double' or 'none', not 'single'"),
    ],
)
def test_wrong_options_are_named(specification: str, message: str) -> None:
    """A wrong option is refused with its name and the valid ones."""
    with pytest.raises(DataError, match=message):
        parse_file(specification)
