"""SageMaker: ``GET /ping``, ``POST /invocations`` and ``GET /execution-parameters``.

Bodies are JSON as Hugging Face's and Text Embeddings Inference's containers read it, CSV (a text a row, for pairs two
columns) or JSON lines (an input a line). The answer comes in the media type that ``accept`` names first, else in that
of the body:

- JSON: one input has a ranking of the labels. A list has the best label of each text, or with ``top_k`` a ranking of
  each, like Hugging Face's pipeline; a batch ``[["a"], ["b"]]`` has rankings. ``["a", "b"]`` is one pair for a model
  that reads pairs.
- JSON lines: a ranking a line. CSV: a row each, the best label and its score first, then the others.
"""

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

import orjson
from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, RootModel, Tag
from starlette.responses import Response

from artifact.manifest import TextOrPair
from server import errors
from server.http.call import Call
from server.http.errors import ErrorFormat
from server.http.infer import PredictionResponse, check_count, infer, remarks
from server.http.json_body import JsonBody, Text
from server.http.operations import check_ready
from server.http.rankings import OneInput, Pair, Parameters, RankedLabel, TextOrTwo, rank_all, unpack
from server.http.wire_format import WireFormat
from server.inference.classifier import Classification, Classifier

JSON, CSV, LINES = "application/json", "text/csv", "application/jsonlines"
_MEDIA_TYPES: Final = {
    JSON: JSON,
    CSV: CSV,
    LINES: LINES,
    "application/x-jsonlines": LINES,
    "application/x-ndjson": LINES,
}
_PAIR_COLUMNS: Final = 2
_MEBIBYTE: Final = 1 << 20

Ranking = list[dict[str, str | float]]


def _kind(value: object) -> str | None:
    if isinstance(value, str):
        return "text"
    if isinstance(value, dict | Pair):
        return "pair"
    if isinstance(value, list):
        return "batch" if value and isinstance(value[0], list) else "list"
    return None


_Inputs = Annotated[
    Annotated[Text, Tag("text")]
    | Annotated[Pair, Tag("pair")]
    | Annotated[list[OneInput], Field(min_length=1, fail_fast=True), Tag("list")]
    | Annotated[list[TextOrTwo], Field(min_length=1, fail_fast=True), Tag("batch")],
    Discriminator(
        _kind,
        custom_error_type="no_texts",
        custom_error_message="send a text, an object with text and text_pair, or a list of these",
    ),
]


