"""Responses: the JSON document of an answer with its binary tensors behind it, and the shapes of all answers."""

from typing import Any, Final

import orjson
from pydantic import BaseModel
from starlette.responses import Response

from server.http.infer import PredictionResponse
from server.http.protocols.open_inference.outputs import OutputTensor
from server.http.protocols.open_inference.request import HEADER_LENGTH
from server.inference.classifier import Classification, ModelInfo

_BINARY: Final = "application/octet-stream"
BINARY_RESPONSE: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {_BINARY: {"schema": {"type": "string", "format": "binary"}}}}
}
"""The answer with binary tensors, for the OpenAPI document."""


class OpenInferenceError(BaseModel):
    """The body of every response that is not a success."""

    error: str


class ServerMetadata(BaseModel):
    """The server."""

    name: str
    version: str
    extensions: list[str]


class TensorMetadata(BaseModel):
    """An input or an output of a model; -1 stands for any number of texts."""

    name: str
    datatype: str
    shape: list[int]


class ModelMetadata(BaseModel):
    """The model that is served."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]


class ServerLive(BaseModel):
    """That the server runs."""

    live: bool


class ServerReady(BaseModel):
    """That the server takes requests."""

    ready: bool


class ModelReady(BaseModel):
    """That a model takes requests."""

    name: str
    ready: bool


class AnsweredTensor(TensorMetadata):
    """A tensor of predictions: ``data``, or the parameter ``binary_data_size`` if its bytes follow the document."""

    parameters: dict[str, int] | None = None
    data: list[Any] | None = None


class InferenceResponse(BaseModel):
    """The JSON document of predictions."""

    model_name: str
    model_version: str
    id: str | None = None
    outputs: list[AnsweredTensor]


def write_error(kind: str, message: str, status: int, request_id: str) -> bytes:
    """Return an ``OpenInferenceError`` as JSON."""
    del kind, status, request_id
    return orjson.dumps({"error": message})


def write_predictions(
    tensors: list[OutputTensor], request_id: str | None, model: ModelInfo, classification: Classification
) -> Response:
    """Return the response to an inference request.

    Args:
        tensors: of the answer, in the order that was asked for.
        request_id: the caller's ``id``, sent back.
        model: that answered.
        classification: whose times are told.
    """
    tails: list[bytes] = []
    outputs = []
    for tensor in tensors:
        described = tensor.describe()
        if tensor.binary:
            tails.append(tensor.raw())
            described["parameters"] = {"binary_data_size": len(tails[-1])}
        else:
            described["data"] = tensor.data()
        outputs.append(described)
    document: dict[str, Any] = {"model_name": model.name, "model_version": model.version}
    if request_id is not None:
        document["id"] = request_id
    head = orjson.dumps(document | {"outputs": outputs}, option=orjson.OPT_SERIALIZE_NUMPY)
    if not tails:
        return PredictionResponse(head, classification)
    return PredictionResponse(
        b"".join([head, *tails]),
        classification,
        media_type=_BINARY.encode(),
        headers=[(HEADER_LENGTH, b"%d" % len(head))],
    )
