"""Batches hold texts of similar length, in an order that the seed decides."""

import pytest

torch = pytest.importorskip("torch")

from training.learning.tokens import BucketSampler, PaddedBatch  # noqa: E402 - behind the check for torch

pytestmark = pytest.mark.development


def test_padding_is_masked() -> None:
    """Rows are padded to the longest, and the mask marks the padding."""
    batch = PaddedBatch(9)([{"input_ids": [1, 2, 3], "labels": 0}, {"input_ids": [4], "labels": 1}])
    assert [[1, 2, 3], [4, 9, 9]] == batch["input_ids"].tolist()
    assert [[1, 1, 1], [1, 0, 0]] == batch["attention_mask"].tolist()
    assert [0, 1] == batch["labels"].tolist()
    assert {tensor.dtype for tensor in batch.values()} == {torch.int64}


def test_every_row_is_seen_once_per_epoch() -> None:
    """An epoch is a permutation of the rows, for any batch size."""
    sampler = BucketSampler(list(range(1, 104)), batch_texts=8, seed=1)
    assert sorted(sampler) == list(range(103))
    assert 103 == len(sampler)


def test_batches_are_of_equal_length_but_not_in_waves() -> None:
    """The lengths in a batch are similar; batches are in random order."""
    lengths = [index % 100 for index in range(1000)]
    order = list(BucketSampler(lengths, batch_texts=10, seed=1))
    batches = [[lengths[index] for index in order[start : start + 10]] for start in range(0, 1000, 10)]
    assert max(max(batch) - min(batch) for batch in batches) < 10
    means = [sum(batch) for batch in batches]
    assert means not in (sorted(means), sorted(means, reverse=True))


def test_order_follows_seed_and_epoch() -> None:
    """The same seed and epoch give the same order; another epoch gives another order."""
    lengths = [index % 7 for index in range(50)]
    first, second = BucketSampler(lengths, 4, seed=1), BucketSampler(lengths, 4, seed=1)
    assert list(first) == list(second)
    second.set_epoch(1)
    assert list(first) != list(second)
    first.set_epoch(1)
    assert list(first) == list(second)
