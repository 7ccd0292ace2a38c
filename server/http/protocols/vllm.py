"""vLLM and SGLang: ``POST /classify`` and ``POST /v1/classify``, in the manner of OpenAI's API.

The answer names the model that is served, whatever name the caller sends. In an answer to a regression ``probs`` has
its value and ``label`` its name.
"""

import time
from typing import Annotated, Any, Final, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from artifact.scores import Head
from server.errors import InvalidRequestError, NoTextError, TextFailedError
from server.http.call import Call
from server.http.errors import ErrorFormat
from server.http.infer import PredictionResponse, infer, remarks
from server.http.json_body import JsonBody
from server.http.rankings import DIGITS, Inputs, unpack
from server.http.wire_format import WireFormat
from server.inference.classifier import Classifier, Prediction

_TYPES: Final = {
    400: "BadRequestError",
    401: "AuthenticationError",
    404: "NotFoundError",
    429: "RateLimitError",
    503: "ServiceUnavailableError",
}


class OpenAIErrorDetail(BaseModel):
    """What went wrong; ``code`` is the status."""

    message: str
    type: str
    param: str | None = None
    code: int


class OpenAIError(BaseModel):
    """The body of every response that is not a success."""

    error: OpenAIErrorDetail


class ClassifyRequest(BaseModel):
    """Texts, or pairs for a model that reads them; fields for other models are ignored."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"model": "any", "input": ["Wonderful."]}]})

    input: Inputs
    model: str | None = Field(default=None, description="any name; the answer has that of the model that is served")


class ClassifiedText(BaseModel):
    """The answer to one text."""

    index: Annotated[int, Field(description="of the text in the request")]
    label: str = Field(description="the one with the highest score")
    probs: list[float] = Field(description="scores in label order")
    num_classes: int


class Usage(BaseModel):
    """Tokens read."""

    prompt_tokens: int
    total_tokens: int
    completion_tokens: Literal[0] = 0
    prompt_tokens_details: None = None


class ClassifyAnswer(BaseModel):
    """The answers to the texts of a request, in their order."""

    id: str
    object: Literal["list"] = "list"
    created: int
    model: str
    data: list[ClassifiedText]
    usage: Usage


def _write_error(kind: str, message: str, status: int, request_id: str) -> bytes:
    del kind, request_id
    name = _TYPES.get(status, "BadRequestError" if status < 500 else "InternalServerError")  # noqa: PLR2004 - the server's errors
    return orjson.dumps({"error": {"message": message, "type": name, "param": None, "code": status}})


FORMAT: Final = WireFormat(
    "vllm",
    style=ErrorFormat(
        _write_error, OpenAIError, dict.fromkeys((InvalidRequestError, NoTextError, TextFailedError), 400)
    ),
)
_body = JsonBody(ClassifyRequest)


@FORMAT.post("/classify", body=_body, answer=ClassifyAnswer)
@FORMAT.post("/v1/classify", body=_body, answer=ClassifyAnswer)
async def classify(call: Call, classifier: Classifier) -> Response:
    """Classify a text or several: the label with the highest score, and all scores in label order."""
    body = await _body.read(call)
    classification = await infer(call, classifier, unpack(body.input), None)
    tokens = sum(prediction.tokens for prediction in classification.predictions)
    answer = {
        "id": f"classify-{call.request_id}",
        "object": "list",
        "created": int(time.time()),
        "model": classifier.info.name,
        "data": [
            _render(index, prediction, classification.head)
            for index, prediction in enumerate(classification.predictions)
        ],
        "usage": {
            "prompt_tokens": tokens,
            "total_tokens": tokens,
            "completion_tokens": 0,
            "prompt_tokens_details": None,
        },
    }
    return PredictionResponse(orjson.dumps(answer), classification, headers=remarks(classification))


def _render(index: int, prediction: Prediction, head: Head) -> dict[str, Any]:
    scores = prediction.scores
    return {
        "index": index,
        "label": head.labels[scores.index(max(scores))],
        "probs": [round(score, DIGITS) for score in scores],
        "num_classes": len(scores),
    }
