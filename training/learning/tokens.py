"""Examples -> batches of token ids of about equal length.

Texts are cut by ``artifact.tokenization``: what a model is trained on is what it will be served. Owns padding and
the order of batches; knows neither files nor the model.
"""

import random
from collections.abc import Iterator, Sequence
from typing import Any, Final

import datasets
import torch
from torch.utils.data import Sampler

from artifact.manifest import Truncation
from artifact.tokenization import Tokenization
from training.data.training_data import Example

_POOL_BATCHES: Final = 50  # wide enough for batches of equal length, narrow enough for them to differ by epoch


def tokenized(examples: Sequence[Example], tokenization: Tokenization, truncation: Truncation) -> datasets.Dataset:
    """Return a data set with columns ``input_ids`` and ``labels``.

    Training reads one row of ids per text, so a text that will be served by windows is cut to its head here.
    """
    texts = [example.text for example in examples]
    cut: Truncation = "head" if truncation == "window" else truncation
    rows = [list(text.windows[0]) for text in tokenization.encode(texts, cut)]
    return datasets.Dataset.from_dict({"input_ids": rows, "labels": [example.label for example in examples]})


class PaddedBatch:
    """Collate rows of ids into one batch, padded to its longest row.

    Args:
        pad_token_id: fills the rows behind their end.
    """

    def __init__(self, pad_token_id: int) -> None:
        self._pad_token_id = pad_token_id

    def __call__(self, rows: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
        """Return ``input_ids`` and ``attention_mask`` (batch, tokens) and ``labels`` (batch), all int64.

        Soft labels stay what they are: (batch, labels) float32.
        """
        longest = max(len(row["input_ids"]) for row in rows)
        ids = torch.full((len(rows), longest), self._pad_token_id)
        mask = torch.zeros((len(rows), longest), dtype=torch.int64)
        for index, row in enumerate(rows):
            length = len(row["input_ids"])
            ids[index, :length] = torch.tensor(row["input_ids"])
            mask[index, :length] = 1
        labels = torch.tensor([row["labels"] for row in rows])
        return {"input_ids": ids, "attention_mask": mask, "labels": labels}


class BucketSampler(Sampler[int]):
    """Yield indices so that consecutive batches hold texts of about equal length, in random order.

    Padding costs a fifth of a run on IMDB. Rows are shuffled, sorted by length within pools of batches, and the
    batches shuffled again: transformers' own length grouping leaves them sorted, so that a run would see long and
    short texts in waves.

    Args:
        lengths: tokens per row.
        batch_texts: rows per batch.
        seed: of the order; every epoch has another.
    """

    def __init__(self, lengths: Sequence[int], batch_texts: int, seed: int) -> None:
        self._lengths = lengths
        self._batch_texts = batch_texts
        self._seed = seed
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the order; the Trainer calls this, on resuming too."""
        self._epoch = epoch

    def __len__(self) -> int:
        """Rows per epoch."""
        return len(self._lengths)

    def __iter__(self) -> Iterator[int]:
        """Yield every index once; the smaller last batch stays last."""
        draw = random.Random(self._seed * 1_000_003 + self._epoch)  # noqa: S311 - shuffling
        order = list(range(len(self._lengths)))
        draw.shuffle(order)
        pool = self._batch_texts * _POOL_BATCHES
        grouped: list[int] = []
        for start in range(0, len(order), pool):
            grouped += sorted(order[start : start + pool], key=self._lengths.__getitem__)
        batches = [grouped[start : start + self._batch_texts] for start in range(0, len(grouped), self._batch_texts)]
        full = [batch for batch in batches if len(batch) == self._batch_texts]
        draw.shuffle(full)
        rest = [batch for batch in batches if len(batch) < self._batch_texts]
        for batch in full + rest:
            yield from batch
