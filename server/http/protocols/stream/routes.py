"""The route of streams: ``POST /predict/stream``."""

from typing import Any, Final, get_args

from pydantic import BaseModel, Field
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from server.errors import UnsupportedMediaTypeError
from server.http.body import window_bits
from server.http.call import Call
from server.http.json_body import JsonBody
from server.http.protocols.native import AnyPrediction
from server.http.protocols.stream.exchange import Exchange
from server.http.protocols.stream.lines import BODY
from server.http.wire_format import WireFormat
from server.inference.classifier import Classifier

FORMAT: Final = WireFormat("stream")
MEDIA_TYPE: Final = "application/x-ndjson"
_MEDIA_TYPES: Final = (
    MEDIA_TYPE,
    "application/ndjson",
    "application/jsonl",
    "application/jsonlines",
    "application/x-jsonlines",
    "application/json",
    "application/octet-stream",
)


class StreamResponse(StreamingResponse):
    """A response whose body is made while that of the request is read.

    Args:
        exchange: makes it.
    """

    media_type = MEDIA_TYPE

    def __init__(self, exchange: Exchange) -> None:
        self.status_code = 200
        self.background = None
        self.raw_headers = [(b"content-type", MEDIA_TYPE.encode()), (b"x-accel-buffering", b"no")]
        self._exchange = exchange

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the head, then an answer for each line."""
        start = {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
        await self._exchange.run(receive, send, start)


class _LinesBody:
    """Bodies of lines, for the OpenAPI document."""

    def openapi(self) -> dict[str, Any]:
        """Return the ``requestBody``: the schema is that of a line."""
        return {"requestBody": {"required": True, "content": {MEDIA_TYPE: {"schema": BODY.schema()}}}}


class LineError(BaseModel):
    """Why a line has no prediction."""

    kind: str
    message: str


class FailedLine(BaseModel):
    """The answer to a line that is wrong or fails."""

    id: Any
    error: LineError
    line: int = Field(description="number of the line, from 1")


class StreamError(LineError):
    """Why a stream ended before its body."""

    request_id: str


class LastLine(BaseModel):
    """The last line of a stream that ends early."""

    error: StreamError
    answered: int = Field(description="lines that have an answer; send the others again")


_PREDICTIONS: Final = [{"$ref": f"#/components/schemas/{each.__name__}"} for each in get_args(AnyPrediction)]
_LINE: Final = {"anyOf": [*_PREDICTIONS, JsonBody(FailedLine).schema(), JsonBody(LastLine).schema()]}
"""The schema of a line of the answer. A prediction has the ``id`` of its line besides."""


@FORMAT.post(
    "/predict/stream",
    body=_LinesBody(),
    answer=None,
    response_class=Response,
    responses={200: {"description": "a line for each line", "content": {MEDIA_TYPE: {"schema": _LINE}}}},
)
async def predict_stream(call: Call, classifier: Classifier) -> Response:
    """Classify a text a line, while the lines still arrive: each answer has the ``id`` of its line.

    A line that is wrong has an error in its place.
    """
    media_type = (call.header(b"content-type") or MEDIA_TYPE).partition(";")[0].strip().lower()
    if media_type not in _MEDIA_TYPES:
        raise UnsupportedMediaTypeError(
            f"the body is announced as {media_type!r:.60}; send lines of JSON with content-type: {MEDIA_TYPE}"
        )
    encoding = call.header(b"content-encoding")
    return StreamResponse(Exchange(call, classifier, None if encoding is None else window_bits(encoding)))
