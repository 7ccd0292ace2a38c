"""Serve an application to a client inside the test, without a socket."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx
from fastapi import FastAPI

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


def check_error(answer: httpx.Response, status: int, kind: str) -> str:
    """Check that an answer has the error body and return the message in it."""
    assert (status, "application/json") == (answer.status_code, answer.headers["content-type"]), answer.text
    body: Mapping[str, Mapping[str, str]] = answer.json()
    assert {"error"} == set(body)
    assert {"kind", "message", "request_id"} == set(body["error"])
    assert kind == body["error"]["kind"], answer.text
    assert answer.headers["x-request-id"] == body["error"]["request_id"]
    return body["error"]["message"]
