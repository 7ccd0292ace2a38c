"""The context of a request while it is served: its id, whether it is taken, its counting and its log line."""

import asyncio
import logging
import os
import re
import time
from collections.abc import Mapping, MutableMapping, Sequence
from types import TracebackType
from typing import Any

from fastapi.telemetry import TelemetryConfig
from opentelemetry.trace import TracerProvider
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.errors import DrainingError, VerdictError
from server.http.call import header
from server.http.connection import SAFE_HEADERS
from server.http.errors import error_response, render
from server.lifecycle import Lifecycle
from server.observe.metrics import Metrics
from server.observe.tracing import annotate, trace_id

_access = logging.getLogger("server.access")
_logger = logging.getLogger(__name__)
_SANE_ID = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")
_HEALTH = "/health/"
_PROBES = (_HEALTH, "/metrics")
"""Answered even while the server drains, so that the last figures are not lost; never traced."""
_ENDS = (GeneratorExit, KeyboardInterrupt, SystemExit)
"""A library in Rust that panics raises something else that is no ``Exception`` either."""
_DRAINING = "the server is shutting down; send the request to another one"


class RequestContext:
    """One request, in flight from entry to exit, at which it is counted and logged, without its content.

    Args:
        scope: of ASGI; its state gets the request's id.
        lifecycle: what knows whether requests are taken.
        metrics: where the request is counted.

    Attributes:
        status: of the answer, once it is known.
    """

    __slots__ = ("_lifecycle", "_metrics", "_request_id", "_scope", "_started", "status")

    def __init__(self, scope: Scope, lifecycle: Lifecycle, metrics: Metrics) -> None:
        self.status = 0
        self._scope = scope
        self._lifecycle = lifecycle
        self._metrics = metrics
        self._request_id = request_id = _request_id(scope)
        scope.setdefault("state", {})["request_id"] = request_id
        annotate(lambda: {"request_id": request_id})
        self._started = time.perf_counter()

    def __enter__(self) -> "RequestContext":
        """Count it as in flight."""
        self._lifecycle.in_flight.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Have it counted and logged."""
        self._lifecycle.in_flight.__exit__()
        seconds = time.perf_counter() - self._started
        route = _route(self._scope)
        record = self._metrics.ledger.record
        record(self._metrics.count_answers, (route, self.status, seconds))
        if not route.startswith(_HEALTH):
            record(_log, (self._scope["state"], route, self.status, seconds, trace_id()))

    def check_open(self) -> None:
        """Refuse the request if the server is shutting down.

        Raises:
            DrainingError: if it is, and the request is not one that is answered to the end.
        """
        if self._lifecycle.draining and not self._scope["path"].startswith(_PROBES):
            raise DrainingError(_DRAINING)

    def headers(self) -> list[tuple[bytes, bytes]]:
        """Return the headers that every answer has."""
        headers = [(b"x-request-id", self._request_id.encode()), *SAFE_HEADERS]
        if self._lifecycle.draining:
            headers.append((b"connection", b"close"))  # the next request must find another server
        return headers

    def excuse(self, error: BaseException) -> Response:
        """Return the answer to a request that failed.

        Raises:
            BaseException: the error itself, if it ends more than the request.
        """
        if isinstance(error, VerdictError):
            return render(error, self._request_id)
        if isinstance(error, asyncio.CancelledError) and self._lifecycle.draining:  # the time to drain is over
            return render(DrainingError(_DRAINING), self._request_id)
        if isinstance(error, _ENDS) or (isinstance(error, asyncio.CancelledError) and _is_cancelled()):
            raise error
        _logger.error("request %s failed; this is a bug", self._request_id, exc_info=error)
        return error_response("engine_failed", "the server failed; try again", 500, self._request_id)


def _is_cancelled() -> bool:
    """Whether it is this very request that was cancelled, not something that it waited for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _log(answers: Sequence[tuple[Mapping[str, Any], str, int, float, str | None]]) -> None:
    """Log requests that were answered, each with ASGI's state, its route, its status, its seconds and its trace.

    All of them in one record: figures of ours that could not be written would take the others' lines with them.
    """
    if _access.isEnabledFor(logging.INFO):
        lines = [
            {
                "request_id": state["request_id"],
                "route": route,
                "status": status,
                "ms": round(seconds * 1000, 3),
                **({"trace_id": traced} if traced else {}),
                **state.get("log_fields", dict)(),
            }
            for state, route, status, seconds, traced in answers
        ]
        _access.info("answered", extra={"lines": lines})


def _route(scope: Scope) -> str:
    """Return the path of the route that was taken, one of a closed set."""
    if "route" in scope:
        path: str = scope["route"].path
        return path
    document: str = scope["app"].openapi_url  # FastAPI's own route, which it does not name
    return document if scope["path"] == document else "unknown"


def _request_id(scope: Scope) -> str:
    """Return the caller's id if it is short and plain, so that it can stand in logs, else a new one."""
    sent = header(scope, b"x-request-id")
    return sent if sent and _SANE_ID.fullmatch(sent) else os.urandom(16).hex()


class RequestMiddleware:
    """Give each request an id, refuse it while draining, count it once and log it without its content."""

    def __init__(self, app: ASGIApp, *, lifecycle: Lifecycle, metrics: Metrics) -> None:
        self._app = app
        self._lifecycle = lifecycle
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; anything but HTTP passes through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        with RequestContext(scope, self._lifecycle, self._metrics) as context:

            async def send_with_headers(message: Message) -> None:
                if message["type"] == "http.response.start":
                    context.status = message["status"]
                    message = {**message, "headers": [*message["headers"], *context.headers()]}
                await send(message)

            try:
                context.check_open()
                await self._app(scope, receive, send_with_headers)
            except BaseException as error:
                answer = context.excuse(error)
                if not context.status:
                    await answer(scope, receive, send_with_headers)


def request_spans(provider: TracerProvider | None) -> TelemetryConfig:
    """Return FastAPI's telemetry settings: one span per request with this provider, none at all without.

    Its metrics would count again what ``server.observe.metrics`` counts. Its logs hold exceptions, and its spans of
    operations the times of its own parts. Its automatic set-up would read the environment behind the settings' back.
    """
    return {
        "tracing": provider is not None,
        "tracer_provider": provider,
        "metrics": False,
        "logs": False,
        "operation_spans": False,
        "auto_configure": False,
        "exclude": _is_probe,
    }


def _is_probe(scope: MutableMapping[str, Any]) -> bool:
    path: str = scope["path"]
    return path.startswith(_PROBES)
