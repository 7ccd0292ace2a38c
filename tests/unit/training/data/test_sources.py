"""A source is named by a location and options."""

from pathlib import Path

import pytest

from training.data.sources import Source, parse_source, read_source, sha256_of
from training.reading import DataError


def test_location_alone_gets_defaults() -> None:
    """A file is named after its folder and stem; its columns are text and label."""
    assert parse_source("data/imdb/train.parquet") == Source("data/imdb/train.parquet", name="imdb/train")


def test_hub_name_is_kept() -> None:
    """A data set on the hub keeps its name."""
    assert "stanfordnlp/imdb" == parse_source("stanfordnlp/imdb,split=test").name


def test_options_override() -> None:
    """Options follow commas and are converted to the type of their field."""
    source = parse_source("a.csv,name=mine,text=body,label=stars,held_out=0.1,weight=2,min_words=3")
    assert source == Source("a.csv", "mine", text="body", label="stars", min_words=3, held_out=0.1, weight=2)


def test_option_beats_default_of_the_caller() -> None:
    """An option in the specification overrides the caller's default."""
    assert 5 == parse_source("a.csv,held_out=5", held_out=0.0).held_out


@pytest.mark.parametrize(
    ("specification", "message"),
    [
        ("a.csv,colour=red", "unknown data option 'colour=red'"),
        ("a.csv,text", "unknown data option 'text'"),
        ("a.csv,location=b.csv", "unknown data option"),
        ("a.csv,weight=heavy", "weight must be a number, not 'heavy'"),
        ("a.csv,weight=0", "weight above 0"),
        ("a.csv,held_out=-1", "held_out must be at least 0"),
        ("a.csv,style=baroque", "style 'baroque' is unknown"),
    ],
)
def test_wrong_option_is_named(specification: str, message: str) -> None:
    """A wrong option is refused with its name and the valid options."""
    with pytest.raises(DataError, match=message):
        parse_source(specification)


def test_hash_is_of_the_file(tmp_path: Path) -> None:
    """The hash is the sha256 of the file; a data set on the hub has none."""
    path = tmp_path / "a.csv"
    path.write_bytes(b"abc")
    assert "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" == sha256_of(Source(str(path)))
    assert sha256_of(Source("stanfordnlp/imdb")) is None


def test_style_and_least_words_apply(tmp_path: Path) -> None:
    """Treebank text is converted to natural text, and texts with too few words are left out."""
    path = tmp_path / "t.jsonl"
    path.write_text('{"text": "it \'s fine", "label": 1}\n{"text": "ok", "label": 0}')
    table = read_source(parse_source(f"{path},style=treebank,min_words=2"))
    assert ["it's fine"] == [row.text for row in table.rows]


@pytest.mark.parametrize("location", ["./missing.csv", "missing.jsonl"])
def test_a_missing_file_is_not_looked_for_on_the_hub(location: str) -> None:
    """A missing file is an error with its path."""
    with pytest.raises(DataError, match="does not exist"):
        read_source(Source(location))
