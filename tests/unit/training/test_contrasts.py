"""Contrast sentences have both labels of every kind, and share no passage with a test set."""

import csv
import itertools
import re
from collections import defaultdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.contrasts import main, sentences

pytestmark = pytest.mark.development

CHALLENGE = Path(__file__).parents[2] / "data" / "challenge.tsv"


def words(text: str) -> list[str]:
    """Return its words in lower case."""
    return re.findall(r"[a-z']+", text.lower())


def passages(text: str) -> set[tuple[str, ...]]:
    """Return all runs of five words, or a shorter text as a whole."""
    found = words(text)
    return {tuple(found[start : start + 5]) for start in range(max(len(found) - 4, 1))}


def test_every_kind_has_both_labels_about_equally_often() -> None:
    """Every kind has both labels, so the kind does not reveal the label."""
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for _, label, kind in itertools.islice(sentences(seed=1), 6000):
        counts[kind][label == "positive"] += 1
    assert 10 == len(counts)
    assert all(min(count) / sum(count) > 0.35 for count in counts.values()), counts


@given(st.integers(0, 2**32))
def test_sentences_are_whole_unique_and_the_same_for_a_seed(seed: int) -> None:
    """No slot stays open, no sentence occurs twice, and each begins and ends with a letter or a mark."""
    drawn = list(itertools.islice(sentences(seed), 50))
    texts = [text for text, _, _ in drawn]
    assert 50 == len(set(texts))
    assert not any(set("{}") & set(text) for text in texts)
    assert all(text[0].isupper() and text == text.strip() for text in texts)
    assert drawn == list(itertools.islice(sentences(seed), 50))


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("was not great at all", None),
        ("no denying that the film is great", "positive"),
        ("I wish I had never", "negative"),
    ],
)
def test_words_of_the_frame_decide(text: str, label: str | None) -> None:
    """The expected sentences are among those drawn."""
    found = {kind: label for drawn, label, kind in itertools.islice(sentences(seed=3), 20000) if text in drawn}
    assert set(found.values()) <= ({label} if label else {"negative"})


def test_nothing_is_learnt_of_the_challenge_set(tmp_path: Path) -> None:
    """With --unlike, no five consecutive words of the challenge set occur."""
    output = tmp_path / "contrasts.tsv"
    assert 0 == main(["--sentences", "3000", "--unlike", str(CHALLENGE), "--output", str(output)])
    with CHALLENGE.open(encoding="utf-8", newline="") as stream:
        kept = {shared for row in csv.DictReader(stream, delimiter="\t") for shared in passages(row["text"])}
    with output.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t"))
    assert 3000 == len(rows)
    assert not [row["text"] for row in rows if passages(row["text"]) & kept]


def test_a_missing_file_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that cannot be read gives exit code 1 and its path."""
    code = main(["--unlike", str(tmp_path / "none.tsv"), "--output", str(tmp_path / "out.tsv")])
    assert 1 == code
    assert "none.tsv" in capsys.readouterr().err
