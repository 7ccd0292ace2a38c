"""Vertex AI: predictions and health at the paths that the platform sets (``AIP_PREDICT_ROUTE``, ``AIP_HEALTH_ROUTE``).

An instance is a text, a pair, or either of them as ``inputs``; its prediction is a ranking of the labels.
"""

from typing import Annotated, Any

import orjson
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from starlette.responses import Response

from server import errors
from server.http.call import Call
from server.http.errors import ErrorFormat
from server.http.infer import PredictionResponse, infer, remarks
from server.http.json_body import JsonBody
from server.http.operations import check_ready
from server.http.rankings import OneInput, Parameters, RankedLabel, rank_all, unpack
from server.http.wire_format import WireFormat
from server.inference.classifier import Classifier

NAME = "vertex"


class VertexError(BaseModel):
    """An error; the platform passes it on as a string."""

    error: str


def _unwrap(instance: Any) -> Any:  # noqa: ANN401 - any JSON
    return instance["inputs"] if isinstance(instance, dict) and "inputs" in instance else instance


class VertexRequest(BaseModel):
    """Instances, answered in their order, all or none."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"instances": ["Wonderful.", "A waste of time."]}]})

    instances: Annotated[list[Annotated[OneInput, BeforeValidator(_unwrap)]], Field(min_length=1, fail_fast=True)]
    parameters: Parameters | None = None


class VertexAnswer(BaseModel):
    """A ranking for each instance."""

    predictions: list[list[RankedLabel]]


def _write_error(kind: str, message: str, status: int, request_id: str) -> bytes:
    del kind, status, request_id
    return orjson.dumps({"error": message})


_body = JsonBody(VertexRequest)


def make_format(predict_route: str | None, health_route: str | None) -> WireFormat:
    """Return the format with the routes that the platform has set."""
    wire_format = WireFormat(NAME, style=ErrorFormat(_write_error, VertexError))
    if predict_route:
        wire_format.post(predict_route, body=_body, answer=VertexAnswer)(predict)
    if health_route:
        kinds = (errors.NotReadyError, errors.DrainingError)
        wire_format.get(health_route, answer=None, fails_with=kinds, probe=True)(health)
    return wire_format


async def predict(call: Call, classifier: Classifier) -> Response:
    """Classify the instances of a request of Vertex AI."""
    body = await _body.read(call)
    classification = await infer(call, classifier, unpack(body.instances), None)
    answer = {"predictions": rank_all(classification, body.parameters or Parameters())}
    return PredictionResponse(orjson.dumps(answer), classification, headers=remarks(classification))


async def health(call: Call, classifier: Classifier) -> Response:
    """Answer 200 without a body while the server takes new requests."""
    del classifier
    check_ready(call.services.lifecycle)
    return Response()
