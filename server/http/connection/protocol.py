"""The protocol of a connection: HTTP/1.1 with bounds on size, on time, on kind, and on what waits behind a request.

A sender that trickles a head, never ends it, or is silent holds neither memory nor a connection for long. A request is
parsed when the one before it is answered; until then the connection is not read beyond what it has already sent. An
offer to upgrade is declined instead of swallowing the body. Bodies have their own limits in ``server.http.body``.
"""

import asyncio
from typing import Any, Final

import httptools
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from server.errors import VerdictError
from server.http.connection.head import MAX_HEAD_BYTES, MAX_HEADERS, find_host, is_large, large_head
from server.http.connection.reading import HEAD_END, LockedFlow, Splitter
from server.http.connection.refusals import REASONS, Reason, Refusal
from server.http.connection.response import drop_keep_alive
from server.http.connection.shared import Connections
from server.http.connection.upgrade import head_without_upgrade
from server.http.errors import (
    BadHostError,
    NotHttpError,
    SlowHeadError,
    TooManyConnectionsError,
)

_MAX_HELD_BYTES: Final = 64 * 1024
"""Of one connection, behind a request that is not answered; above it, only the last read, of 256 KiB at most."""
_PIPELINE_PAUSE_S: Final = 0.001
"""Between a response and a request that was sent before it: one connection must not keep the event loop busy."""
_PATIENCE_S: Final = 10.0
"""For a head, and for the rest of a body that was answered before it ended."""


