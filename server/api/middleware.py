"""The middleware around every request: its id, whether it is taken, its counting and its log line."""

import asyncio
import logging
import os
import re
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.api.errors import error_response, render
from server.api.headers import header
from server.connection import SAFE_HEADERS
from server.errors import DrainingError
from server.lifecycle import Lifecycle
from server.metrics import Metrics
from server.tracing import annotate, trace_id

_access = logging.getLogger("server.access")
_logger = logging.getLogger(__name__)
_SANE_ID = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")
_HEALTH = "/health/"
_WHILE_DRAINING = (_HEALTH, "/metrics")
"""What is answered to the end: the last figures must not be lost."""


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
        request_id = _request_id(scope)
        scope.setdefault("state", {})["request_id"] = request_id
        annotate(lambda: {"request_id": request_id})
        started = time.perf_counter()
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = [*message["headers"], (b"x-request-id", request_id.encode()), *SAFE_HEADERS]
                if self._lifecycle.draining:
                    headers.append((b"connection", b"close"))  # the next request must find another server
                message = {**message, "headers": headers}
            await send(message)

        with self._lifecycle.in_flight:
            try:
                await self._handle(scope, receive, send_with_id)
            except asyncio.CancelledError:  # the time to drain is over
                if not self._lifecycle.draining:
                    raise
                if not status:
                    await _refuse(scope, receive, send_with_id)
            except Exception:
                _logger.exception("request %s failed; this is a bug", request_id)
                if not status:
                    response = error_response("engine_failed", "the server failed; try again", 500, request_id)
                    await response(scope, receive, send_with_id)
            finally:
                seconds = time.perf_counter() - started
                self._metrics.ledger.note(self._count, scope, status, seconds, request_id, trace_id())

    async def _handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._lifecycle.draining and not scope["path"].startswith(_WHILE_DRAINING):
            await _refuse(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _count(self, scope: Scope, status: int, seconds: float, request_id: str, traced: str | None) -> None:
        route = _route(scope)
        self._metrics.count_answer(route, status, seconds)
        if not route.startswith(_HEALTH):
            fields = {"request_id": request_id, "route": route, "status": status, "ms": round(seconds * 1000, 3)}
            trace = {"trace_id": traced} if traced else {}
            _access.info("answered", extra={"fields": fields | trace | scope["state"].get("log_fields", dict)()})


def _route(scope: Scope) -> str:
    """Return the path of the route that was taken, one of a closed set."""
    if "route" in scope:
        path: str = scope["route"].path
        return path
    document: str = scope["app"].openapi_url  # FastAPI's own route, which it does not name
    return document if scope["path"] == document else "unknown"


async def _refuse(scope: Scope, receive: Receive, send: Send) -> None:
    refusal = DrainingError("the server is shutting down; send the request to another one")
    await render(refusal, scope["state"]["request_id"])(scope, receive, send)


def _request_id(scope: Scope) -> str:
    """Return the caller's id if it is short and plain, so that it can stand in logs, else a new one."""
    sent = header(scope, b"x-request-id")
    return sent if sent and _SANE_ID.fullmatch(sent) else os.urandom(16).hex()
