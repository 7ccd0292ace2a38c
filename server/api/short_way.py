"""The short way: predictions past FastAPI's layers, routing and resolution of dependencies, which cost more than ours.

FastAPI still owns the routes: it documents them, and it serves them wherever somebody overrides a dependency or
traces requests. Both ways go through the same middleware and end in the same endpoint and the same errors.
"""

from collections.abc import Iterable, Sequence

from fastapi.routing import APIRoute
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from server.api.dependencies import get_classifier, require_api_key
from server.api.errors import render
from server.errors import VerdictError


class ShortWay:
    """Call the endpoints of some routes directly, as ``endpoint(request, classifier)``.

    Args:
        app: answers everything else; it has the middleware already.
        routes: with a path each, without parameters, behind the API key, and POST.
        middleware: what goes around the endpoints, the outermost first.
    """

    def __init__(self, app: ASGIApp, *, routes: Iterable[APIRoute], middleware: Sequence[Middleware]) -> None:
        self._app = app
        self._routes = {route.path: route for route in routes}
        self._short: ASGIApp = self._serve
        for layer in reversed(middleware):
            self._short = layer.cls(self._short, *layer.args, **layer.kwargs)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        short = scope.get("path") in self._routes and scope.get("method") == "POST"
        if short and not scope["app"].dependency_overrides:
            await self._short(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["route"] = route = self._routes[scope["path"]]
        request = Request(scope, receive, send)
        try:
            await require_api_key(request)
            response = await route.endpoint(request, await get_classifier(request))
        except VerdictError as error:
            response = render(error, request.state.request_id)
        await response(scope, receive, send)
