"""Explanations: how a model's answer changes when each part of a text is left out (leave-one-out).

Robnik-Šikonja and Kononenko 2008, "Explaining Classifications for Individual Instances". The text and its variations
run in the background: only while no prediction waits, in micro-batches of their own. So each has the same scores, to
the last bit, as a prediction of the same text.
"""

import asyncio
import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from artifact.blank import is_blank
from artifact.manifest import TextOrPair, Truncation
from server.errors import InvalidRequestError, OverloadedError, TextFailedError, TooLargeError
from server.inference.classifier import Classification, Classifier, Prediction
from server.inference.spans import By, Span, find_spans, leave_out
from server.lifecycle import InFlight
from server.observe.metrics import Metrics

_AT_ONCE: Final = 4
"""More explanations would only wait for each other: all run in what predictions leave idle."""
_INLINE_CHARS: Final = 2000
"""Up to so many characters are cut into parts on the event loop's thread, in about 1 ms."""
_SMOOTHING: Final = 0.3
_ADVICE: Final = {
    "sentence": "explain a shorter text",
    "word": "explain it by sentence, or explain a shorter text",
}


@dataclass(frozen=True, slots=True)
class Part:
    """A sentence or a word of a text, and the prediction for the text without it.

    Attributes:
        part: 0, or 1 in the second text of a pair.
        span: its place there, in code points.
        without: None where nothing is left that the model could read.
    """

    part: int
    span: Span
    without: Prediction | None


@dataclass(frozen=True, slots=True)
class Explanation:
    """The classification of a whole text, and its parts in order."""

    whole: Classification
    parts: list[Part]


class Explainer:
    """Explain texts, a few at a time.

    Args:
        metrics: where parts are counted.
        max_parts: sentences or words of a text at most.
        max_chars: characters of all variations of a text together at most.
    """

    def __init__(self, metrics: Metrics, *, max_parts: int, max_chars: int) -> None:
        self._metrics = metrics
        self._max_parts = max_parts
        self._max_chars = max_chars
        self._in_flight = InFlight()
        self._duration_s = 1.0

    async def explain(
        self, classifier: Classifier, text: TextOrPair, by: By, *, truncation: Truncation | None, timeout_s: float
    ) -> Explanation:
        """Return the parts of a text and what the model says without each.

        Args:
            classifier: answers.
            text: of the kind that the model reads, within the limits of a prediction.
            by: the parts into which it is cut.
            truncation: how texts that are too long are read; None: the model's own way.
            timeout_s: for the text and all its variations together.

        Raises:
            TooLargeError: if the text has too many parts.
            OverloadedError: if too many texts are being explained.
            VerdictError: as ``Classifier.classify``.
        """
        if self._in_flight.count >= _AT_ONCE:
            self._metrics.shed.labels("overloaded").inc()
            raise OverloadedError(
                f"{_AT_ONCE} texts are being explained, at most {_AT_ONCE} are at a time; "
                "retry after the time in Retry-After",
                self._duration_s,
            )
        with self._in_flight:
            started = time.perf_counter()
            deadline = asyncio.get_running_loop().time() + timeout_s
            places = await self._cut(text, by)
            variations = [_without(text, part, span) for part, span in places]
            whole, predictions = await _classify(classifier, text, variations, truncation, deadline)
            self._metrics.explain_parts.observe(len(places))
            self._duration_s += _SMOOTHING * (time.perf_counter() - started - self._duration_s)
        parts = [
            Part(part, span, predictions.get(variation))
            for (part, span), variation in zip(places, variations, strict=True)
        ]
        return Explanation(whole, parts)

    async def _cut(self, text: TextOrPair, by: By) -> list[tuple[int, Span]]:
        """Return the parts of a text, each with the number of the text of a pair that it is in."""
        texts = (text,) if isinstance(text, str) else text
        chars = sum(map(len, texts))

        def cut() -> list[tuple[int, Span]]:
            found = ((part, span) for part, each in enumerate(texts) for span in find_spans(each, by))
            return list(itertools.islice(found, self._max_parts + 1))

        places = cut() if chars <= _INLINE_CHARS else await asyncio.to_thread(cut)
        if len(places) > self._max_parts:
            raise TooLargeError(
                f"the text has more than {self._max_parts} {by}s, and at most so many are explained; {_ADVICE[by]}"
            )
        if len(places) * chars > self._max_chars:
            raise TooLargeError(
                f"the text has {chars} characters and {len(places)} {by}s: without each of them in turn there are "
                f"{len(places) * chars} characters to read, at most {self._max_chars} are read; {_ADVICE[by]}"
            )
        return places


async def _classify(
    classifier: Classifier,
    text: TextOrPair,
    variations: Sequence[TextOrPair],
    truncation: Truncation | None,
    deadline: float,
) -> tuple[Classification, dict[TextOrPair, Prediction]]:
    """Return the classification of a text, and the prediction for each variation of which the model reads anything."""
    texts = list(dict.fromkeys([text, *(each for each in variations if not _is_blank(each))]))
    while True:
        try:
            timeout_s = max(deadline - asyncio.get_running_loop().time(), 0.0)
            answered = await classifier.classify(texts, truncation=truncation, timeout_s=timeout_s, background=True)
        except InvalidRequestError as error:
            if not error.wordless:  # the caller's own text is the first
                raise
            del texts[error.wordless]
        except TextFailedError:  # the number of a variation would tell the caller nothing
            raise TextFailedError(0) from None
        else:
            return answered, dict(zip(texts, answered.predictions, strict=True))


def _without(text: TextOrPair, part: int, span: Span) -> TextOrPair:
    if isinstance(text, str):
        return leave_out(text, span)
    first, second = text
    return (first, leave_out(second, span)) if part else (leave_out(first, span), second)


def _is_blank(text: TextOrPair) -> bool:
    return is_blank(text) if isinstance(text, str) else any(map(is_blank, text))