class InvocationRequest(Parameters):
    """A text, a pair or several of them."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"inputs": "A film I will watch again."}]})

    inputs: _Inputs
    parameters: Parameters | None = None
    raw_scores: Annotated[bool, Field(strict=True)] = False


def _unwrap(line: Any) -> Any:  # noqa: ANN401 - any JSON
    """Return the input of a line, which may be in an object, or in a list of one or two texts."""
    if isinstance(line, dict) and "inputs" in line:
        line = line["inputs"]
    if isinstance(line, list) and len(line) in {1, _PAIR_COLUMNS}:
        return dict(zip(("text", "text_pair"), line, strict=False))
    return line


class Line(RootModel[Annotated[OneInput, BeforeValidator(_unwrap)]]):
    """A line of JSON lines."""


class SageMakerError(BaseModel):
    """An error; the runtime passes it on as ``OriginalMessage``."""

    code: int
    type: str
    message: str


class ExecutionParameters(BaseModel):
    """What batch transform may send at the same time, and how much at once."""

    MaxConcurrentTransforms: int
    BatchStrategy: Literal["MULTI_RECORD"] = "MULTI_RECORD"
    MaxPayloadInMB: int


@dataclass(frozen=True, slots=True)
class _Invocation:
    """A body that was read: its texts, how they are answered, and how rankings become JSON."""

    texts: Sequence[TextOrPair]
    parameters: Parameters
    shape: Callable[[list[Ranking]], object] = list


class _Bodies:
    """The bodies of invocations, for the OpenAPI document."""

    def openapi(self) -> dict[str, Any]:
        return {
            "requestBody": {
                "required": True,
                "description": f"or {CSV} with a text a row, or {LINES} with an input a line",
                "content": {JSON: {"schema": _json.schema()}},
            }
        }


def _write_error(kind: str, message: str, status: int, request_id: str) -> bytes:
    del request_id
    return orjson.dumps({"code": status, "type": kind, "message": message})


FORMAT: Final = WireFormat("sagemaker", style=ErrorFormat(_write_error, SageMakerError))
_json = JsonBody(InvocationRequest)
_line = JsonBody(Line)
_READY: Final = (errors.NotReadyError, errors.DrainingError)


@FORMAT.get("/ping", answer=None, fails_with=_READY, probe=True)
async def ping(call: Call, classifier: Classifier) -> Response:
    """Answer 200 without a body while the server takes new requests."""
    del classifier
    check_ready(call.services.lifecycle)
    return Response()


@FORMAT.get("/execution-parameters", answer=ExecutionParameters)
async def execution_parameters(call: Call, classifier: Classifier) -> Response:
    """Return what batch transform may send: as many requests as there are workers, each as large as a body may be."""
    del classifier
    settings = call.services.settings
    megabytes = max(1, settings.max_body_bytes // _MEBIBYTE)
    answer = ExecutionParameters(MaxConcurrentTransforms=settings.inference_workers, MaxPayloadInMB=megabytes)
    return Response(answer.model_dump_json(), media_type=JSON)


@FORMAT.post(
    "/invocations",
    body=_Bodies(),
    answer=list[RankedLabel] | list[list[RankedLabel]],
    responses={200: {"content": {CSV: {"schema": {"type": "string"}}, LINES: {"schema": {"type": "string"}}}}},
)
async def invocations(call: Call, classifier: Classifier) -> Response:
    """Classify a text, a pair or several of them, in JSON, CSV or JSON lines."""
    media_type = (call.header(b"content-type") or JSON).partition(";")[0].strip().lower()
    sent_as = JSON if media_type.endswith("+json") else _MEDIA_TYPES.get(media_type)
    if sent_as is None:
        raise errors.UnsupportedMediaTypeError(
            f"the body is announced as {media_type!r:.60}; send {JSON}, {CSV} or {LINES}"
        )
    invocation = _READ[sent_as](await call.body(), call, classifier)
    classification = await infer(call, classifier, invocation.texts, None)
    return _respond(_accepted(call.header(b"accept"), sent_as), invocation, classification)


def _read_json(body: bytes, call: Call, classifier: Classifier) -> _Invocation:
    del call
    request = _json.parse(body)
    parameters = request if request.parameters is None else request.parameters
    if request.raw_scores:
        parameters = parameters.model_copy(update={"function_to_apply": "none"})
    inputs = request.inputs
    if isinstance(inputs, str | Pair):
        return _Invocation(unpack(inputs), parameters, _only)
    if _is_pair(inputs) and classifier.info.pairs:
        return _Invocation([_pair(inputs)], parameters, _only)
    if isinstance(inputs[0], list):
        return _Invocation([_pair(each) for each in inputs], parameters)
    return _Invocation(unpack(inputs), parameters, list if parameters.top_k else _best)


def _read_lines(body: bytes, call: Call, classifier: Classifier) -> _Invocation:
    del classifier
    lines = [line for line in body.splitlines() if line.strip()]
    check_count(len(lines), call.services.settings)
    texts: list[TextOrPair] = []
    for number, line in enumerate(lines, 1):
        try:
            texts += unpack([_line.parse(line).root])
        except errors.InvalidRequestError as error:
            raise type(error)(f"line {number}: {error}") from None
    return _Invocation(_some(texts), Parameters())


def _read_csv(body: bytes, call: Call, classifier: Classifier) -> _Invocation:
    columns = _PAIR_COLUMNS if classifier.info.pairs else 1
    texts: list[TextOrPair] = []
    try:
        for row in csv.reader(io.StringIO(body.decode("utf-8-sig"), newline="")):
            if row and len(row) != columns:
                raise errors.InvalidRequestError(
                    f"row {len(texts) + 1} has {len(row)} columns, this model reads {columns}; "
                    "put a text that holds commas or quotes in quotes"
                )
            if row:
                texts.append(_pair(row))
    except (csv.Error, UnicodeDecodeError) as error:
        raise errors.MalformedBodyError(f"the body is not CSV in UTF-8: {error}") from None
    check_count(len(texts), call.services.settings)
    return _Invocation(_some(texts), Parameters())


_READ: Final = {JSON: _read_json, CSV: _read_csv, LINES: _read_lines}


def _some(texts: list[TextOrPair]) -> list[TextOrPair]:
    if not texts:
        raise errors.NoTextError("the body has no text; send at least one")
    return texts


def _pair(texts: Sequence[Any]) -> TextOrPair:
    return texts[0] if len(texts) == 1 else (texts[0], texts[1])


def _is_pair(inputs: Sequence[Any]) -> bool:
    return len(inputs) == _PAIR_COLUMNS and all(isinstance(each, str) for each in inputs)


def _only(rankings: list[Ranking]) -> object:
    return rankings[0]


def _best(rankings: list[Ranking]) -> object:
    return [ranking[0] for ranking in rankings]


def _accepted(accept: str | None, sent_as: str) -> str:
    """Return the first media type of an ``accept`` header that can be answered, else that of the body."""
    wanted = ((accept or "").partition(";")[0].strip().lower() for accept in (accept or "").split(","))
    return next((_MEDIA_TYPES[each] for each in wanted if each in _MEDIA_TYPES), sent_as)


def _respond(media_type: str, invocation: _Invocation, classification: Classification) -> Response:
    rankings = rank_all(classification, invocation.parameters)
    if media_type == CSV:
        rows = io.StringIO()
        csv.writer(rows, lineterminator="\n").writerows(
            [value for each in ranking for value in (each["label"], each["score"])] for ranking in rankings
        )
        body = rows.getvalue().encode()
    elif media_type == LINES:
        body = b"".join(orjson.dumps(ranking) + b"\n" for ranking in rankings)
    else:
        body = orjson.dumps(invocation.shape(rankings))
    headers = remarks(classification)
    return PredictionResponse(body, classification, media_type=media_type.encode(), headers=headers)
