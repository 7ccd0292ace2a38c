"""The end of connections: the last answers promise nothing, and what is not read holds up no server."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from server.app import create_app
from server.process import DrainingServer, uvicorn_config
from tests.support.classifiers import FakeClassifier
from tests.support.figures import read_figures
from tests.support.serving import make_settings

pytestmark = pytest.mark.anyio

REQUEST = b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: 16\r\n\r\n" + b'{"text": "good"}'
LARGE = 8_000_000
"""Bytes of an answer: more than the system holds for a caller that does not read."""


class Started(DrainingServer):
    """The process's server; it reports when it listens."""

    def __init__(self, app: FastAPI) -> None:
        config = uvicorn_config(app)
        config.port = 0
        state = app.state
        super().__init__(
            config, state.lifecycle, state.classifier, state.heap, connections=state.connections, drain_timeout_s=0.1
        )
        self.listening = asyncio.Event()

    async def startup(self, sockets: Any = None) -> None:
        """Start, and tell."""
        await super().startup(sockets)
        self.listening.set()


@asynccontextmanager
async def connected(app: FastAPI) -> AsyncIterator[tuple[Started, asyncio.StreamReader, asyncio.StreamWriter]]:
    """Serve the application, connect to it, and end it."""
    server = Started(app)
    serving = asyncio.create_task(server._serve())
    await asyncio.wait_for(server.listening.wait(), 20)
    reader, writer = await asyncio.open_connection(*server.servers[0].sockets[0].getsockname()[:2])
    try:
        yield server, reader, writer
    finally:
        writer.close()
        server.should_exit = True
        await asyncio.wait_for(serving, 20)


async def test_an_answer_that_comes_while_the_server_drains_keeps_no_connection() -> None:
    """Also one that middleware of an embedding program gives past the server's own."""
    app = create_app(make_settings(), FakeClassifier())
    asked, may_answer = asyncio.Event(), asyncio.Event()

    @app.middleware("http")
    async def answer(request: Request, call_next: Any) -> Response:
        del request, call_next
        asked.set()
        await may_answer.wait()
        return Response(b"{}")

    async with connected(app) as (server, reader, writer):
        writer.write(REQUEST)
        await asyncio.wait_for(asked.wait(), 20)
        server.handle_exit(signal.SIGTERM, None)
        await asyncio.wait_for(app.state.lifecycle.drain_began.wait(), 20)
        may_answer.set()
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)
    assert head.startswith(b"HTTP/1.1 200 ")
    assert b"keep-alive" not in head.lower()


async def test_an_answer_that_is_not_read_is_dropped_at_the_end() -> None:
    """Its connection is closed before the server is, and counted."""
    app = create_app(make_settings(), FakeClassifier())
    answered = asyncio.Event()

    @app.middleware("http")
    async def answer(request: Request, call_next: Any) -> Response:
        del request, call_next
        answered.set()
        return Response(bytes(LARGE))

    async with connected(app) as (server, reader, writer):
        writer.transport.pause_reading()
        for connection in await opened(server):
            connection.transport.set_write_buffer_limits(2 * LARGE)  # its task does not wait for the caller
        writer.write(REQUEST)
        await asyncio.wait_for(answered.wait(), 20)
        await app.state.connections.end(server._open(), server.server_state.tasks)
        app.state.metrics.ledger.flush()
        name = "verdict_refused_connections_total{reason=unread_answer}"
        assert 1 == read_figures(app.state.metrics.render())[name]
        del reader


async def opened(server: Started) -> list[Any]:
    """Return the connections of a server once there is one."""
    while not server._open():  # noqa: ASYNC110 - uvicorn tells no event
        await asyncio.sleep(0)
    return list(server._open())
