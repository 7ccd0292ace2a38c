"""The challenge set, ``tests/data/challenge.tsv``: short sentences in minimal pairs, for measuring only.

Written for this project; nothing is ever trained on it or chosen by it, and the sentences of ``training.contrasts``,
which are of the same kinds, share no five words in a row with it.
"""

import csv
from collections import Counter, defaultdict
from pathlib import Path

import pytest

CHALLENGE = Path(__file__).parents[2] / "data" / "challenge.tsv"


@pytest.fixture(scope="module")
def rows() -> list[dict[str, str]]:
    """The sentences with label, kind and pair."""
    with CHALLENGE.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream, delimiter="\t"))


def test_pairs_hold_one_of_each_label(rows: list[dict[str, str]]) -> None:
    """Each pair is one positive and one negative sentence of one kind: a model that guesses gets half."""
    pairs = defaultdict(list)
    for row in rows:
        pairs[row["pair"]].append(row)
    assert {("negative", "positive")} == {tuple(sorted(row["label"] for row in pair)) for pair in pairs.values()}
    assert all(len({row["kind"] for row in pair}) == 1 for pair in pairs.values())


def test_every_kind_is_large_enough(rows: list[dict[str, str]]) -> None:
    """At least 400 sentences, at least 40 of every kind, none twice."""
    assert len(rows) >= 400
    assert min(Counter(row["kind"] for row in rows).values()) >= 40
    assert len({row["text"] for row in rows}) == len(rows)
