"""Composed texts are reproducible by their seed and as long as real ones."""

import statistics
from pathlib import Path

import pytest

from benchmarks import BenchmarkError
from benchmarks.load.corpus import Texts, compose, read_corpus
from training.reading import DataError


@pytest.mark.parametrize("name", ["sentences", "reviews"])
def test_a_seed_always_gives_the_same_distinct_texts(name: str) -> None:
    """A load can be repeated exactly; another seed gives other texts."""
    pool = compose(name, 50, seed=1)
    assert pool == compose(name, 50, seed=1)
    assert pool != compose(name, 50, seed=2)
    assert 50 == len(set(pool.texts))


# Mean words per text: 19.5 in SST-2 development sentences, 237 in IMDB training reviews. The sentences here have the
# 22 tokens of SST-2 with 17 words.
@pytest.mark.parametrize(("name", "low", "high"), [("sentences", 14, 20), ("reviews", 215, 265)])
def test_lengths_are_those_of_the_real_texts(name: str, low: float, high: float) -> None:
    """Computing time depends on length."""
    assert low < statistics.fmean(len(text.split()) for text in compose(name, 600).texts) < high


def test_every_slot_is_filled() -> None:
    """No text contains a brace or a double space."""
    texts = compose("sentences", 300).texts + compose("reviews", 60).texts
    assert not [text for text in texts if "{" in text or "}" in text or "  " in text]


def test_a_mix_holds_nine_sentences_to_one_review() -> None:
    """The order is random, the shares are not."""
    sentences, reviews = compose("sentences", 100), compose("reviews", 20)
    mixed = Texts(sentences, reviews).mixed(50, seed=3)
    assert 5 == sum(text in reviews.texts for text in mixed.texts)
    assert 45 == sum(text in sentences.texts for text in mixed.texts)


def test_texts_start_over_after_the_last_one() -> None:
    """Any number of texts can be taken from any position."""
    pool = compose("sentences", 3)
    assert [pool.texts[2], pool.texts[0], pool.texts[1]] == pool.take(3, start=2)


def test_a_file_holds_a_text_per_line(tmp_path: Path) -> None:
    """Empty lines and duplicates are skipped."""
    path = tmp_path / "mine.txt"
    path.write_text("one\n\ntwo\none\n")
    assert ("one", "two") == read_corpus(str(path)).texts
    assert "mine" == read_corpus(str(path)).name


def test_json_lines_hold_a_text_field(tmp_path: Path) -> None:
    """Other fields are ignored."""
    path = tmp_path / "mine.jsonl"
    path.write_text('{"text": "one", "label": 1}\n{"text": "two"}\n')
    assert ("one", "two") == read_corpus(str(path)).texts


def test_options_of_the_file_are_read(tmp_path: Path) -> None:
    """Encoding and column follow the name, as for every file of data."""
    path = tmp_path / "mine.csv"
    path.write_bytes("body;label\n1 \u20ac;\n".encode("cp1252"))
    assert ("1 \u20ac",) == read_corpus(f"{path},text=body,encoding=windows-1252").texts


@pytest.mark.parametrize(("name", "content"), [("empty.txt", "\n"), ("bad.jsonl", '{"words": 1}'), ("none.txt", None)])
def test_a_file_without_texts_is_refused(tmp_path: Path, name: str, content: str | None) -> None:
    """The message names the file."""
    path = tmp_path / name
    if content is not None:
        path.write_text(content)
    with pytest.raises(DataError, match=name):
        read_corpus(str(path))


def test_an_unknown_corpus_is_refused() -> None:
    """The message lists the known ones."""
    with pytest.raises(BenchmarkError, match="sentences, reviews"):
        compose("tweets", 1)
