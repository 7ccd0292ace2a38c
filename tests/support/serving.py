"""Serve an application to a client inside the test, with a socket or without."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI

from server.process import uvicorn_config
from server.settings import Settings
from tests.support.tiny import TINY


def make_settings(**changes: Any) -> Settings:
    """Return settings for the tiny artifact and one worker, with some changed."""
    return Settings(**({"artifact_dir": TINY, "inference_workers": 1} | changes))


@asynccontextmanager
async def serving(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Start the application as uvicorn would, and close it."""
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://verdict.test") as client,
    ):
        yield client


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers; it reports when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    async def startup(self, sockets: object = None) -> None:
        """Start, and tell."""
        await super().startup()
        self.listening.set()

    async def run_here(self) -> None:
        """Serve on the running loop."""
        await self._serve()


@asynccontextmanager
async def listening(app: FastAPI) -> AsyncIterator[tuple[str, int]]:
    """Serve the application on this event loop with the product's settings; yield host and port."""
    config = uvicorn_config(app)
    config.port = 0
    server = _Server(config)
    task = asyncio.create_task(server.run_here())
    await asyncio.wait_for(server.listening.wait(), 20)
    try:
        yield server.servers[0].sockets[0].getsockname()[:2]
    finally:
        server.should_exit = True
        await asyncio.wait_for(task, 20)


@asynccontextmanager
async def reached(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Serve the application on a socket and yield a client."""
    async with (
        listening(app) as (host, port),
        httpx.AsyncClient(base_url=f"http://{host}:{port}", timeout=20) as client,
    ):
        yield client


def check_error(answer: httpx.Response, status: int, kind: str) -> str:
    """Check that an answer has the error body and return the message in it."""
    assert (status, "application/json") == (answer.status_code, answer.headers["content-type"]), answer.text
    body: Mapping[str, Mapping[str, str]] = answer.json()
    assert {"error"} == set(body)
    assert {"kind", "message", "request_id"} == set(body["error"])
    assert kind == body["error"]["kind"], answer.text
    assert answer.headers["x-request-id"] == body["error"]["request_id"]
    return body["error"]["message"]
