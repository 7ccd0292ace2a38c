"""Breakdown: every text is in exactly one part of each kind, and the parts add up to the whole."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from export.evaluate.breakdown import Breakdown

pytestmark = pytest.mark.development

TEXTS = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(1, 400), st.sampled_from("xyz")), min_size=1
)


@given(TEXTS)
def test_parts_add_up(texts: list[tuple[int, int, int, str]]) -> None:
    """Counts and right answers of the parts are those of the whole."""
    truth, predicted, tokens = (np.array([text[i] for text in texts]) for i in range(3))
    kinds = [text[3] for text in texts]
    found = Breakdown.of(truth, predicted, tokens, kinds, 3)
    right = int((truth == predicted).sum())
    assert np.sum(found.confusion) == len(texts)
    assert np.trace(np.array(found.confusion)) == right
    for parts in (found.by_tokens, found.by_kind):
        if parts:
            assert sum(part.n for part in parts) == len(texts)
            assert pytest.approx(right) == sum(part.n * part.accuracy for part in parts)
    assert bool(found.by_kind) == (len(set(kinds)) > 1)


def test_lengths_belong_to_the_bucket_that_they_end() -> None:
    """16 tokens are up to 16, 17 are not; longer texts than all ends are one subset."""
    tokens = np.array([16, 17, 128, 129, 256])
    found = Breakdown.of(np.zeros(5, int), np.array([0, 1, 0, 0, 1]), tokens, ["a"] * 5, 2)
    assert [
        ("up to 16 tokens", 1, 1.0),
        ("up to 32 tokens", 1, 0.0),
        ("up to 128 tokens", 1, 1.0),
        ("over 128 tokens", 2, 0.5),
    ] == [(part.name, part.n, part.accuracy) for part in found.by_tokens]
