"""The batch: rows padded to the longest of them."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from artifact.rows import pack
from artifact.runtime import Batch

ROWS = st.lists(st.lists(st.integers(0, 2**24 - 1), min_size=1, max_size=12), min_size=1, max_size=8)


@given(rows=ROWS, pad_token_id=st.integers(0, 9))
def test_rows_are_padded_to_the_longest(rows: list[list[int]], pad_token_id: int) -> None:
    """Each row stands at the start of its line, padding behind it, and the mask tells which is which."""
    batch = Batch.of(rows, pad_token_id)
    longest = max(len(row) for row in rows)
    assert (len(rows), longest) == batch.input_ids.shape == batch.attention_mask.shape
    assert np.int64 == batch.input_ids.dtype == batch.attention_mask.dtype
    for row, ids, mask in zip(rows, batch.input_ids.tolist(), batch.attention_mask.tolist(), strict=True):
        padding = longest - len(row)
        assert row + [pad_token_id] * padding == ids
        assert [1] * len(row) + [0] * padding == mask


@given(rows=ROWS, least_tokens=st.integers(0, 20))
def test_a_batch_can_be_wider_than_its_longest_row(rows: list[list[int]], least_tokens: int) -> None:
    """``least_tokens`` adds padding only: never less than the longest row, and the mask still marks the tokens."""
    batch = Batch.of(rows, 0, least_tokens=least_tokens)
    assert (len(rows), max(least_tokens, *map(len, rows))) == batch.input_ids.shape
    assert [len(row) for row in rows] == batch.attention_mask.sum(axis=1).tolist()


def test_inputs_that_a_batch_does_not_have_are_zeros() -> None:
    """A graph that asks for token types gets zeros of the batch's shape, and nothing that it did not ask for."""
    batch = Batch.of([[5, 6], [7]], 0)
    feeds = batch.feeds(["token_type_ids", "input_ids"])
    assert {"token_type_ids", "input_ids"} == set(feeds)
    assert [[0, 0], [0, 0]] == feeds["token_type_ids"].tolist()
    assert feeds["input_ids"] is batch.input_ids


def test_the_types_of_pairs_are_inputs() -> None:
    """The ids of a pair's tokens are told apart from their types; padding has type 0."""
    batch = Batch.of([(5, pack(6, 1)), (7, 8, pack(9, 2))], 3)
    feeds = batch.feeds(["input_ids", "token_type_ids", "attention_mask"])
    assert [[5, 6, 3], [7, 8, 9]] == feeds["input_ids"].tolist()
    assert [[0, 1, 0], [0, 0, 2]] == feeds["token_type_ids"].tolist()
    assert [[1, 1, 0], [1, 1, 1]] == feeds["attention_mask"].tolist()
