"""The middleware that gives every request its context."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.http.context import RequestContext
from server.lifecycle import Lifecycle
from server.observe.metrics import Metrics


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
