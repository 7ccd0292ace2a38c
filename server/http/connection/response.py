"""Responses past ASGI: a whole one in one write, and whether a request's caller has gone."""

import itertools

from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Send
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle


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
    parts: list[bytes | memoryview] = [STATUS_LINE[answer.status_code]]
    for name, value in itertools.chain(cycle.default_headers, answer.raw_headers):
        if name == b"connection":
            cycle.keep_alive = False
        else:
            parts += (name, b": ", value, b"\r\n")
    if not cycle.keep_alive:
        parts.append(b"connection: close\r\n")
    parts += (b"\r\n", answer.body)
    cycle.transport.write(b"".join(parts))
    cycle.response_started = cycle.response_complete = True
    if not cycle.keep_alive:
        cycle.transport.close()
    cycle.on_response()
    return True


def has_disconnected(receive: Receive) -> bool | None:
    """Whether a request's caller has gone, or None if the server is not uvicorn.

    Args:
        receive: of ASGI.
    """
    cycle = getattr(receive, "__self__", None)
    return cycle.disconnected if type(cycle) is RequestResponseCycle else None
