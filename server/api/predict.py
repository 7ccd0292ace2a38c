"""The native protocol: ``POST /predict`` and ``POST /predict/batch``."""

from dataclasses import dataclass
from typing import Final

import orjson
from fastapi import APIRouter, Depends
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from server import errors
from server.api.body import JsonBody
from server.api.caller import PARAMETERS
from server.api.dependencies import ClassifierDependency, require_api_key
from server.api.inference import infer, server_timing
from server.api.openapi import responses
from server.classifier import Prediction
from server.schemas import PredictBatchRequest, PredictRequest

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


@router.post(
    "/predict",
    response_model=Prediction,
    responses=_RESPONSES,
    openapi_extra=_one.openapi() | {"parameters": PARAMETERS},
)
async def predict(request: Request, classifier: ClassifierDependency) -> Response:
    """Classify one text."""
    body = await _one(request)
    classification = await infer(request, classifier, [body.text], body.truncation)
    return _json(classification.predictions[0], server_timing(classification))


@router.post(
    "/predict/batch",
    response_model=BatchAnswer,
    responses=_RESPONSES,
    openapi_extra=_many.openapi() | {"parameters": PARAMETERS},
)
async def predict_batch(request: Request, classifier: ClassifierDependency) -> Response:
    """Classify several texts, all or none."""
    body = await _many(request)
    classification = await infer(request, classifier, body.texts, body.truncation)
    return _json(BatchAnswer(classification.predictions), server_timing(classification))


def routes() -> list[APIRoute]:
    """Return the routes above."""
    return [route for route in router.routes if isinstance(route, APIRoute)]


def _json(answer: Prediction | BatchAnswer, headers: dict[str, str]) -> Response:
    return Response(orjson.dumps(answer), headers=headers, media_type="application/json")
