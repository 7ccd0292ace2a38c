"""Text files are decoded strictly, and JSON lines are JSON."""

from pathlib import Path

import pytest

from training.reading import Columns, DataError, read


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"text,label\ngood,1\nna\xefve,1\n", r"a.csv line 3: byte 20 of the file \(0xef\) is not UTF-8; save"),
        (b"\xef\xbb\xbftext,label\nna\xefve,1\n", r"a.csv line 2: byte 16 of the file"),
        (b"t\x00e\x00", "a.csv looks like UTF-16 without a byte-order mark; name it with encoding=utf-16-le"),
        (b"\x00t\x00e", "name it with encoding=utf-16-be"),
        (
            b"\xff\xfe" + "text,label\nna".encode("utf-16-le") + b"\x00",
            r"line 2: byte 28 of the file \(0x00\) is not UTF-16",
        ),
        (b"text,label\n\xff\xfex,1\n", r"a.csv line 2: byte 11 of the file \(0xff\)"),
    ],
)
def test_other_encodings_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    """A file in another encoding is refused with the first wrong byte and the remedy, instead of read wrongly."""
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(DataError, match=message):
        read(tmp_path / "a.csv")


def test_the_first_wrong_byte_is_found_far_into_a_file(tmp_path: Path) -> None:
    """The offset is that in the file, not that in a block of the decoder."""
    (tmp_path / "a.txt").write_bytes(b"x\n" * 100_000 + b"\xe4")
    with pytest.raises(DataError, match="line 100001: byte 200000 of the file"):
        read(tmp_path / "a.txt", Columns(label=None))


def test_plain_text_has_no_labels(tmp_path: Path) -> None:
    """A label asked of plain text is refused with the formats that have columns."""
    (tmp_path / "a.txt").write_text("good\n")
    with pytest.raises(DataError, match=r"a.txt is plain text, which has no column 'label'; use .csv"):
        read(tmp_path / "a.txt")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"text": "x", "label": 1}\n\n{"text": \n', "line 3 is not JSON: Expecting value"),
        ('{"text": "x", "label": 1} {"text": "y", "label": 1}', "line 1 is not JSON: Extra data"),
        ("[1]\n", "line 1 is not a JSON object"),
        ("[" * 100_000, "line 1 is nested too deeply"),
        ('{"text": "x"}\n', "line 1 has no column 'label', only 'text'"),
        ("{}\n", "line 1 has no column 'text', only none"),
        ('{"text": "x", "text": "y", "label": 1}', "line 1 is not JSON: an object has the same key twice"),
        ('{"text": "x", "label": null}', "line 1, column 'label': the label is missing"),
        ('{"text": null, "label": 1}', "line 1, column 'text': the text is null"),
        ('{"text": "x\\ud83d", "label": 1}', r"line 1, column 'text': '\\ud83d' is half of a surrogate pair"),
    ],
)
def test_unfit_json_is_named_with_its_line(tmp_path: Path, content: str, message: str) -> None:
    """What is no JSON object with the columns is refused with its line."""
    (tmp_path / "a.jsonl").write_text(content)
    with pytest.raises(DataError, match=f"a.jsonl {message}"):
        read(tmp_path / "a.jsonl")


def test_a_confidence_beyond_all_floats_is_refused(tmp_path: Path) -> None:
    """JSON has integers that no float can hold; one as a confidence is an error like any other number above 1."""
    (tmp_path / "a.jsonl").write_text(f'{{"text": "x", "label": 1, "p": 1{"0" * 400}}}')
    with pytest.raises(DataError, match="line 1, column 'p': the confidence 1000"):
        read(tmp_path / "a.jsonl", Columns(confidence="p"))
