"""Texts that are not reviews have a share of people, no test text among them, and are the same for a seed."""

import csv
import itertools
from pathlib import Path

import pytest

from training.any_text import main, texts

pytestmark = pytest.mark.development

ANY_TEXT = Path(__file__).parents[2] / "data" / "any_text.tsv"


def test_every_kind_occurs_and_shares_are_shares() -> None:
    """Each of the ten kinds is drawn; code, numbers, other languages and noise are undecided."""
    made = list(itertools.islice(texts(1), 1500))
    assert 10 == len({text.kind for text in made})
    assert all(0 < text.share < 1 for text in made)
    undecided = {"code", "numbers", "lists", "repeated", "letters", "foreign", "neutral"}
    assert {0.5} == {text.share for text in made if text.kind in undecided}
    assert len(made) == len({text.text for text in made})


def test_no_text_of_the_test_set_is_made(tmp_path: Path) -> None:
    """The test set measures: none of its texts is learnt, and the file has the columns that training reads."""
    output = tmp_path / "any_text.tsv"
    assert 0 == main(["--texts", "2000", "--unlike", str(ANY_TEXT), "--output", str(output)])
    with output.open(encoding="utf-8", newline="") as stream:
        made = list(csv.DictReader(stream, delimiter="\t"))
    with ANY_TEXT.open(encoding="utf-8", newline="") as stream:
        kept_out = {row["text"].lower() for row in csv.DictReader(stream, delimiter="\t")}
    assert 2000 == len(made)
    assert not kept_out & {row["text"].lower() for row in made}
    assert all(0.5 <= float(row["confidence"]) <= 1 for row in made)


def test_a_seed_gives_the_same_texts() -> None:
    """Runs can be repeated."""
    assert list(itertools.islice(texts(5), 50)) == list(itertools.islice(texts(5), 50))
