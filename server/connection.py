"""Connections: limits on a request's head, which uvicorn leaves unbounded in size and time.

A sender that trickles a head or never ends it must hold neither memory nor a connection for long. Bodies have
their own limits in ``server.api.body``.
"""

import asyncio
import http
import uuid
from typing import Final

import orjson
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_MAX_HEAD_BYTES: Final = 32 * 1024
"""A proxy's usual limit is 8 to 32 KiB."""
_HEAD_TIMEOUT_S: Final = 10.0


class BoundedProtocol(HttpToolsProtocol):
    """HTTP/1.1 whose request heads are complete in 10 s and at most 32 KiB, or the connection closes."""

    _timer: asyncio.TimerHandle | None = None
    _head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn itself
        """Begin to wait for the first head."""
        super().connection_made(transport)
        self._begin_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._end_head()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse, and give up on a head that does not end."""
        super().data_received(data)
        if self._timer is None or self.transport.is_closing():
            return
        self._head_bytes += len(data)
        if self._head_bytes > _MAX_HEAD_BYTES:
            self._refuse(431, "invalid_request", f"the request's head has more than {_MAX_HEAD_BYTES} bytes")

    def on_message_begin(self) -> None:
        """Begin to wait for this head."""
        self._begin_head()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Let the request through if its head is small enough."""
        self._end_head()
        size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        if size > _MAX_HEAD_BYTES:
            self._refuse(431, "invalid_request", f"the request's head has more than {_MAX_HEAD_BYTES} bytes")
        else:
            super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer what is not HTTP with the error body that every error has."""
        if not self.transport.is_closing():
            self._refuse(400, "invalid_request", msg)

    def _begin_head(self) -> None:
        self._head_bytes = 0
        if self._timer is None:
            self._timer = self.loop.call_later(_HEAD_TIMEOUT_S, self._give_up)

    def _end_head(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _give_up(self) -> None:
        self._timer = None
        if not self.transport.is_closing():
            self._refuse(408, "timed_out", f"the request's head did not arrive in {_HEAD_TIMEOUT_S:g} s")

    def _refuse(self, status: int, kind: str, message: str) -> None:
        self._end_head()
        request_id = uuid.uuid4().hex
        body = orjson.dumps({"error": {"kind": kind, "message": message, "request_id": request_id}})
        head = (
            f"HTTP/1.1 {status} {http.HTTPStatus(status).phrase}\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\nx-request-id: {request_id}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()
