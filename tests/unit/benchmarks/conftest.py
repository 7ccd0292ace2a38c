"""A fake server on the test's own event loop, with responses that a test chooses."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

import pytest

pytest.importorskip("httptools")

from benchmarks.load.client import Address

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"
Respond = Callable[[int], Awaitable[bytes]]


@dataclass
class FakeServer:
    """Sends what ``respond`` returns for the number of a request; an empty response ends the connection."""

    address: Address
    respond: Respond
    bodies: list[bytes] = field(default_factory=list)
    connections: int = 0


async def _respond_ok(_: int) -> bytes:
    return OK


@pytest.fixture
async def fake_server(anyio_backend: str) -> AsyncIterator[FakeServer]:
    """A fake server that responds with 200 until a test sets ``respond``."""
    fake = FakeServer(Address("127.0.0.1", 0), _respond_ok)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        fake.connections += 1
        try:
            while response := await _response(fake, reader):
                writer.write(response)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    fake.address = Address("127.0.0.1", server.sockets[0].getsockname()[1])
    async with server:
        yield fake


async def _response(fake: FakeServer, reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
    fake.bodies.append(await reader.readexactly(length))
    return await fake.respond(len(fake.bodies))
