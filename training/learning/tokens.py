"""Examples -> batches of token ids of similar length.

``artifact.tokenization`` cuts the texts, so the model is trained on the same tokens that it will be served. Owns
padding and the order of batches. Knows neither files nor the model.
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

_POOL_BATCHES: Final = 50  # more: batches of more equal length; fewer: batches differ more between epochs


def tokenized(examples: Sequence[Example], tokenization: Tokenization, truncation: Truncation) -> datasets.Dataset:
    """Return a data set with columns ``input_ids`` and ``labels``.

    Training reads one row of ids per text. Of a text that will be served in windows, that is the head.
    """
    texts = [example.text for example in examples]
    cut: Truncation = "head" if truncation == "window" else truncation
    rows = [list(text.windows[0]) for text in tokenization.encode(texts, cut)]
    return datasets.Dataset.from_dict({"input_ids": rows, "labels": [example.label for example in examples]})


class PaddedBatch:
    """Collates rows of ids into one batch, padded on the right to its longest row.

    Args:
        pad_token_id: id of the padding token.
    """

    def __init__(self, pad_token_id: int) -> None:
        self._pad_token_id = pad_token_id

    def __call__(self, rows: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
        """Return ``input_ids`` and ``attention_mask`` (batch, tokens) and ``labels`` (batch), all int64.

        Soft labels stay (batch, labels) float32.
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
    """Yields indices so that each batch holds texts of similar length, and the batches are in random order.

    In random batches padding takes a fifth of a run on IMDB. Rows are shuffled, sorted by length within pools of
    batches, and the batches are shuffled again. The length grouping of transformers leaves batches sorted within a
    pool, so long and short texts would come in waves.

    Args:
        lengths: tokens per row.
        batch_texts: rows per batch.
        seed: of the order; each epoch has its own order.
    """

    def __init__(self, lengths: Sequence[int], batch_texts: int, seed: int) -> None:
        self._lengths = lengths
        self._batch_texts = batch_texts
        self._seed = seed
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the order of an epoch; the Trainer calls this, also when a run is resumed."""
        self._epoch = epoch

    def __len__(self) -> int:
        """Return the rows per epoch."""
        return len(self._lengths)

    def __iter__(self) -> Iterator[int]:
        """Yield every index once; a smaller batch comes last."""
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
