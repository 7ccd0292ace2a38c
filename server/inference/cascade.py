"""The cascade: tokenized texts -> their logits, by the first stage where it answers, else by the graph."""

import asyncio
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from artifact.first_stage import FirstStage
from artifact.scores import mean_logits
from artifact.tokenization import TokenizedText
from server.errors import TextFailedError
from server.inference.batching import Batcher
from server.inference.queue import Logits

_AT_ONCE: Final = 64
"""Texts that the first stage looks at before other work of the event loop: about a millisecond."""


@dataclass(frozen=True, slots=True)
class TextLogits:
    """The logits of one request's texts.

    Attributes:
        logits: of each text, in their order; the mean over its windows.
        by_first_stage: indices of the texts that the first stage answered.
        queue_s: seconds in which the others waited.
        inference_s: seconds in which micro-batches with them ran.
    """

    logits: list[Logits]
    by_first_stage: frozenset[int]
    queue_s: float
    inference_s: float


class Cascade:
    """A batcher behind a first stage.

    Args:
        batcher: rows to logits; started and closed by its owner.
        first_stage: None leaves all texts to the batcher.
    """

    def __init__(self, batcher: Batcher, first_stage: FirstStage | None = None) -> None:
        self._batcher = batcher
        self._first_stage = first_stage

    async def submit(self, texts: Sequence[TokenizedText], deadline: float, *, background: bool = False) -> TextLogits:
        """Return the logits of texts that have a token each; arguments as for ``Batcher.submit``.

        Raises:
            TextFailedError: with the index of the text on which the graph fails.
            VerdictError: as ``Batcher.submit``.
        """
        easy = await _answered(self._first_stage, texts) if self._first_stage is not None else {}
        left = [index for index in range(len(texts)) if index not in easy]
        waiting = [texts[index] for index in left]
        if not waiting:
            return TextLogits([easy[index] for index in range(len(texts))], frozenset(easy), 0.0, 0.0)
        try:
            rows = [row for text in waiting for row in text.windows]
            batched = await self._batcher.submit(rows, deadline, background=background)
        except TextFailedError as error:
            raise TextFailedError(left[_text_of(error.index, waiting)]) from None
        logits = _of_texts(waiting, batched.logits)
        if easy:
            found = easy | dict(zip(left, logits, strict=True))
            logits = [found[index] for index in range(len(texts))]
        return TextLogits(logits, frozenset(easy), batched.queue_s, batched.inference_s)


async def _answered(first_stage: FirstStage, texts: Sequence[TokenizedText]) -> dict[int, Logits]:
    """Return the logits of the texts that the first stage answers, by index."""
    easy: dict[int, Logits] = {}
    for index, text in enumerate(texts):
        logits = first_stage.answer(text)
        if logits is not None:
            easy[index] = logits
        if index % _AT_ONCE == _AT_ONCE - 1:
            await asyncio.sleep(0)
    return easy


def _of_texts(texts: Sequence[TokenizedText], logits: list[Logits]) -> list[Logits]:
    """Average each text's windows by their weights: logits of each window -> logits of each text."""
    if len(texts) == len(logits):  # no text has more than one window
        return logits
    of_windows = iter(logits)
    return [mean_logits(list(itertools.islice(of_windows, len(text.windows))), text.weights) for text in texts]


def _text_of(row: int, texts: Sequence[TokenizedText]) -> int:
    """Return the index of the text that has a row."""
    ends = itertools.accumulate(len(text.windows) for text in texts)
    return next(index for index, end in enumerate(ends) if row < end)
