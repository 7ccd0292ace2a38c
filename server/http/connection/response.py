"""Responses past ASGI: a whole one in one write, and whether a request's caller has gone."""

from collections.abc import Iterable
from typing import Final

from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Send
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

CLOSE: Final = (b"connection", b"close")
_KEEP_ALIVE: Final = (b"connection", b"keep-alive")


class RenderedHeaders(list[tuple[bytes, bytes]]):
    """Headers that many responses share, and their bytes.

    Attributes:
        lines: the headers as they are written.
    """

    def __init__(self, headers: Iterable[tuple[bytes, bytes]]) -> None:
        super().__init__(headers)
        self.lines = b"".join(b"%b: %b\r\n" % header for header in self)


def send_whole(send: Send, answer: Response) -> bool:
    """Send a whole response in one write, which takes half as long as ASGI's two messages.

    Args:
        send: of ASGI.
        answer: ``content-length`` is among its headers, and ``connection`` can only be ``close``.

    Returns:
        Whether that was possible. If not, nothing was sent: the server is not uvicorn, something stands between, the
        caller reads slowly, or the response is not a plain one.
    """
    cycle = getattr(send, "__self__", None)
    if type(cycle) is not RequestResponseCycle or cycle.flow.write_paused:
        return False
    if answer.background is not None or isinstance(answer, StreamingResponse):
        return False
    if cycle.disconnected:
        return True
    if CLOSE in answer.raw_headers:
        cycle.keep_alive = False
    if not cycle.keep_alive:
        drop_keep_alive(cycle)
    shared = cycle.default_headers
    lines = shared.lines if type(shared) is RenderedHeaders else RenderedHeaders(shared).lines
    parts: list[bytes | memoryview] = [STATUS_LINE[answer.status_code], lines]
    for name, value in answer.raw_headers:
        parts += (name, b": ", value, b"\r\n")
    if not cycle.keep_alive and CLOSE not in answer.raw_headers:
        parts.append(b"connection: close\r\n")
    parts += (b"\r\n", answer.body)
    cycle.transport.write(b"".join(parts))
    cycle.response_started = cycle.response_complete = True
    if not cycle.keep_alive:
        cycle.transport.close()
    cycle.on_response()
    return True


def drop_keep_alive(cycle: RequestResponseCycle) -> None:
    """Take the promise of a further request out of a response that has not begun."""
    cycle.default_headers = [header for header in cycle.default_headers if header[0] not in _KEEP_ALIVE]


def close_after(receive: Receive) -> None:
    """Take that promise out of the response to the request of ASGI's ``receive``, if the server is uvicorn."""
    cycle = getattr(receive, "__self__", None)
    if type(cycle) is RequestResponseCycle:
        drop_keep_alive(cycle)


def has_disconnected(receive: Receive) -> bool | None:
    """Whether a request's caller has gone, or None if the server is not uvicorn.

    Args:
        receive: of ASGI.
    """
    cycle = getattr(receive, "__self__", None)
    return cycle.disconnected if type(cycle) is RequestResponseCycle else None
