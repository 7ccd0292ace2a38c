"""The short way: predictions past ASGI and FastAPI, whose layers cost more than ours.

FastAPI still owns the routes: it documents them, and it serves them where there is more to do than the short way
knows of: a dependency that somebody overrides, middleware that somebody adds, a page of another origin, a trace.
Both ways give a request the same context and end in the same endpoint and the same errors. Whoever changes the
application otherwise, such as its handlers of exceptions, sets its ``state.short_way`` to None before it is served.
"""

from collections.abc import Awaitable, Callable, Mapping

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from starlette.responses import Response
from starlette.types import Scope

from server.http.call import Call, DirectCall, Services, header
from server.http.context import RequestContext
from server.http.dependencies import check_api_key
from server.http.exchange import Exchange
from server.inference.classifier import Classifier
from server.lifecycle import Lifecycle

Endpoint = Callable[[Call, Classifier], Awaitable[Response]]


class ShortWay:
    """Answer calls of some routes.

    Args:
        app: the finished application, which serves the same routes.
        router: those routes.
        endpoints: what answers their POST requests, behind the API key, by path.
    """

    def __init__(self, app: FastAPI, router: APIRouter, endpoints: Mapping[str, Endpoint]) -> None:
        self._app = app
        self._layers = len(app.user_middleware)
        self._routes = {route.path: route for route in router.routes if isinstance(route, APIRoute)}
        self._endpoints = endpoints
        self._classifier: Classifier = app.state.classifier
        self._services: Services = app.state.services
        self._lifecycle: Lifecycle = app.state.lifecycle

    def serves(self, scope: Scope) -> bool:
        """Whether nothing but an endpoint is asked for."""
        return (
            scope["path"] in self._endpoints
            and scope["method"] == "POST"
            and not self._app.dependency_overrides
            and len(self._app.user_middleware) == self._layers
            and (not self._services.settings.allowed_origins or header(scope, b"origin") is None)
        )

    async def serve(self, exchange: Exchange) -> None:
        """Answer one request."""
        scope = exchange.scope
        scope["app"] = self._app
        with RequestContext(scope, self._lifecycle, self._services.metrics) as context:
            try:
                context.check_open()
                scope["route"] = self._routes[scope["path"]]
                check_api_key(scope, self._services.settings.api_keys)
                call = DirectCall(exchange, self._services)
                answer = await self._endpoints[scope["path"]](call, self._classifier)
            except BaseException as error:
                answer = context.excuse(error)
            context.status = answer.status_code
            await exchange.send(answer.status_code, [*answer.raw_headers, *context.headers()], bytes(answer.body))
