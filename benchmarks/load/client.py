"""Client: one HTTP/1.1 connection that costs its process little, so that the load is not what is measured.

A request is rendered to bytes before the clock starts; a connection carries one at a time and is kept alive. It
knows neither schedules nor what the bytes mean.
"""

import asyncio
import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, cast

import httptools

_KEPT_HEADERS: Final = frozenset({b"connection", b"retry-after", b"server-timing"})


class ConnectionLostError(Exception):
    """The connection ended before the answer did."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server listens."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Request:
    """Bytes to send, and what is to be expected of them.

    Attributes:
        payload: the whole request.
        texts: how many texts it carries.
        expected: statuses that are right answers to it.
        abandon_after_s: the caller drops the connection after this time; never where None.
        subject: what the sender needs to judge the answer, such as its texts.
    """

    payload: bytes
    texts: int
    expected: frozenset[int] = frozenset({200})
    abandon_after_s: float | None = None
    subject: tuple[str, ...] = ()


@dataclass(slots=True)
class Answer:
    """What came back.

    Attributes:
        status: of HTTP.
        headers: a few of them, by their lower-case names.
        body: all of it.
        read_s: when its last bytes had come, by ``time.perf_counter``: what this process makes of them afterwards is no
            part of the server's latency.
    """

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    read_s: float = math.nan


def post(path: str, body: bytes, *, texts: int = 1, headers: Mapping[str, str] | None = None) -> Request:
    """Return a POST request with any body, announced as JSON unless a header says otherwise."""
    fields = {"host": "benchmark", "content-type": "application/json", **(headers or {})}
    lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    head = "\r\n".join([*lines, f"content-length: {len(body)}", "", ""])
    return Request(head.encode() + body, texts)


def predict(text: str, headers: Mapping[str, str] | None = None) -> Request:
    """Return the native request for one text."""
    request = post("/predict", json.dumps({"text": text}).encode(), headers=headers)
    return replace(request, subject=(text,))


def predict_batch(texts: Sequence[str]) -> Request:
    """Return the native request for several texts."""
    request = post("/predict/batch", json.dumps({"texts": list(texts)}).encode(), texts=len(texts))
    return replace(request, subject=tuple(texts))


class Connection(asyncio.Protocol):
    """A kept-alive connection; open one with ``connect``."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._answer = Answer()
        self._chunks: list[bytes] = []
        self._waiter: asyncio.Future[Answer] | None = None

    @property
    def reusable(self) -> bool:
        """Whether another request can be sent."""
        return self._transport is not None and not self._transport.is_closing()

    async def exchange(self, request: Request) -> Answer:
        """Send a request and return its answer.

        Raises:
            ConnectionLostError: if the connection ends first, or has ended before.
        """
        if self._transport is None or self._transport.is_closing():
            raise ConnectionLostError("the connection has ended")
        self._answer = Answer()
        self._chunks = []
        self._waiter = asyncio.get_running_loop().create_future()
        self._transport.write(request.payload)
        return await self._waiter

    def close(self) -> None:
        """Drop the connection, whatever it carries."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Asyncio: the connection stands."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own is no subclass of it

    def connection_lost(self, error: Exception | None) -> None:
        """Asyncio: the connection has ended."""
        self._transport = None
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(ConnectionLostError(f"the connection ended before the answer: {error}"))

    def data_received(self, data: bytes) -> None:
        """Asyncio: bytes of the answer."""
        self._answer.read_s = time.perf_counter()
        self._parser.feed_data(data)

    def on_header(self, name: bytes, value: bytes) -> None:
        """The parser: a header."""
        key = name.lower()
        if key in _KEPT_HEADERS:
            self._answer.headers[key.decode()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        """The parser: a piece of the body."""
        self._chunks.append(body)

    def on_message_complete(self) -> None:
        """The parser: the answer is whole."""
        self._answer.status = self._parser.get_status_code()
        self._answer.body = b"".join(self._chunks)
        if not self._parser.should_keep_alive() and self._transport is not None:
            self._transport.close()
        self._parser = httptools.HttpResponseParser(self)
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(self._answer)


async def connect(address: Address) -> Connection:
    """Open a connection.

    Raises:
        OSError: if nobody listens there.
    """
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_connection(Connection, address.host, address.port)
    return connection
