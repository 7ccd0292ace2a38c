"""Client: one HTTP/1.1 connection that costs its process little CPU, so that the server is the bottleneck.

A connection carries one request at a time and is kept alive. It knows neither schedules nor the meaning of a body.
"""

import asyncio
import math
import time
from dataclasses import dataclass, field
from typing import Final, cast

import httptools

from benchmarks.load.requests import HttpRequest

_KEPT_HEADERS: Final = frozenset({b"connection", b"retry-after", b"server-timing"})


class ConnectionLostError(Exception):
    """The connection ended before the response was complete."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server listens."""

    host: str
    port: int


@dataclass(slots=True)
class HttpResponse:
    """A complete response.

    Attributes:
        status: of HTTP.
        headers: those of ``_KEPT_HEADERS``, by lower-case names.
        body: all of it.
        read_s: when its last bytes arrived, by ``time.perf_counter``. The time that this process needs afterwards is
            not the server's latency.
    """

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    read_s: float = math.nan


class Connection(asyncio.Protocol):
    """A kept-alive connection; open one with ``connect``."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._response = HttpResponse()
        self._chunks: list[bytes] = []
        self._waiter: asyncio.Future[HttpResponse] | None = None

    @property
    def reusable(self) -> bool:
        """Whether another request can be sent."""
        return self._transport is not None and not self._transport.is_closing()

    async def send(self, request: HttpRequest) -> HttpResponse:
        """Send a request and return its response.

        Raises:
            ConnectionLostError: if the connection has ended, or ends before the response is complete.
        """
        if self._transport is None or self._transport.is_closing():
            raise ConnectionLostError("the connection has ended")
        self._response = HttpResponse()
        self._chunks = []
        self._waiter = asyncio.get_running_loop().create_future()
        self._transport.write(request.payload)
        return await self._waiter

    def close(self) -> None:
        """Drop the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Asyncio: the connection is open."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's transport is not a subclass of it

    def connection_lost(self, error: Exception | None) -> None:
        """Asyncio: the connection has ended."""
        self._transport = None
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(ConnectionLostError(f"the connection ended before the response: {error}"))

    def data_received(self, data: bytes) -> None:
        """Asyncio: bytes of the response."""
        self._response.read_s = time.perf_counter()
        self._parser.feed_data(data)

    def on_header(self, name: bytes, value: bytes) -> None:
        """The parser: a header."""
        key = name.lower()
        if key in _KEPT_HEADERS:
            self._response.headers[key.decode()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        """The parser: a piece of the body."""
        self._chunks.append(body)

    def on_message_complete(self) -> None:
        """The parser: the response is complete."""
        self._response.status = self._parser.get_status_code()
        self._response.body = b"".join(self._chunks)
        if not self._parser.should_keep_alive() and self._transport is not None:
            self._transport.close()
        self._parser = httptools.HttpResponseParser(self)
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(self._response)


async def connect(address: Address) -> Connection:
    """Open a connection.

    Raises:
        OSError: if no server listens there.
    """
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_connection(Connection, address.host, address.port)
    return connection
