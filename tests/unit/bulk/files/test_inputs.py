"""Inputs: what is named becomes files of rows, and each has an output of its own."""

import bz2
import gzip
from pathlib import Path

import pytest

from bulk.errors import UsageError
from bulk.files.inputs import find
from tests.support.tables import only


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder of files of all kinds."""
    for name in (
        "x.csv",
        "y.JSONL.gz",
        "README.md",
        "a/z.parquet",
        "a/x.csv",
        "a/b/q.txt",
        "_old.csv",
        ".hidden/h.csv",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("text\n")
    return tmp_path


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("", ["a/b/q.txt", "a/x.csv", "a/z.parquet", "x.csv", "y.JSONL.gz"]),
        ("*.csv", ["x.csv"]),
        ("**/*.csv", ["a/x.csv", "x.csv"]),
        ("a/?.csv", ["x.csv"]),
        ("[xy].*", ["x.csv", "y.JSONL.gz"]),
        ("[!x].*", ["y.JSONL.gz"]),
        ("a/x.csv", ["x.csv"]),
    ],
)
def test_a_folder_or_pattern_names_its_files_of_rows(folder: Path, pattern: str, names: list[str]) -> None:
    """Hidden files, and those that begin with an underscore as ours do, are not among them."""
    assert names == [file.name for file in find([f"{folder}/{pattern}"]).files]


def test_files_of_other_formats_are_listed(folder: Path) -> None:
    """Nothing is left out in silence."""
    assert ("README.md",) == find([str(folder)]).left_alone


def test_outputs_have_the_names_of_their_inputs(folder: Path) -> None:
    """Folders stay, the format's suffix takes the place of the input's."""
    outputs = find([str(folder)]).outputs("parquet")
    assert "a/x.parquet" == outputs["a/x.csv"]
    assert "y.parquet" == outputs["y.JSONL.gz"]


def test_files_that_would_share_an_output_keep_their_suffixes(tmp_path: Path) -> None:
    """Neither overwrites the other."""
    for name in ("a.csv", "a.jsonl.gz"):
        (tmp_path / name).touch()
    outputs = find([str(tmp_path)]).outputs("csv")
    assert {"a.csv": "a.csv.csv", "a.jsonl.gz": "a.jsonl.gz.csv"} == outputs


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("missing.csv", "does not exist"),
        ("README.md", "is none of .parquet, .csv"),
        ("*.parquet", "names no .parquet, .csv"),
        ("ftp://host/x.csv", "ftp:// is none of s3://"),
    ],
)
def test_what_names_no_rows_is_refused(folder: Path, name: str, message: str) -> None:
    """The message says what would be one."""
    with pytest.raises(UsageError, match=message):
        find([name if "://" in name else f"{folder}/{name}"])


def test_two_files_of_one_name_are_refused(folder: Path) -> None:
    """They would be written to one output."""
    with pytest.raises(UsageError, match=r"are both x\.csv below what you named"):
        find([f"{folder}/x.csv", f"{folder}/a/x.csv"])


def test_an_azure_container_without_an_account_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the variable."""
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT", raising=False)
    with pytest.raises(UsageError, match="set AZURE_STORAGE_ACCOUNT"):
        find(["az://container/x.csv"])


@pytest.mark.parametrize(("suffix", "pack"), [("", bytes), (".gz", gzip.compress), (".bz2", bz2.compress)])
def test_a_compressed_file_opens_as_its_content(tmp_path: Path, suffix: str, pack: type[bytes]) -> None:
    """Its format is what stands before the compression."""
    path = tmp_path / f"t.txt{suffix}"
    path.write_bytes(pack(b"one\ntwo\n"))
    file = only(path)
    with file.open("rb") as stream:
        assert [b"one\n", b"two\n"] == list(stream)
    assert ".txt" == file.suffix
