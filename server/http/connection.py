"""Connections: what uvicorn leaves open, in size, in time and in kind.

A sender that trickles a head, never ends it, or is silent holds neither memory nor a connection for long; an offer
to upgrade is declined instead of swallowing the body. Bodies have their own limits in ``server.http.body``.
"""

import asyncio
import http
import os
import resource
from typing import Any, Final

import httptools
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from server.http.errors import error_body
from server.http.exchange import Exchange, ShortWay

_MAX_HEAD_BYTES: Final = 32 * 1024
"""A proxy's usual limit is 8 to 32 KiB."""
_PATIENCE_S: Final = 10.0
"""For a head, and for the rest of a body that was answered before it ended."""
_RESERVED_DESCRIPTORS: Final = 64
"""Files that the process needs beside its connections."""
SAFE_HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),  # errors quote the caller: no browser may read HTML in it
    (b"cache-control", b"no-store"),  # a kept answer may hold someone's text or old health
)
"""Of every answer."""
_HOP_BY_HOP: Final = (b"upgrade", b"http2-settings")


class BoundedProtocol(HttpToolsProtocol):
    """HTTP/1.1 with bounds on heads, on silence and on the number of connections.

    Args:
        short_way: what answers some requests past the ASGI application.
        uvicorn: what uvicorn hands over.
    """

    _timer: asyncio.TimerHandle | None = None
    _head_bytes = 0
    _packet_bytes = 0
    _in_head = True
    _exchange: Exchange | None = None

    def __init__(self, short_way: ShortWay | None = None, **uvicorn: Any) -> None:  # noqa: ANN401 - as uvicorn has them
        super().__init__(**uvicorn)
        self._short_way = short_way

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn itself
        """Begin to wait for the first head, if there is a descriptor to spare."""
        super().connection_made(transport)
        if len(self.connections) > _max_connections():
            self._refuse(503, "overloaded", "too many connections; retry in a second")
        else:
            self._start_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting, and working."""
        self._stop_timer()
        super().connection_lost(exc)
        if self._exchange is not None:
            self._exchange.abandon()

    def data_received(self, data: bytes) -> None:
        """Parse; decline upgrades; give up on a head that does not end."""
        self._packet_bytes = len(data)
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as offer:
            self._decline_upgrade(data[offer.args[0] :])
        except httptools.HttpParserError:
            self.send_400_response("the request is not HTTP/1.1")
        if self.transport.is_closing() or self._is_answering():
            return
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > _MAX_HEAD_BYTES:
                self._refuse_head()
        if self._timer is None:
            self._start_timer()

    def on_message_begin(self) -> None:
        """Begin to wait for this head."""
        self._in_head, self._head_bytes = True, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Let the request through if its head is small enough."""
        if self._declines_upgrade():
            return
        self._in_head = False
        self._stop_timer()
        came = self._head_bytes + self._packet_bytes  # a part of which may be the body, or another request
        if came > _MAX_HEAD_BYTES and self._head_size() > _MAX_HEAD_BYTES:
            self._refuse_head()
        else:
            super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Note the end of a body, unless the parser ended it for an upgrade that is declined."""
        if not self._declines_upgrade():
            self._stop_timer()
            super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer what is not HTTP with the error body that every error has."""
        self._refuse(400, "invalid_request", msg)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        """Take the short way where there is one."""
        way = self._short_way if app is self.app else None
        if way is None or not way.serves(cycle.scope):
            super()._start_asgi_task(cycle, app)
            return
        self._exchange = Exchange(cycle)
        task = self.loop.create_task(self._exchange.take(way))
        task.add_done_callback(self.tasks.discard)
        self.tasks.add(task)

    def _head_size(self) -> int:
        return len(self.url) + sum(len(name) + len(value) for name, value in self.headers)

    def _declines_upgrade(self) -> bool:
        return bool(self.parser.should_upgrade()) and self.parser.get_method() != b"CONNECT"

    def _decline_upgrade(self, rest: bytes) -> None:
        """Read the request again as if HTTP/1.1 alone had been spoken of (RFC 9110, section 7.8).

        The parser takes everything behind the head for the other protocol. Java's clients offer HTTP/2 with every
        request, so their bodies would be lost, or read as a request of their own.
        """
        if self.parser.get_method() == b"CONNECT":
            self.send_400_response("this server is no proxy")
            return
        kept = [(name, value) for name, value in self.headers if name not in _HOP_BY_HOP]
        lines = b"".join(b"%b: %b\r\n" % (name, _without_upgrade(name, value)) for name, value in kept)
        head = b"%b %b HTTP/1.1\r\n%b\r\n" % (self.parser.get_method(), self.url, lines)
        self.parser = httptools.HttpRequestParser(self)
        self.data_received(head + rest)

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _start_timer(self) -> None:
        self._timer = self.loop.call_later(_PATIENCE_S, self._give_up)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _give_up(self) -> None:
        self._timer = None
        if self._in_head and self._head_bytes:
            self._refuse(408, "timed_out", f"the request's head did not arrive in {_PATIENCE_S:g} s")
        else:
            self.transport.close()

    def _refuse_head(self) -> None:
        self._refuse(431, "invalid_request", f"the request's head has more than {_MAX_HEAD_BYTES} bytes")

    def _refuse(self, status: int, kind: str, message: str) -> None:
        """Answer outside the application and close, but never before an answer that is still owed."""
        self._stop_timer()
        if self.transport.is_closing():
            return
        if self._is_answering():
            self.cycle.keep_alive = False
            return
        request_id = os.urandom(16).hex()
        body = error_body(kind, message, request_id)
        head = (
            f"HTTP/1.1 {status} {http.HTTPStatus(status).phrase}\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\nx-request-id: {request_id}\r\nconnection: close\r\n"
        )
        safe = b"".join(b"%b: %b\r\n" % header for header in SAFE_HEADERS)
        self.transport.write(head.encode() + safe + b"\r\n" + body)
        self.transport.close()


def _max_connections() -> int:
    """Return how many connections leave the process descriptors for its own files."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(16, soft - _RESERVED_DESCRIPTORS)


def _without_upgrade(name: bytes, value: bytes) -> bytes:
    if name != b"connection":
        return value
    tokens = [token.strip() for token in value.split(b",")]
    return b", ".join(token for token in tokens if token.lower() not in _HOP_BY_HOP) or b"keep-alive"