class BoundedProtocol(HttpToolsProtocol):
    """HTTP/1.1 with bounds on heads, on silence, on the number of connections and on what one may hold.

    Args:
        shared: what all connections share.
        uvicorn: what uvicorn passes to its protocols.

    Attributes:
        unread_since_s: when bytes of an answer last left for the caller, by the event loop's clock.
        unread_bytes: of answers that have not left.
    """

    flow: LockedFlow
    _timer: asyncio.TimerHandle | None = None
    _answering: RequestResponseCycle | None = None
    _head_bytes = 0
    _piece_bytes = 0
    _host: bytes | None = None
    _declining = False
    _unparsed = b""
    _parsed_bytes = 0
    unread_since_s = 0.0
    unread_bytes = 0

    def __init__(self, shared: Connections, **uvicorn: Any) -> None:  # noqa: ANN401 - uvicorn's own
        super().__init__(**uvicorn)
        self._shared = shared
        self._splitter = Splitter()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn itself
        """Wait for the first head, if there is room for a connection."""
        super().connection_made(transport)
        self.flow = LockedFlow(transport)
        if len(self.connections) > self._shared.max_connections:
            self._refuse(TooManyConnectionsError("too many connections are open; retry in a second", 1.0))
        else:
            self._start_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the request being answered: uvicorn tells the last request of the connection alone."""
        self._stop_timer()
        self._keep(b"")
        super().connection_lost(exc)
        cycle, self._answering = self._answering, None
        if cycle is not None and not cycle.response_complete:
            cycle.disconnected = True
            cycle.message_event.set()

    def data_received(self, data: bytes) -> None:
        """Parse the next request, or keep what was read until the one before is answered."""
        self._unset_keepalive_if_required()
        if self._unparsed or self._owes_whole():
            self._hold(self._unparsed[self._parsed_bytes :] + data)
        elif self._splitter.is_one(data, MAX_HEAD_BYTES):  # most requests arrive alone and in one piece
            self._feed(data)
            if self._splitter.in_message or self.cycle is None or self.cycle.response_complete:
                self._parsed(data)
        else:
            self._parse(data)

    def on_response_complete(self) -> None:
        """Parse the next request soon, if it was read already."""
        super().on_response_complete()
        if self._unparsed and not self.transport.is_closing():
            self.loop.call_later(_PIPELINE_PAUSE_S, self._parse_unparsed)

    def _parse_unparsed(self) -> None:
        if self._unparsed and not self.transport.is_closing():
            self._unset_keepalive_if_required()
            self._parse(self._unparsed, self._parsed_bytes)

    def _parse(self, data: bytes, at: int = 0) -> None:
        """Parse from ``at`` until a whole request waits for its answer; refuse a head that does not end."""
        splitter = self._splitter
        while at < len(data) and not (self._owes_whole() or self.transport.is_closing()):
            end = splitter.part_end(data, at)
            piece = data[at:end]
            at = end
            self._feed(piece)
            self._parsed(piece)
        if self.transport.is_closing():
            self._keep(b"")
        elif at < len(data):
            self._hold(data, at)
        elif self._unparsed:
            self._hold(b"")

    def _parsed(self, piece: bytes) -> None:
        """Bound the size and the time of a message that is not complete."""
        splitter = self._splitter
        if splitter.in_message:
            splitter.parsed(piece, self.headers)
            if splitter.in_head:
                self._check_growing_head(piece)
        if self._timer is None and not (self._is_answering() or self.transport.is_closing()):
            self._start_timer()

    def _feed(self, piece: bytes) -> None:
        self._piece_bytes = len(piece)
        try:
            self.parser.feed_data(piece)
        except httptools.HttpParserUpgrade as offer:
            self._decline_upgrade(piece[offer.args[0] :])
        except httptools.HttpParserError:
            self._refuse(NotHttpError("the request is not HTTP/1.1"))

    def _hold(self, data: bytes, at: int = 0) -> None:
        """Keep what waits for the answer to the request before it; where that is much, read no more.

        As long as the connection is read, the server sees that the caller disconnects.
        """
        self._keep(data, at)
        flow = self.flow
        if self._shared.holds_too_much:
            self._keep(b"")
            flow.lock()
            self._end_after_answer("too_much_pipelined")
        elif len(data) - at > _MAX_HELD_BYTES:
            flow.lock()
        else:
            flow.unlock()

    def _keep(self, data: bytes, at: int = 0) -> None:
        self._shared.held_bytes += len(data) - len(self._unparsed)
        self._unparsed, self._parsed_bytes = data, at

    def on_message_begin(self) -> None:
        """Count the bytes of this head."""
        self._head_bytes = 0
        self._splitter.begin()
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header."""
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """Let the request through if its head is small enough and names one host."""
        self._declining = self.parser.should_upgrade()
        if self._declining:
            return
        self._splitter.in_head = False
        self._stop_timer()
        received = self._head_bytes + self._piece_bytes  # some of it may be the body, or another request
        if is_large(self.url, self.headers, received):
            self._refuse(large_head())
            return
        names = [name for name, _ in self.headers]
        if names.count(b"host") != 1 or self.headers[names.index(b"host")][1] != self._host:
            self._host = find_host(self.headers, self.parser.get_http_version())
            if self._host is None:
                self._refuse(BadHostError("one Host header must name the host; see RFC 9112, section 3.2"))
                return
        if b"expect" in names:
            value = self.headers[names.index(b"expect")][1]
            self.expect_100_continue = value.lower() == b"100-continue"
        super().on_headers_complete()
        if self.parser.get_http_version() == "1.0" and self.parser.should_keep_alive():
            self.cycle.keep_alive = True  # as ApacheBench asks; uvicorn would close
        if self.cycle.keep_alive:
            self.cycle.default_headers = self._shared.with_keep_alive(self.cycle.default_headers)

    def on_message_complete(self) -> None:
        """End the body, unless the parser ended it for an upgrade that is declined."""
        if not self._declining:
            self._splitter.in_message = False
            self._stop_timer()
            super().on_message_complete()

    def resume_writing(self) -> None:
        """Let answers be written again: the caller reads."""
        self.unread_since_s = self.loop.time()
        super().resume_writing()

    def check_unread(self) -> bool:
        """Whether a part of an answer waits for the caller to read."""
        size = self.transport.get_write_buffer_size()
        if size < self.unread_bytes or not self.unread_bytes:
            self.unread_since_s = self.loop.time()
        self.unread_bytes = size
        return size > 0

    def drop_unread(self) -> None:
        """Close at once, with the answers that the caller has not read."""
        if self.check_unread():
            cycle = self._answering or self.cycle
            known = {} if cycle is None else {"request_id": cycle.scope["state"].get("request_id")}
            self._shared.refusals.record("unread_answer", unread_bytes=self.unread_bytes, **known)
        self.transport.abort()

    def end_keep_alive(self) -> None:
        """Promise no further request with the next answer."""
        if self.cycle is not None:
            drop_keep_alive(self.cycle)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._answering = cycle
        super()._start_asgi_task(cycle, app)

    def _check_growing_head(self, piece: bytes) -> None:
        """Refuse a head that is too large already. A piece that holds the request before it as well is not counted."""
        if HEAD_END not in piece:
            self._head_bytes += len(piece)
        if self._head_bytes > MAX_HEAD_BYTES or len(self.headers) > MAX_HEADERS:
            self._refuse(large_head())

    def _decline_upgrade(self, rest: bytes) -> None:
        """Read the request again without the offer to upgrade (RFC 9110, section 7.8).

        The parser keeps everything behind the head for the other protocol. Java's clients offer HTTP/2 with every
        request, so their bodies would be lost, or read as a request of their own.
        """
        if self.parser.get_method() == b"CONNECT":
            self._refuse(NotHttpError("this server is no proxy"))
            return
        head = head_without_upgrade(self.parser.get_method(), self.url, self.headers)
        self.parser = httptools.HttpRequestParser(self)
        self._feed(head + rest)

    def _owes_whole(self) -> bool:
        """Whether a request that has arrived whole waits for its answer."""
        cycle = self.cycle
        return cycle is not None and not (cycle.response_complete or cycle.more_body)

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
        if self._splitter.in_head:
            self._refuse(SlowHeadError(f"the request's head did not arrive in {_PATIENCE_S:g} s"))
        else:
            self.transport.close()

    def _refuse(self, error: VerdictError) -> None:
        """Answer before there is a request, and close. A response that is still owed comes first and ends it alone."""
        self._stop_timer()
        if self.transport.is_closing():
            return
        if self._is_answering():
            self._end_after_answer(REASONS[type(error)])
            return
        refusal = Refusal(error)
        self._shared.refusals.record(REASONS[type(error)], request_id=refusal.request_id, status=refusal.status)
        self.transport.write(refusal.render())
        self.transport.close()

    def _end_after_answer(self, reason: Reason) -> None:
        """Take no request after the one that is being answered."""
        self._shared.refusals.record(reason, request_id=self.cycle.scope["state"].get("request_id"))
        self.cycle.keep_alive = False
        self.end_keep_alive()
