"""Inference for every wire format: limits, admission, deadline, counting and timing. Formats add only shapes."""

from collections.abc import Sequence
from functools import partial

from starlette.responses import Response

from artifact.blank import is_blank
from artifact.manifest import TextOrPair, Truncation
from server.errors import InvalidRequestError, TooLargeError, VerdictError
from server.http.call import Call
from server.http.json_body import EMPTY
from server.inference.classifier import Classification, Classifier
from server.settings import Settings


async def infer(
    call: Call, classifier: Classifier, texts: Sequence[TextOrPair], truncation: Truncation | None
) -> Classification:
    """Classify a call's texts within the limits that the operator and the caller set.

    Args:
        call: the request.
        classifier: answers.
        texts: at least one; a pair is a tuple of text and text_pair.
        truncation: how texts that are too long are read; None: the model's own way.

    Returns:
        One prediction per text, in order.

    Raises:
        VerdictError: if the texts are over a limit or can not be classified; then none of them is.
    """
    settings, metrics = call.services.settings, call.services.metrics
    try:
        check_texts(texts, settings)
        timeout_s = call.patience_s()
        classification = await call.while_connected(
            classifier.classify(texts, truncation=truncation, timeout_s=timeout_s)
        )
    except VerdictError as error:
        metrics.texts.labels(error.kind).inc(len(texts))
        raise
    metrics.ledger.record(metrics.count_predicted, len(texts))
    call.tell(partial(_figures, classification))
    return classification


class PredictionResponse(Response):
    """A body with the times of its prediction. Starlette would take twenty calls to write the same headers.

    Args:
        body: all of it.
        classification: what it tells of.
        media_type: of the body.
        headers: the wire format's own; names in lower case.
    """

    def __init__(
        self,
        body: bytes,
        classification: Classification,
        *,
        media_type: bytes = b"application/json",
        headers: Sequence[tuple[bytes, bytes]] = (),
    ) -> None:
        self.status_code = 200
        self.body = body
        self.background = None
        self.raw_headers = [
            (b"content-length", b"%d" % len(body)),
            (b"content-type", media_type),
            (b"server-timing", _server_timing(classification)),
            *headers,
        ]


def remarks(classification: Classification) -> list[tuple[bytes, bytes]]:
    """Return headers that tell of texts which the model did not read whole, for formats without a field for that.

    ``x-truncated-texts`` is the number of texts that were cut, ``x-unknown-tokens`` the number of tokens that the
    tokenizer does not know; neither is there where it would be 0.
    """
    truncated = sum(prediction.truncated for prediction in classification.predictions)
    unknown = sum(prediction.unknown for prediction in classification.predictions)
    counts = ((b"x-truncated-texts", truncated), (b"x-unknown-tokens", unknown))
    return [(name, b"%d" % count) for name, count in counts if count]


def check_count(count: int, settings: Settings) -> None:
    """Check a request's number of texts.

    Raises:
        TooLargeError: if there are too many.
    """
    limit = settings.max_items_per_request
    if count > limit:
        raise TooLargeError(f"the request has {count} texts, at most {limit} are taken; send them in parts")


def check_texts(texts: Sequence[TextOrPair], settings: Settings) -> None:
    """Check the number and the length of a request's texts, and that each has something to read.

    Raises:
        TooLargeError: if there are too many, or one is too long.
        InvalidRequestError: if one is blank.
    """
    check_count(len(texts), settings)
    limit = settings.max_text_chars
    for index, text in enumerate(texts):
        for part in (text,) if isinstance(text, str) else text:
            if len(part) > limit:
                raise TooLargeError(f"text {index} has {len(part)} characters, at most {limit} are taken; shorten it")
            if is_blank(part):  # also where a format does not read JSON
                raise InvalidRequestError(f"text {index}: {EMPTY}")


def _server_timing(classification: Classification) -> bytes:
    """Return the value of the Server-Timing header: milliseconds with microsecond digits.

    Where the first stage answered texts, their number follows.
    """
    times = b"tokenize;dur=%.3f, queue;dur=%.3f, inference;dur=%.3f" % (
        classification.tokenize_s * 1000,
        classification.queue_s * 1000,
        classification.inference_s * 1000,
    )
    easy = _count_easy(classification)
    return times + b", first-stage;desc=%d" % easy if easy else times


def _count_easy(classification: Classification) -> int:
    return sum(prediction.by_first_stage for prediction in classification.predictions)


def _figures(classification: Classification) -> dict[str, float]:
    """Return what log and trace tell of a request: sizes and times, never a text."""
    figures = {
        "texts": len(classification.predictions),
        "tokens": sum(prediction.tokens for prediction in classification.predictions),
        "tokenize_ms": round(classification.tokenize_s * 1000, 3),
        "queue_ms": round(classification.queue_s * 1000, 3),
        "inference_ms": round(classification.inference_s * 1000, 3),
    }
    easy = _count_easy(classification)
    return figures | {"first_stage": easy} if easy else figures
