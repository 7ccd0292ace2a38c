"""The protocol of a connection: HTTP/1.1 with bounds on size, on time and on kind.

A sender that trickles a head, never ends it, or is silent holds neither memory nor a connection for long. An offer to
upgrade is declined instead of swallowing the body. Bodies have their own limits in ``server.http.body``.
"""

import asyncio
import resource
from typing import Final

import httptools
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from server.errors import VerdictError
from server.http.errors import LargeHeadError, NotHttpError, SlowHeadError, TooManyConnectionsError, render
from server.http.headers import SAFE_HEADERS, new_request_id

_MAX_HEAD_BYTES: Final = 32 * 1024
"""A proxy's usual limit is 8 to 32 KiB."""
_PATIENCE_S: Final = 10.0
"""For a head, and for the rest of a body that was answered before it ended."""
_RESERVED_DESCRIPTORS: Final = 64
"""Files that the process needs beside its connections."""
_HOP_BY_HOP: Final = (b"upgrade", b"http2-settings")


class BoundedProtocol(HttpToolsProtocol):
    """HTTP/1.1 with bounds on heads, on silence and on the number of connections."""

    _timer: asyncio.TimerHandle | None = None
    _head_bytes = 0
    _packet_bytes = 0
    _in_head = True
    _answering: RequestResponseCycle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn itself
        """Wait for the first head, if there is a descriptor to spare."""
        super().connection_made(transport)
        if len(self.connections) > _max_connections():
            self._refuse(TooManyConnectionsError("too many connections are open; retry in a second", 1.0))
        else:
            self._start_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the request being answered: uvicorn tells the last request of the connection alone."""
        self._stop_timer()
        super().connection_lost(exc)
        cycle, self._answering = self._answering, None
        if cycle is not None and not cycle.response_complete:
            cycle.disconnected = True
            cycle.message_event.set()

    def data_received(self, data: bytes) -> None:
        """Parse; decline upgrades; refuse a head that does not end."""
        self._packet_bytes = len(data)
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as offer:
            self._decline_upgrade(data[offer.args[0] :])
        except httptools.HttpParserError:
            self._refuse(NotHttpError("the request is not HTTP/1.1"))
        if self.transport.is_closing() or self._is_answering():
            return
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > _MAX_HEAD_BYTES:
                self._refuse_head()
        if self._timer is None:
            self._start_timer()

    def on_message_begin(self) -> None:
        """Count the bytes of this head."""
        self._in_head, self._head_bytes = True, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Let the request through if its head is small enough."""
        if self._declines_upgrade():
            return
        self._in_head = False
        self._stop_timer()
        received = self._head_bytes + self._packet_bytes  # some of it may be the body, or another request
        if received > _MAX_HEAD_BYTES and self._head_size() > _MAX_HEAD_BYTES:
            self._refuse_head()
        else:
            super().on_headers_complete()

    def on_message_complete(self) -> None:
        """End the body, unless the parser ended it for an upgrade that is declined."""
        if not self._declines_upgrade():
            self._stop_timer()
            super().on_message_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._answering = cycle
        super()._start_asgi_task(cycle, app)

    def _head_size(self) -> int:
        return len(self.url) + sum(len(name) + len(value) for name, value in self.headers)

    def _declines_upgrade(self) -> bool:
        return bool(self.parser.should_upgrade()) and self.parser.get_method() != b"CONNECT"

    def _decline_upgrade(self, rest: bytes) -> None:
        """Read the request again without the offer to upgrade (RFC 9110, section 7.8).

        The parser keeps everything behind the head for the other protocol. Java's clients offer HTTP/2 with every
        request, so their bodies would be lost, or read as a request of their own.
        """
        if self.parser.get_method() == b"CONNECT":
            self._refuse(NotHttpError("this server is no proxy"))
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
            self._refuse(SlowHeadError(f"the request's head did not arrive in {_PATIENCE_S:g} s"))
        else:
            self.transport.close()

    def _refuse_head(self) -> None:
        self._refuse(LargeHeadError(f"the request's head has more than {_MAX_HEAD_BYTES} bytes"))

    def _refuse(self, error: VerdictError) -> None:
        """Answer before there is a request, and close. A response that is still owed comes first and ends it alone."""
        self._stop_timer()
        if self.transport.is_closing():
            return
        if self._is_answering():
            self.cycle.keep_alive = False
            return
        self.transport.write(_refusal(error))
        self.transport.close()


def _refusal(error: VerdictError) -> bytes:
    """Return a whole response to bytes that have not become a request."""
    request_id = new_request_id()
    answer = render(error, request_id)
    headers = [*answer.raw_headers, (b"x-request-id", request_id.encode()), *SAFE_HEADERS]
    lines = b"".join(b"%b: %b\r\n" % header for header in headers)
    return STATUS_LINE[answer.status_code] + lines + b"\r\n" + bytes(answer.body)


def _max_connections() -> int:
    """Return how many connections leave the process enough descriptors for its own files."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(16, soft - _RESERVED_DESCRIPTORS)


def _without_upgrade(name: bytes, value: bytes) -> bytes:
    if name != b"connection":
        return value
    tokens = [token.strip() for token in value.split(b",")]
    return b", ".join(token for token in tokens if token.lower() not in _HOP_BY_HOP) or b"keep-alive"
