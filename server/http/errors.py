"""The one table from error kinds to statuses, and the one body that errors have."""

import math
from typing import Final, Literal

import orjson
from fastapi import FastAPI
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from server import errors
from server.observe.tracing import annotate

STATUS: Final[dict[type[errors.VerdictError], int]] = {
    errors.InvalidRequestError: 422,
    errors.MalformedBodyError: 400,
    errors.UnsupportedMediaTypeError: 415,
    errors.TooLargeError: 413,
    errors.UnauthorizedError: 401,
    errors.OverloadedError: 429,
    errors.DrainingError: 503,
    errors.NotReadyError: 503,
    errors.TimedOutError: 504,
    errors.EngineFailedError: 500,
    errors.SlowBodyError: 408,
    errors.ReloadFailedError: 409,
    errors.CallerGoneError: 499,
}
"""499 is what nobody receives: it stands in logs and metrics alone, as in those of nginx."""

_ROUTING_KINDS: Final = {404: "not_found", 405: "method_not_allowed"}

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


def error_response(
    kind: str, message: str, status: int, request_id: str, headers: dict[str, str] | None = None
) -> Response:
    """Return the error body of product-wide shape."""
    return Response(error_body(kind, message, request_id), status, headers, media_type="application/json")


def render(error: errors.VerdictError, request_id: str) -> Response:
    """Return the response for a domain error."""
    headers = {}
    if isinstance(error, errors.OverloadedError):
        headers["retry-after"] = str(max(1, math.ceil(error.retry_after_s)))
    if isinstance(error, errors.DrainingError | errors.NotReadyError):
        headers["retry-after"] = "1"  # by then a load balancer has another server for the request
    if isinstance(error, errors.SlowBodyError):
        headers["connection"] = "close"  # what is left of the body would be read as the next request
    if isinstance(error, errors.UnauthorizedError):
        headers["www-authenticate"] = "Bearer"
    return error_response(error.kind, str(error), STATUS[type(error)], request_id, headers)


def install(app: FastAPI) -> None:
    """Make the application answer domain and routing errors with the error body."""

    async def on_verdict_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, errors.VerdictError)  # noqa: S101 - narrows what the registration guarantees
        kind = error.kind
        annotate(lambda: {"error_kind": kind})
        return render(error, request.state.request_id)

    async def on_routing_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101 - narrows what the registration guarantees
        kind = _ROUTING_KINDS.get(error.status_code, "invalid_request")
        message = (
            f"{request.method} {request.scope['path']:.100}: {error.detail}; the routes are listed in /openapi.json"
        )
        headers = dict(error.headers or {})
        return error_response(kind, message, error.status_code, request.state.request_id, headers)

    app.add_exception_handler(errors.VerdictError, on_verdict_error)
    app.add_exception_handler(HTTPException, on_routing_error)
