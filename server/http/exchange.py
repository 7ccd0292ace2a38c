"""Exchange: a request and its answer without ASGI between them, for the routes that carry the load.

ASGI passes a body and an answer on in several messages. What that costs beside a run of the model shows where a
request takes two milliseconds.
"""

import asyncio
import itertools
from collections.abc import Iterable
from types import TracebackType
from typing import Any, Final, Protocol

from starlette.types import Receive, Scope
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from server.errors import CallerGoneError

_GONE: Final = "the caller disconnected before its answer was ready"


class Exchange:
    """A request that can be answered in one step.

    As ``with exchange: ...`` it cancels the enclosed work when the caller disconnects, and raises CallerGoneError then.

    Args:
        cycle: what uvicorn knows of it.

    Attributes:
        scope: of ASGI.
        receive: of ASGI.
    """

    def __init__(self, cycle: RequestResponseCycle) -> None:
        self.scope: Scope = cycle.scope  # type: ignore[assignment]  # a dictionary, in stricter words
        self.receive: Receive = cycle.receive  # type: ignore[assignment]
        self._cycle = cycle
        self._task: asyncio.Task[Any] | None = None

    def whole_body(self) -> bytes | None:
        """Return the body, once, or None if it has not arrived."""
        cycle = self._cycle
        if cycle.more_body:
            return None
        cycle.flow.resume_reading()
        body, cycle.body = cycle.body, bytearray()
        return bytes(body)

    async def send(self, status: int, headers: Iterable[tuple[bytes, bytes]], body: bytes) -> None:
        """Send the answer to whoever is still there.

        Args:
            status: of HTTP.
            headers: names in lower case; ``content-length`` is one of them, ``connection`` can only be ``close``.
            body: all of it.
        """
        cycle = self._cycle
        if cycle.flow.write_paused and not cycle.disconnected:
            await cycle.flow.drain()
        if cycle.disconnected:
            return
        lines = [STATUS_LINE[status]]
        for name, value in itertools.chain(cycle.default_headers, headers):
            if name == b"connection":
                cycle.keep_alive = False
            else:
                lines += (name, b": ", value, b"\r\n")
        if not cycle.keep_alive:
            lines.append(b"connection: close\r\n")
        lines += (b"\r\n", body)
        cycle.transport.write(b"".join(lines))
        cycle.response_started = cycle.response_complete = True
        if not cycle.keep_alive:
            cycle.transport.close()
        cycle.on_response()

    async def take(self, way: "ShortWay") -> None:
        """Have it answered; a request that is not, for whatever reason, leaves no connection that waits."""
        try:
            await way.serve(self)
        finally:
            if not self._cycle.response_complete:
                self._cycle.transport.close()
            self._let_go()

    def abandon(self) -> None:
        """Cancel what is done for a caller that has gone."""
        self._let_go()
        if not self._cycle.response_complete:
            self._cycle.disconnected = True  # uvicorn tells the last request of a connection alone
            self._cycle.message_event.set()
        if self._task is not None:
            self._task.cancel()

    def __enter__(self) -> None:
        """Begin to listen."""
        if self._cycle.disconnected:
            raise CallerGoneError(_GONE)
        self._task = asyncio.current_task()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop listening."""
        task, self._task = self._task, None
        if kind is asyncio.CancelledError and self._cycle.disconnected and task and not task.uncancel():
            raise CallerGoneError(_GONE) from error

    def _let_go(self) -> None:
        """Break the ring of cycle and connection, which only the garbage collector would free."""
        self._cycle.on_response = _do_nothing


class ShortWay(Protocol):
    """What answers some requests past ASGI."""

    def serves(self, scope: Any) -> bool:  # noqa: ANN401 - of ASGI, of which uvicorn and Starlette have types each
        """Whether this request is one of them."""
        ...

    async def serve(self, exchange: Exchange) -> None:
        """Answer it."""
        ...


def _do_nothing() -> None:
    pass
