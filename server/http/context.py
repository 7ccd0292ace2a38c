"""The context of a request while it is served: its id, its admission, its counting, its log line and its span."""

import asyncio
import logging
import time
from collections.abc import Collection, Mapping, Sequence
from types import TracebackType
from typing import Any, Final, Self

from fastapi.telemetry import TelemetryConfig
from opentelemetry.trace import TracerProvider
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.errors import DrainingError, EngineFailedError, VerdictError
from server.http.call import Services
from server.http.connection.response import CLOSE, close_after
from server.http.errors import render
from server.http.headers import SAFE_HEADERS, request_id

_access = logging.getLogger("server.access")
_logger = logging.getLogger(__name__)
_HEALTH: Final = "/health/"
_PROBES: Final = (_HEALTH, "/metrics")
"""Answered even while the server drains, so that the last figures are not lost; never traced."""
_ENDS: Final = (GeneratorExit, KeyboardInterrupt, SystemExit)
"""A library in Rust that panics raises something else that is no ``Exception`` either."""
_DRAINING: Final = "the server is shutting down; send the request to another one"

_Answered = tuple[Mapping[str, Any], str, int, float, float, str | None]
"""ASGI's state, route, status, seconds, end by ``time.perf_counter``, and trace id of a request."""


class RequestContext:
    """One request. It is in flight from entry to exit; at exit it is counted and logged, without its content.

    Args:
        scope: of ASGI; its state gets the request's id.
        services: those of the application.

    Attributes:
        status: of the response, once it is known.
    """

    __slots__ = ("_request_id", "_scope", "_services", "_started_s", "status")

    def __init__(self, scope: Scope, services: Services) -> None:
        self.status = 0
        self._scope = scope
        self._services = services
        self._request_id = own_id = request_id(scope)
        scope.setdefault("state", {})["request_id"] = own_id
        services.tracing.annotate(lambda: {"request_id": own_id})
        self._started_s = time.perf_counter()

    def __enter__(self) -> Self:
        self._services.lifecycle.in_flight.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        services = self._services
        services.lifecycle.in_flight.__exit__()
        ended_s = time.perf_counter()
        seconds = ended_s - self._started_s
        route = _route(self._scope)
        record = services.metrics.ledger.record
        record(services.metrics.count_answers, (route, self.status, seconds))
        if not route.startswith(_HEALTH) and route not in services.probes:
            record(_log, (self._scope["state"], route, self.status, seconds, ended_s, services.tracing.trace_id()))

    def check_open(self) -> None:
        """Refuse the request if the server drains and this is no probe.

        Raises:
            DrainingError: if it is refused.
        """
        if self._services.lifecycle.draining and not _is_probe(self._scope["path"], self._services.probes):
            raise DrainingError(_DRAINING)

    def headers(self) -> list[tuple[bytes, bytes]]:
        """Return the headers that every response has."""
        headers = [(b"x-request-id", self._request_id.encode()), *SAFE_HEADERS]
        if self._services.lifecycle.draining:
            headers.append(CLOSE)  # the next request must find another server
        return headers

    def excuse(self, error: BaseException) -> Response:
        """Return the response to a request that failed.

        Raises:
            BaseException: the error itself, if it ends more than the request.
        """
        if isinstance(error, VerdictError):
            return self._render(error)
        if isinstance(error, asyncio.CancelledError) and self._services.lifecycle.draining:  # the time to drain is over
            return self._render(DrainingError(_DRAINING))
        if isinstance(error, _ENDS) or (isinstance(error, asyncio.CancelledError) and _is_cancelled()):
            raise error
        _logger.error("request %s failed; this is a bug", self._request_id, exc_info=error)
        return self._render(EngineFailedError("the server failed; try again"))

    def _render(self, error: VerdictError) -> Response:
        return render(error, self._request_id, self._services.error_format(self._scope["path"]))


class RequestMiddleware:
    """Give every request of an ASGI application a context; anything but HTTP passes through.

    Args:
        app: the application.
        services: those of the application.
    """

    def __init__(self, app: ASGIApp, *, services: Services) -> None:
        self._app = app
        self._services = services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        head = scope["method"] == "HEAD"
        if head:  # served like GET, which every route for reading has, but without the body
            scope = {**scope, "method": "GET"}
        with RequestContext(scope, self._services) as context:

            async def send_with_headers(message: Message) -> None:
                if head and message["type"] == "http.response.body":
                    message = {**message, "body": b""}
                if message["type"] == "http.response.start":
                    context.status = message["status"]
                    own = message["headers"]
                    names = {name for name, _ in own}
                    more = (each for each in context.headers() if each[0] not in names)
                    message = {**message, "headers": [*own, *more]}
                    if CLOSE in message["headers"]:
                        close_after(receive)
                await send(message)

            try:
                context.check_open()
                await self._app(scope, receive, send_with_headers)
            except BaseException as error:
                answer = context.excuse(error)
                if not context.status:
                    await answer(scope, receive, send_with_headers)


def request_spans(provider: TracerProvider | None, probes: Collection[str]) -> TelemetryConfig:
    """Return FastAPI's telemetry settings: with a provider one span per request, without one none at all.

    FastAPI's metrics would count again what ``server.observe.metrics`` counts. Its logs hold exceptions, and its spans
    of operations the times of its own parts. Its automatic set-up would read the environment beside our settings.
    """
    return {
        "tracing": provider is not None,
        "tracer_provider": provider,
        "metrics": False,
        "logs": False,
        "operation_spans": False,
        "auto_configure": False,
        "exclude": lambda scope: _is_probe(scope["path"], probes),
    }


def _is_probe(path: str, of_formats: Collection[str]) -> bool:
    return path.startswith(_PROBES) or path in of_formats


def _is_cancelled() -> bool:
    """Whether this very request was cancelled, not something that it waited for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _log(answers: Sequence[_Answered]) -> None:
    """Log requests that were answered, all of them in one record, each with the time at which it ended.

    A request whose figures can not be written takes the lines of the others with it: that would be a bug.
    """
    if not _access.isEnabledFor(logging.INFO):
        return
    epoch_s = time.time() - time.perf_counter()
    lines = [
        (
            epoch_s + ended_s,
            {
                "request_id": state["request_id"],
                "route": route,
                "status": status,
                "ms": round(seconds * 1000, 3),
                **({"trace_id": traced} if traced else {}),
                **state.get("log_fields", dict)(),
            },
        )
        for state, route, status, seconds, ended_s, traced in answers
    ]
    _access.info("answered", extra={"lines": lines})


def _route(scope: Scope) -> str:
    """Return the path of the route that was taken, one of a closed set."""
    if "route" in scope:
        path: str = scope["route"].path
        return path
    document: str = scope["app"].openapi_url  # FastAPI's own route, which it does not name
    return document if scope["path"] == document else "unknown"
