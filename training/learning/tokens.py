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
from artifact.runtime import Batch
from artifact.tokenization import Tokenization
from training.data.targets import Example

_POOL_BATCHES: Final = 50  # more: batches of more equal length; fewer: batches differ more between epochs


def tokenized(
    examples: Sequence[Example], tokenization: Tokenization, truncation: Truncation, labels: int = 0
) -> datasets.Dataset:
    """Return a data set with columns ``input_ids`` and ``labels``.

    Training reads one row of ids per text. Of a text that will be served in windows, that is the head. ``labels`` are
    indices, values, or for several labels 1.0 and 0.0 of each.

    Args:
        examples: texts or pairs, all of one problem.
        tokenization: of the kind that reads them.
        truncation: how longer texts are read.
        labels: their number.
    """
    texts = [example.content for example in examples]
    cut: Truncation = "head" if truncation == "window" else truncation
    rows = [list(text.windows[0]) for text in tokenization.encode(texts, cut)]
    return datasets.Dataset.from_dict({"input_ids": rows, "labels": [_target(example, labels) for example in examples]})


def _target(example: Example, labels: int) -> int | float | list[float]:
    if isinstance(example.target, tuple):
        return [float(index in example.target) for index in range(labels)]
    return example.label if example.target is None else float(example.target)


class PaddedBatch:
    """Collates rows of ids into one batch, padded on the right to its longest row.

    Args:
        pad_token_id: id of the padding token.
        token_types: whether the model takes the types of the tokens of pairs.
    """

    def __init__(self, pad_token_id: int, *, token_types: bool = False) -> None:
        self._pad_token_id = pad_token_id
        self._token_types = token_types

    def __call__(self, rows: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
        """Return ``input_ids`` and ``attention_mask`` (batch, tokens) and ``labels`` (batch), all int64.

        With token types, ``token_type_ids`` too. Values are (batch,), soft or several labels (batch, labels), float32.
        """
        batch = Batch.of([row["input_ids"] for row in rows], self._pad_token_id)
        names = ("input_ids", "attention_mask", *(("token_type_ids",) if self._token_types else ()))
        tensors = {name: torch.from_numpy(values) for name, values in batch.feeds(names).items()}
        return tensors | {"labels": torch.tensor([row["labels"] for row in rows])}


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
