"""Targets: several labels of a row, the value of a row, and pairs of texts, as files have them."""

import json
from pathlib import Path
from typing import Any

import pytest

from training.reading import Columns, DataError, FileSource, match_many, parse_file, read_values
from training.reading.targets import describe_many, describe_values

NAMES = ("toxic", "insult", "threat")
MANY = Columns(many=True, indicators=NAMES, may_lack_label=True)


def read_many(path: Path, content: str) -> list[tuple[int, ...]]:
    """Write a file and return the labels of its rows as indices."""
    path.write_text(content)
    return match_many(FileSource(path, MANY).read(), NAMES)


@pytest.mark.parametrize(
    "labels",
    [
        ["toxic|threat", "insult", ""],
        ["toxic; threat", "insult", " "],
        ["Threat,toxic", "Insult", ""],
        ["0|2", "1", ""],
        ["['toxic', 'threat']", "['insult']", "[]"],
    ],
)
def test_a_text_names_one_label_or_several(tmp_path: Path, labels: list[str]) -> None:
    """With a bar, a semicolon or a comma, as indices, or as a list that was written as text; none is none."""
    rows = [json.dumps({"text": "a", "label": label}) for label in labels]
    assert [(0, 2), (1,), ()] == read_many(tmp_path / "rows.jsonl", "\n".join(rows))


def test_a_list_of_labels_is_read(tmp_path: Path) -> None:
    """Of names or indices, in any order; an empty list is a row without a label."""
    rows: list[Any] = [["threat", "toxic"], [1], []]
    content = "\n".join(json.dumps({"text": "a", "label": label}) for label in rows)
    assert [(0, 2), (1,), ()] == read_many(tmp_path / "rows.jsonl", content)


def test_a_label_may_hold_a_separator(tmp_path: Path) -> None:
    """A text that is a name is not split."""
    (tmp_path / "rows.jsonl").write_text(json.dumps({"text": "a", "label": "news, sports"}))
    table = FileSource(tmp_path / "rows.jsonl", MANY).read()
    assert [(1,)] == match_many(table, ("news", "news, sports"))


def test_a_column_for_each_label_is_read(tmp_path: Path) -> None:
    """0 and 1 in columns that are named like the labels, in any order, beside others."""
    content = "id,text,insult,threat,toxic\n7,a,0,1,1\n8,b,1,0,0\n9,c,0.0,0,False\n"
    assert [(0, 2), (1,), ()] == read_many(tmp_path / "rows.csv", content)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("text,label\na,rude\n", "line 2, column 'label': the label 'rude' is not one of toxic, insult, threat"),
        (
            "text,label\na,\"['toxic', None]\"\n",
            r"line 2, column 'label': the label \"\['toxic', None\]\" is not one of",
        ),
        (f"text,label\na,{'[' * 5000}\n", r"line 2, column 'label': the label '\[\["),
        ("text,toxic,insult,threat\na,1,0,2\n", "line 2, column 'threat': the value is '2' \\(str\\), not 0 or 1"),
    ],
)
def test_what_is_no_label_is_named(tmp_path: Path, content: str, words: str) -> None:
    """The message has the line, the column and the value."""
    with pytest.raises(DataError, match=words):
        read_many(tmp_path / "rows.csv", content)


def test_rows_without_labels_have_none(tmp_path: Path) -> None:
    """A file of texts alone is no file of rows without any label."""
    (tmp_path / "rows.csv").write_text("text\na\n")
    assert [None] == [row.labels for row in FileSource(tmp_path / "rows.csv", MANY).read().rows]


def test_values_are_numbers(tmp_path: Path) -> None:
    """Of text or of numbers; anything else is an error with its line."""
    (tmp_path / "rows.jsonl").write_text('{"text": "a", "label": 3}\n{"text": "b", "label": "-2.5"}')
    table = parse_file(str(tmp_path / "rows.jsonl")).read()
    assert [3.0, -2.5] == read_values(table)
    assert f"values of {tmp_path}/rows.jsonl: 2 rows from -2.5 to 3" == describe_values(table, [3.0, -2.5])
    (tmp_path / "rows.jsonl").write_text(f'{{"text": "a", "label": 1{"0" * 400}}}')
    with pytest.raises(DataError, match=r"line 1, column 'label': 1000.* is not a number"):
        read_values(parse_file(str(tmp_path / "rows.jsonl")).read())
    (tmp_path / "rows.csv").write_text("text,label\na,1\nb,good\n")
    with pytest.raises(DataError, match="line 3, column 'label': 'good' is not a number"):
        read_values(parse_file(str(tmp_path / "rows.csv")).read())


def test_the_rows_of_each_label_are_told(tmp_path: Path) -> None:
    """Also how many have none."""
    (tmp_path / "a.csv").write_text("text,label\na,toxic|threat\nb,toxic\nc,\n")
    table = FileSource(tmp_path / "a.csv", MANY).read()
    described = describe_many(table, NAMES, match_many(table, NAMES))
    assert f"labels of {tmp_path}/a.csv: toxic: 2 rows; threat: 1 rows; no label: 1 rows" == described


def test_pairs_have_a_second_text(tmp_path: Path) -> None:
    """It is named like the first one, and checked like it."""
    (tmp_path / "rows.csv").write_text("premise,hypothesis,label\na,b,x\nc,d,y\n")
    specification = f"{tmp_path}/rows.csv,text=premise,text_pair=hypothesis"
    assert [("a", "b"), ("c", "d")] == [(row.text, row.text_pair) for row in parse_file(specification).read().rows]
    (tmp_path / "rows.csv").write_text("premise,hypothesis,label\na, ,x\n")
    with pytest.raises(DataError, match="line 2, column 'hypothesis': the text is empty"):
        parse_file(specification).read()
    (tmp_path / "rows.txt").write_text("a\n")
    with pytest.raises(DataError, match="plain text, which has no column 'text_pair'"):
        FileSource(tmp_path / "rows.txt", Columns(label=None, text_pair="text_pair")).read()
