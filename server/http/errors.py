"""The one table from errors to statuses, and the native body of errors; a wire format may have its own of both.

Domain errors know no HTTP. The five errors defined here end a connection before there is a request.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

import orjson
from fastapi import FastAPI
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from server import errors

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
    "text_failed",
    "reload_failed",
]
"""Every kind that a caller can receive, for the OpenAPI document."""


class ErrorDetail(BaseModel):
    """What went wrong: a kind for programs, a message for people."""

    kind: ErrorKind
    message: str
    request_id: str


class ErrorBody(BaseModel):
    """The body of every response that is not a success."""

    error: ErrorDetail


class NotHttpError(errors.InvalidRequestError):
    """The bytes on the connection are not an HTTP/1.1 request."""


class BadHostError(errors.InvalidRequestError):
    """The request names no host, several, or one that is none."""


class LargeHeadError(errors.InvalidRequestError):
    """The request line and the headers are over their limit."""


class SlowHeadError(errors.TimedOutError):
    """The request line and the headers did not arrive in time."""


class TooManyConnectionsError(errors.OverloadedError):
    """The process has no file descriptor left for another connection."""


STATUS: Final[dict[type[errors.VerdictError], int]] = {
    errors.InvalidRequestError: 422,
    errors.NoTextError: 422,
    errors.NotFoundError: 404,
    errors.MalformedBodyError: 400,
    errors.UnsupportedMediaTypeError: 415,
    errors.UnsupportedEncodingError: 415,
    errors.TooLargeError: 413,
    errors.UnauthorizedError: 401,
    errors.OverloadedError: 429,
    errors.DrainingError: 503,
    errors.NotReadyError: 503,
    errors.TimedOutError: 504,
    errors.EngineFailedError: 500,
    errors.TextFailedError: 422,
    errors.SlowBodyError: 408,
    errors.ReloadFailedError: 409,
    errors.CallerGoneError: 499,
    NotHttpError: 400,
    BadHostError: 400,
    LargeHeadError: 431,
    SlowHeadError: 408,
    TooManyConnectionsError: 503,
}
"""499 is never received: it stands in logs and metrics alone, as in those of nginx.

A text that the model fails on is 422: on a 5xx clients send it again, and load balancers take the server out.
"""

OF_CONNECTIONS: Final = (NotHttpError, BadHostError, LargeHeadError, SlowHeadError, TooManyConnectionsError)
"""Errors that end a connection before there is a request."""
OF_ANY_REQUEST: Final = (errors.EngineFailedError, *OF_CONNECTIONS)
"""Errors that every route can answer with."""
_CONNECTION_ENDS: Final = (errors.SlowBodyError, *OF_CONNECTIONS)
"""The rest of such a request would be read as the next one."""
_RETRY_IN_A_SECOND: Final = (errors.DrainingError, errors.NotReadyError)
"""By then a load balancer has another server for the request."""
_CODINGS: Final = "gzip, deflate"
"""Those that bodies of requests may have (RFC 9110, section 12.5.3)."""
_ROUTING_KINDS: Final = {404: "not_found", 405: "method_not_allowed"}

WriteError = Callable[[str, str, int, str], bytes]
"""From kind, message, status and request id to the body of a response; a wire format may have its own."""


def error_body(kind: str, message: str, status: int, request_id: str) -> bytes:
    """Return an ``ErrorBody`` as JSON; written as a dictionary because it is built for every refusal."""
    del status
    return orjson.dumps({"error": {"kind": kind, "message": message, "request_id": request_id}})


@dataclass(frozen=True, slots=True)
class ErrorFormat:
    """How a wire format answers with errors.

    Attributes:
        write: makes the body.
        model: the shape of the body, for the OpenAPI document.
        statuses: the statuses that differ from those of ``STATUS``.
    """

    write: WriteError = error_body
    model: type[BaseModel] = ErrorBody
    statuses: Mapping[type[errors.VerdictError], int] = field(default_factory=dict)

    def status(self, error: type[errors.VerdictError]) -> int:
        """Return the status of an error in this format."""
        return self.statuses.get(error, STATUS[error])


NATIVE_ERRORS: Final = ErrorFormat()


def render(error: errors.VerdictError, request_id: str, style: ErrorFormat = NATIVE_ERRORS) -> Response:
    """Return the response to a request that failed.

    Args:
        error: why; its class is a key of ``STATUS``.
        request_id: of the failed request.
        style: how its wire format answers with errors.
    """
    status = style.status(type(error))
    body = style.write(error.kind, str(error), status, request_id)
    return Response(body, status, _headers(error), media_type="application/json")


def _headers(error: errors.VerdictError) -> dict[str, str]:
    headers = {}
    if isinstance(error, errors.OverloadedError):
        headers["retry-after"] = str(max(1, math.ceil(error.retry_after_s)))
    if isinstance(error, _RETRY_IN_A_SECOND):
        headers["retry-after"] = "1"
    if isinstance(error, _CONNECTION_ENDS):
        headers["connection"] = "close"
    if isinstance(error, errors.UnsupportedEncodingError):
        headers["accept-encoding"] = _CODINGS
    if isinstance(error, errors.UnauthorizedError):
        headers["www-authenticate"] = "Bearer"
    return headers


def install(app: FastAPI) -> None:
    """Make the application answer domain and routing errors in the wire format of the path."""

    async def on_verdict_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, errors.VerdictError)  # noqa: S101 - narrows what the registration guarantees
        kind, services = error.kind, request.app.state.services
        services.tracing.annotate(lambda: {"error_kind": kind})
        return render(error, request.state.request_id, services.error_format(request.scope["path"]))

    async def on_routing_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101 - narrows what the registration guarantees
        path, status = request.scope["path"], error.status_code
        message = f"{request.method} {path:.100}: {error.detail}; the routes are listed in /openapi.json"
        style = request.app.state.services.error_format(path)
        body = style.write(_ROUTING_KINDS.get(status, "invalid_request"), message, status, request.state.request_id)
        return Response(body, status, dict(error.headers or {}), media_type="application/json")

    app.add_exception_handler(errors.VerdictError, on_verdict_error)
    app.add_exception_handler(HTTPException, on_routing_error)
