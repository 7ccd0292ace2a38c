"""Requests: HTTP requests that are rendered to bytes before the clock starts."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

BATCH_TEXTS: Final = 64
"""Texts in one request of ``batches``."""


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A rendered request and the responses that are right for it.

    Attributes:
        payload: head and body.
        texts: number of texts in it.
        expected: statuses that are right.
        abandon_after_s: the caller drops the connection after this time; None: never.
        subject: the texts in it, to judge the response by.
    """

    payload: bytes
    texts: int
    expected: frozenset[int] = frozenset({200})
    abandon_after_s: float | None = None
    subject: tuple[str, ...] = ()


def post(path: str, body: bytes, *, texts: int = 1, headers: Mapping[str, str] | None = None) -> HttpRequest:
    """Return a POST request with any body. Its content type is JSON unless ``headers`` has another."""
    fields = {"host": "benchmark", "content-type": "application/json", **(headers or {})}
    lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    head = "\r\n".join([*lines, f"content-length: {len(body)}", "", ""])
    return HttpRequest(head.encode() + body, texts)


def predict(text: str, headers: Mapping[str, str] | None = None) -> HttpRequest:
    """Return the native request for one text."""
    request = post("/predict", json.dumps({"text": text}).encode(), headers=headers)
    return replace(request, subject=(text,))


def predict_batch(texts: Sequence[str]) -> HttpRequest:
    """Return the native request for several texts."""
    request = post("/predict/batch", json.dumps({"texts": list(texts)}).encode(), texts=len(texts))
    return replace(request, subject=tuple(texts))


def single(texts: Sequence[str]) -> list[HttpRequest]:
    """Return one request per text."""
    return [predict(text) for text in texts]


def batches(texts: Sequence[str]) -> list[HttpRequest]:
    """Return requests of ``BATCH_TEXTS`` texts each; the last one may have fewer."""
    return [predict_batch(texts[start : start + BATCH_TEXTS]) for start in range(0, len(texts), BATCH_TEXTS)]
