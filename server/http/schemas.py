"""Schemas: the shapes of the native protocol's bodies."""

from typing import Annotated, Final, Literal

import orjson
from pydantic import AfterValidator, BaseModel, ConfigDict, FailFast, Field

from artifact.manifest import Truncation

_NOT_WHITE_SPACE: Final = r"[^\u0009-\u000d\u001c-\u0020\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]"
r"""What ``str.strip`` leaves, spelled out for the document: ``\S`` means other characters in JSON Schema's dialect."""


def _readable(text: str) -> str:
    if not text.strip():
        raise ValueError("the text is empty; send at least one character that is not white space")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise ValueError("the text holds a lone surrogate, which is no character; send valid Unicode") from None
    return text


Text = Annotated[str, AfterValidator(_readable), Field(json_schema_extra={"pattern": _NOT_WHITE_SPACE})]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")

    truncation: Truncation | None = Field(
        default=None,
        description="how a text longer than the model's max_length is read; the default is the model's own",
    )


class PredictRequest(_Body):
    """One text."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"text": "A film I will watch again."}]})

    text: Text


class PredictBatchRequest(_Body):
    """Several texts, answered in their order, all or none."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"texts": ["Wonderful.", "A waste of time."]}]})

    # Fails at the first wrong text: collecting a million errors would hold up everyone for seconds.
    texts: Annotated[list[Text], FailFast()] = Field(min_length=1)


ErrorKind = Literal[
    "invalid_request",
    "too_large",
    "unauthorized",
    "not_found",
    "method_not_allowed",
    "overloaded",
    "draining",
    "not_ready",
    "timed_out",
    "engine_failed",
    "reload_failed",
]
"""Every kind that a caller can receive, for the OpenAPI document."""


class ErrorDetail(BaseModel):
    """What went wrong: a kind for programs, a message for people."""

    kind: ErrorKind
    message: str
    request_id: str


class ErrorBody(BaseModel):
    """The body of every answer that is not a success."""

    error: ErrorDetail


def error_body(kind: str, message: str, request_id: str) -> bytes:
    """Return an ``ErrorBody`` as JSON; written as a dictionary because it is built for every refusal."""
    return orjson.dumps({"error": {"kind": kind, "message": message, "request_id": request_id}})
