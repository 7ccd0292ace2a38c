"""Calls: a request for predictions as the endpoints see it, whichever way it came."""

import asyncio
import re
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import TracebackType
from typing import Final

from starlette.requests import Request
from starlette.types import Receive, Scope

from server.errors import CallerGoneError, InvalidRequestError
from server.http.body import Bodies
from server.http.exchange import Exchange
from server.observe.metrics import Metrics
from server.observe.tracing import annotate
from server.settings import Settings

_UNWATCHED_S: Final = 0.05
TIMEOUT_HEADER: Final = b"x-request-timeout-ms"
_MILLISECONDS = re.compile(r"[1-9][0-9]{0,8}")
PARAMETERS: Final = [
    {
        "name": TIMEOUT_HEADER.decode(),
        "in": "header",
        "required": False,
        "schema": {"type": "integer", "minimum": 1, "maximum": 999_999_999},
        "description": "how long the caller waits at most; the server's own limit where that is less",
    }
]
"""The headers that a prediction heeds, for the OpenAPI document."""


@dataclass(frozen=True, slots=True)
class Services:
    """What endpoints need of the application.

    Attributes:
        settings: the operator's limits.
        metrics: where texts are counted.
        bodies: what reads them.
    """

    settings: Settings
    metrics: Metrics
    bodies: Bodies


class Call:
    """A request by way of FastAPI.

    Args:
        scope: of ASGI; the application has ``Services`` as ``state.services``.
        receive: of ASGI.
        services: those of the application.
    """

    __slots__ = ("_receive", "_scope", "services")

    def __init__(self, scope: Scope, receive: Receive, services: Services) -> None:
        self._scope = scope
        self._receive = receive
        self.services = services

    @classmethod
    def of(cls, request: Request) -> "Call":
        """Return FastAPI's request as a call."""
        return cls(request.scope, request.receive, request.app.state.services)

    def header(self, name: bytes) -> str | None:
        """Return the first header of a name in lower case, or None."""
        return header(self._scope, name)

    async def body(self) -> bytes:
        """Return the whole body; raises as ``Bodies.read``."""
        return await self.services.bodies.read(self._receive, self.header(b"content-length"))

    def while_connected(self) -> AbstractContextManager[None]:
        """Cancel what is enclosed, and raise CallerGoneError, when the caller disconnects."""
        return WhileConnected(self._receive)

    def tell(self, figures: Callable[[], Mapping[str, float]]) -> None:
        """Have figures in the request's log line and on its span."""
        self._scope["state"]["log_fields"] = figures
        annotate(figures)


class DirectCall(Call):
    """A request by the short way.

    Args:
        exchange: what came from the connection.
        services: those of the application.
    """

    __slots__ = ("_exchange",)

    def __init__(self, exchange: Exchange, services: Services) -> None:
        super().__init__(exchange.scope, exchange.receive, services)
        self._exchange = exchange

    async def body(self) -> bytes:
        """Return the whole body; most have arrived with their heads."""
        body = self._exchange.whole_body()
        if body is None:
            return await super().body()
        self.services.bodies.check(len(body))
        return body

    def while_connected(self) -> AbstractContextManager[None]:
        """As with any call, by the connection itself instead of a task that watches it."""
        return self._exchange


class WhileConnected:
    """Cancel the enclosed work when the caller disconnects, so that its texts leave the queue.

    Use as ``with WhileConnected(receive): ...`` after the body has been read. It looks only at those who wait: a task
    that watches costs more than what most requests would save by it.

    Raises:
        CallerGoneError: from the block, in place of the cancellation.
    """

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._gone = False
        self._watcher: asyncio.Task[None] | None = None

    def __enter__(self) -> None:
        """Begin to watch in a moment."""
        self._task = asyncio.current_task()
        self._timer = asyncio.get_running_loop().call_later(_UNWATCHED_S, self._start)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop watching; does not wait, so that no cancellation can arrive between the work and its answer."""
        self._timer.cancel()
        if self._watcher is not None:
            self._watcher.cancel()
        task = self._task
        del self._timer, self._watcher, self._task  # each leads back here: a ring that only the collector would free
        if self._gone and isinstance(error, asyncio.CancelledError) and task and not task.uncancel():
            raise CallerGoneError("the caller disconnected before its answer was ready") from error

    def _start(self) -> None:
        self._watcher = asyncio.create_task(self._watch())

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._gone = True
        if self._task:
            self._task.cancel()


def patience_s(sent: str | None, limit_s: float) -> float:
    """Return how long a request may wait: the operator's limit, or less if the caller asks for less.

    Args:
        sent: the header ``x-request-timeout-ms``, if there is one.
        limit_s: the setting ``request_timeout_s``.

    Raises:
        InvalidRequestError: if the header ``x-request-timeout-ms`` is not a positive number of milliseconds.
    """
    if sent is None:
        return limit_s
    if not _MILLISECONDS.fullmatch(sent):
        raise InvalidRequestError(
            f"{TIMEOUT_HEADER.decode()}: {sent[:20]!r} is not a number of milliseconds; send 1 to 999999999"
        )
    return min(limit_s, int(sent) / 1000)


def header(scope: Scope, name: bytes) -> str | None:
    """Return the first header of a name in lower case, or None.

    Starlette's ``Headers`` says the same and costs five times as much, several times a request.
    """
    for key, value in scope["headers"]:
        if key == name:
            text: str = value.decode("latin-1")
            return text
    return None
