"""Calls: a request for predictions as the endpoints see it, whichever way it came."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass

from starlette.requests import Request
from starlette.types import Receive, Scope

from server.http.body import Bodies
from server.http.caller import WhileConnected
from server.http.exchange import Exchange
from server.http.headers import header
from server.observe.metrics import Metrics
from server.observe.tracing import annotate
from server.settings import Settings


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
        return await self.services.bodies.read(self._scope, self._receive)

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
