"""The fast path: predictions past FastAPI, whose layers take longer than ours.

It is the outermost ASGI application. FastAPI documents the same routes and serves them where there is more to do: a
dependency that is overridden, middleware that is added, a page of another origin, a trace. Both give a request the
same context and end in the same endpoint and the same errors. A program that changes the application otherwise, such
as its exception handlers, sets ``state.fast_path`` to None before it serves.
"""

from collections.abc import Sequence

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.types import Receive, Scope, Send

from server.http.call import Call, Services
from server.http.connection.response import send_whole
from server.http.context import RequestContext
from server.http.dependencies import check_api_key
from server.http.headers import header
from server.http.wire_format import Endpoint, WireFormat
from server.inference.classifier import Classifier


class FastPath:
    """Answer POST requests for predictions; hand all other requests to the application.

    Args:
        app: the finished application, which serves the same routes.
        formats: their wire formats.
    """

    def __init__(self, app: FastAPI, formats: Sequence[WireFormat]) -> None:
        self._app = app
        self._layers = len(app.user_middleware)
        routes = [
            (route, each.endpoints[route.path])
            for each in formats
            for route in each.router.routes
            if isinstance(route, APIRoute) and route.methods == {"POST"}
        ]
        self._routes: dict[str, tuple[APIRoute, Endpoint]] = {
            route.path: (route, endpoint) for route, endpoint in reversed(routes) if "{" not in route.path
        }
        self._templates = [(route, endpoint) for route, endpoint in routes if "{" in route.path]
        self._classifier: Classifier = app.state.classifier
        self._services: Services = app.state.services

    def _find(self, scope: Scope) -> tuple[APIRoute, Endpoint] | None:
        """Return the route and the endpoint of a request, or None where it needs more than an endpoint."""
        if (
            scope["type"] != "http"
            or scope["method"] != "POST"
            or self._app.dependency_overrides
            or len(self._app.user_middleware) != self._layers
            or (self._services.settings.allowed_origins and header(scope, b"origin") is not None)
        ):
            return None
        path: str = scope["path"]
        found = self._routes.get(path)
        if found is None:
            for route, endpoint in self._templates:
                if match := route.path_regex.match(path):
                    scope["path_params"] = match.groupdict()
                    return route, endpoint
        return found

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        found = self._find(scope)
        if found is None:
            await self._app(scope, receive, send)
            return
        services = self._services
        scope["app"] = self._app
        with RequestContext(scope, services) as context:
            try:
                context.check_open()
                scope["route"], endpoint = found
                check_api_key(scope, services.settings.api_keys)
                with Call(scope, receive, services) as call:
                    answer = await endpoint(call, self._classifier)
            except BaseException as error:
                answer = context.excuse(error)
            context.status = answer.status_code
            answer.raw_headers += context.headers()
            if not send_whole(send, answer):
                await answer(scope, receive, send)
