"""Hugging Face: ``POST /`` and ``POST /hf``, as Inference Endpoints answer text classification.

``huggingface_hub.InferenceClient(url).text_classification`` posts to exactly the URL that it is given, and keeps the
first item of the answer: every answer is a list with a ranking for each text, even for one text.
"""

from typing import Final

import orjson
from pydantic import BaseModel, ConfigDict
from starlette.responses import Response

from server.errors import InvalidRequestError, MalformedBodyError, NoTextError, TextFailedError
from server.http.call import Call
from server.http.errors import ErrorFormat
from server.http.infer import PredictionResponse, infer, remarks
from server.http.json_body import JsonBody
from server.http.rankings import Inputs, Parameters, RankedLabel, rank_all, unpack
from server.http.wire_format import WireFormat
from server.inference.classifier import Classifier

_LOADING: Final = 503


class HuggingFaceError(BaseModel):
    """An error; a client waits for ``estimated_time`` seconds where the server can not answer yet."""

    error: str
    estimated_time: float | None = None


class HuggingFaceRequest(Parameters):
    """A text, a pair or a list of them; older clients send the parameters beside it."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"inputs": "A film I will watch again.", "parameters": {"top_k": 1}}]}
    )

    inputs: Inputs
    parameters: Parameters | None = None


def _write_error(kind: str, message: str, status: int, request_id: str) -> bytes:
    del kind, request_id
    return orjson.dumps({"error": message} | ({"estimated_time": 1.0} if status == _LOADING else {}))


FORMAT: Final = WireFormat(
    "huggingface",
    style=ErrorFormat(
        _write_error,
        HuggingFaceError,
        dict.fromkeys((InvalidRequestError, NoTextError, MalformedBodyError, TextFailedError), 400),
    ),
)
_body = JsonBody(HuggingFaceRequest)


@FORMAT.post("/", body=_body, answer=list[list[RankedLabel]])
@FORMAT.post("/hf", body=_body, answer=list[list[RankedLabel]])
async def classify(call: Call, classifier: Classifier) -> Response:
    """Classify a text, a pair or several of them: one ranking for each."""
    body = await _body.read(call)
    classification = await infer(call, classifier, unpack(body.inputs), None)
    parameters = body.parameters if body.parameters and body.parameters.model_fields_set else body
    answer = rank_all(classification, parameters)
    return PredictionResponse(orjson.dumps(answer), classification, headers=remarks(classification))
