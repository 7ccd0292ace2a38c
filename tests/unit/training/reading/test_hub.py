"""Data sets on the hub give rows as files do."""

import pytest

from training.reading import Columns, DataError
from training.reading.hub import read_hub


@pytest.mark.parametrize("name", ["./folder", "/a/b/c", "~/rows", "rows.xlsx/a/b"])
def test_neither_file_nor_hub(name: str) -> None:
    """What is neither a known kind of file nor a hub name is refused without asking a network."""
    with pytest.raises(
        DataError, match=r"neither a .parquet, .csv, .tsv, .jsonl, .ndjson, .json, .txt file nor a name on the hub"
    ):
        read_hub(name, "train", Columns())


@pytest.mark.development
def test_declared_names_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """A data set's own label names come with its rows, and a test split's -1 is no label of theirs."""
    datasets = pytest.importorskip("datasets")
    features = datasets.Features({"body": datasets.Value("string"), "label": datasets.ClassLabel(names=["neg", "pos"])})
    loaded = datasets.Dataset.from_dict({"body": ["good", "x", "bad film"], "label": [1, 0, -1]}, features=features)
    monkeypatch.setattr(datasets, "load_dataset", lambda name, split: loaded)
    table = read_hub("someone/reviews", "test", Columns(text="body"), min_words=1)
    assert ("neg", "pos") == table.label_names
    assert [("good", 1), ("x", 0), ("bad film", -1)] == [(row.text, row.label) for row in table.rows]
    assert [3] == [row.number for row in read_hub("someone/reviews", "test", Columns(text="body"), min_words=2).rows]


@pytest.mark.development
def test_what_the_hub_says_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """A failure to load is one line with the name and the reason."""
    datasets = pytest.importorskip("datasets")

    def fail(name: str, split: str) -> None:
        raise ConnectionError("no network\nlong trace")

    monkeypatch.setattr(datasets, "load_dataset", fail)
    with pytest.raises(DataError, match=r"^someone/reviews cannot be loaded from the hub: no network$"):
        read_hub("someone/reviews", "test", Columns())
