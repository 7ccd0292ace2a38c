"""The short way: what FastAPI would have answered, without asking it."""

from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute

from server.api import predict
from server.api.dependencies import get_classifier
from server.app import create_app
from tests.support.classifiers import FakeClassifier
from tests.support.figures import read_figures
from tests.support.serving import make_settings, serving

pytestmark = pytest.mark.anyio

KEY = {"x-api-key": "one", "x-request-id": "mine"}
REQUESTS: dict[str, dict[str, Any]] = {
    "a text": {"json": {"text": "good"}},
    "several texts": {"url": "/predict/batch", "json": {"texts": ["good", "bad"]}},
    "a query": {"url": "/predict?x=1", "json": {"text": "good"}},
    "no key": {"json": {"text": "good"}, "headers": {"x-request-id": "mine"}},
    "broken JSON": {"content": b"{"},
    "a wrong field": {"json": {"words": "good"}},
    "another media type": {"content": b"good", "headers": KEY | {"content-type": "text/plain"}},
    "too many texts": {"url": "/predict/batch", "json": {"texts": ["good"] * 9}},
    "no patience": {"json": {"text": "good"}, "headers": KEY | {"x-request-timeout-ms": "soon"}},
    "another method": {"method": "GET"},
    "another path": {"url": "/predict/", "json": {"text": "good"}},
}


def make_app(*, overridden: bool = False) -> FastAPI:
    """Return an application, one that overrides a dependency has to take FastAPI's way."""
    app = create_app(make_settings(api_key="one", max_items_per_request=8), FakeClassifier())
    if overridden:
        other = FakeClassifier()
        app.dependency_overrides[get_classifier] = lambda: other
    return app


async def ask(app: FastAPI, request: dict[str, Any]) -> tuple[httpx.Response, dict[str, float]]:
    """Return the answer to a request and what was counted."""
    async with serving(app) as client:
        answer = await client.request(**{"method": "POST", "url": "/predict", "headers": KEY} | request)
    figures = read_figures(app.state.metrics.render())
    return answer, {name: value for name, value in figures.items() if "seconds" not in name}


@pytest.mark.parametrize("name", REQUESTS)
async def test_both_ways_answer_alike(name: str) -> None:
    """Status, headers, body and metrics are the same, whichever way a request goes."""
    short, counted = await ask(make_app(), REQUESTS[name])
    long, counted_there = await ask(make_app(overridden=True), REQUESTS[name])
    assert (long.status_code, long.headers, long.content) == (short.status_code, short.headers, short.content)
    assert counted_there == counted


async def test_predictions_take_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """FastAPI is not asked for the two routes that carry the load, but for all others."""
    app = make_app()
    asked = []
    handle = APIRoute.handle

    async def note(route: APIRoute, *arguments: Any) -> None:
        asked.append(route.path)
        await handle(route, *arguments)

    monkeypatch.setattr(APIRoute, "handle", note)
    async with serving(app) as client:
        for route in predict.routes():
            await client.post(route.path, json={"text": "good", "texts": ["good"]}, headers=KEY)
        await client.get("/health/live")
    assert ["/health/live"] == asked
