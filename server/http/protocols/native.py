"""The native protocol: ``POST /predict`` and ``POST /predict/batch``."""

from dataclasses import dataclass
from typing import Annotated, Final

import orjson
from fastapi import APIRouter, Depends
from pydantic import AfterValidator, BaseModel, ConfigDict, FailFast, Field
from starlette.requests import Request
from starlette.responses import Response

from artifact.manifest import Truncation
from server import errors
from server.http.call import PARAMETERS, Call
from server.http.dependencies import ClassifierDependency, require_api_key
from server.http.infer import infer, server_timing
from server.http.json_body import JsonBody
from server.http.openapi import responses
from server.inference.classifier import Classifier, Prediction

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


router = APIRouter(dependencies=[Depends(require_api_key)], tags=["predict"])

_one = JsonBody(PredictRequest)
_many = JsonBody(PredictBatchRequest)
_RESPONSES: Final = responses(
    errors.InvalidRequestError,
    errors.MalformedBodyError,
    errors.UnsupportedMediaTypeError,
    errors.TooLargeError,
    errors.SlowBodyError,
    errors.UnauthorizedError,
    errors.OverloadedError,
    errors.DrainingError,
    errors.TimedOutError,
)


@dataclass(frozen=True, slots=True)
class BatchAnswer:
    """The predictions of a batch, in the order of its texts."""

    predictions: list[Prediction]


class JsonAnswer(Response):
    """A JSON answer. Writes its headers as they are sent: by way of Starlette that takes twenty calls.

    Args:
        body: all of it.
        timing: the value of its Server-Timing header.
    """

    def __init__(self, body: bytes, timing: bytes) -> None:
        self.status_code = 200
        self.body = body
        self.background = None
        self.raw_headers = [
            (b"content-length", b"%d" % len(body)),
            (b"content-type", b"application/json"),
            (b"server-timing", timing),
        ]


@router.post(
    "/predict",
    response_model=Prediction,
    responses=_RESPONSES,
    openapi_extra=_one.openapi() | {"parameters": PARAMETERS},
)
async def predict(request: Request, classifier: ClassifierDependency) -> Response:
    """Classify one text."""
    return await predict_text(Call.of(request), classifier)


@router.post(
    "/predict/batch",
    response_model=BatchAnswer,
    responses=_RESPONSES,
    openapi_extra=_many.openapi() | {"parameters": PARAMETERS},
)
async def predict_batch(request: Request, classifier: ClassifierDependency) -> Response:
    """Classify several texts, all or none."""
    return await predict_texts(Call.of(request), classifier)


async def predict_text(call: Call, classifier: Classifier) -> Response:
    """Answer a call of ``POST /predict``."""
    body = await _one.read(call)
    classification = await infer(call, classifier, [body.text], body.truncation)
    return JsonAnswer(orjson.dumps(classification.predictions[0]), server_timing(classification))


async def predict_texts(call: Call, classifier: Classifier) -> Response:
    """Answer a call of ``POST /predict/batch``."""
    body = await _many.read(call)
    classification = await infer(call, classifier, body.texts, body.truncation)
    return JsonAnswer(orjson.dumps(BatchAnswer(classification.predictions)), server_timing(classification))


ENDPOINTS: Final = {"/predict": predict_text, "/predict/batch": predict_texts}
"""What answers calls of the routes above."""
