"""Texts are the project's own, the same for the same seed, and as long as the real ones."""

import statistics
from pathlib import Path

import pytest

from benchmarks.load.corpus import CorpusError, compose, mix, read_corpus


@pytest.mark.parametrize("name", ["sentences", "reviews"])
def test_a_seed_always_gives_the_same_distinct_texts(name: str) -> None:
    """A load can be repeated text by text; another seed gives another one."""
    corpus = compose(name, 50, seed=1)
    assert compose(name, 50, seed=1) == corpus
    assert compose(name, 50, seed=2) != corpus
    assert 50 == len(set(corpus.texts))


# Words per text: SST-2 development sentences 19.5, of which 17 at the time of writing in tokens of BERT's
# vocabulary come to the 22 that the sentences here aim at; IMDB training reviews 237.
@pytest.mark.parametrize(("name", "low", "high"), [("sentences", 14, 20), ("reviews", 215, 265)])
def test_lengths_are_those_of_the_real_texts(name: str, low: float, high: float) -> None:
    """Time depends on length, so the mean length decides what a figure is worth."""
    assert low < statistics.fmean(len(text.split()) for text in compose(name, 600).texts) < high


def test_no_slot_is_left_open() -> None:
    """Every fragment is filled to the last word."""
    texts = compose("sentences", 300).texts + compose("reviews", 60).texts
    assert not [text for text in texts if "{" in text or "}" in text or "  " in text]


def test_a_mix_holds_nine_sentences_to_one_review() -> None:
    """Both kinds keep their texts; only the order is drawn."""
    sentences, reviews = compose("sentences", 100), compose("reviews", 20)
    mixed = mix(sentences, reviews, 50, seed=3)
    assert 5 == sum(text in reviews.texts for text in mixed.texts)
    assert 45 == sum(text in sentences.texts for text in mixed.texts)


def test_a_corpus_begins_anew_after_its_last_text() -> None:
    """Any number of texts can be taken from anywhere."""
    corpus = compose("sentences", 3)
    assert corpus.take(3, start=2) == [corpus.texts[2], corpus.texts[0], corpus.texts[1]]


def test_a_file_holds_a_text_per_line(tmp_path: Path) -> None:
    """Empty lines and repeated texts are left out."""
    path = tmp_path / "mine.txt"
    path.write_text("one\n\ntwo\none\n")
    assert ("one", "two") == read_corpus(path).texts
    assert "mine" == read_corpus(path).name


def test_json_lines_hold_a_text_field(tmp_path: Path) -> None:
    """Other fields do not matter."""
    path = tmp_path / "mine.jsonl"
    path.write_text('{"text": "one", "label": 1}\n{"text": "two"}\n')
    assert ("one", "two") == read_corpus(path).texts


@pytest.mark.parametrize(("name", "content"), [("empty.txt", "\n"), ("bad.jsonl", '{"words": 1}'), ("none.txt", None)])
def test_a_file_without_texts_is_refused(tmp_path: Path, name: str, content: str | None) -> None:
    """The message names the file."""
    path = tmp_path / name
    if content is not None:
        path.write_text(content)
    with pytest.raises(CorpusError, match=name):
        read_corpus(path)


def test_an_unknown_corpus_is_refused() -> None:
    """The message says which ones there are."""
    with pytest.raises(CorpusError, match="sentences, reviews"):
        compose("tweets", 1)
