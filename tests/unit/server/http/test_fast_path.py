"""The fast path: the same responses as FastAPI's, without calling FastAPI."""

import asyncio
import gc
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from server.app import create_app
from server.errors import EngineFailedError, OverloadedError
from server.http import call
from server.http.call import Call
from server.http.dependencies import get_classifier
from server.http.protocols import WIRE_FORMATS
from tests.support.classifiers import FakeClassifier
from tests.support.figures import read_figures
from tests.support.serving import listening, make_settings, reached

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
    "no id": {"json": {"text": "good"}, "headers": KEY | {"x-request-id": "<script>"}},
    "a large body": {"content": b" " * 30_000},
    "a body of several packets": {"url": "/predict/batch", "json": {"texts": ["good " * 400] * 8}},
    "the last one on its connection": {"json": {"text": "good"}, "headers": KEY | {"connection": "close"}},
    "another method": {"method": "GET"},
    "another path": {"url": "/predict/", "json": {"text": "good"}},
}
ONE = b'POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: 16\r\n\r\n{"text": "good"}'
FAILURES = {
    "engine": EngineFailedError("inside"),
    "overloaded": OverloadedError("full", 3.5),
    "bug": ValueError("a bug"),
    "panic": BaseException("of a library in Rust"),
    "cancelled": asyncio.CancelledError("something that it waited for"),
}


def make_app(error: BaseException | None = None, *, overridden: bool = False, **settings: Any) -> FastAPI:
    """Return an application; with an overridden dependency FastAPI handles all requests."""
    classifier = FakeClassifier(error)
    limits = {"api_key": "one", "max_items_per_request": 8, "max_text_chars": 5_000, "max_body_bytes": 20_000}
    app = create_app(make_settings(**(limits | settings)), classifier)
    if overridden:
        app.dependency_overrides[get_classifier] = lambda: classifier
    return app


async def ask(app: FastAPI, request: dict[str, Any]) -> tuple[int, dict[str, str], bytes, dict[str, float]]:
    """Return status, headers and body of the response to a request, and the metrics."""
    async with reached(app) as client:
        answer = await client.request(**{"method": "POST", "url": "/predict", "headers": KEY} | request)
    figures = read_figures(app.state.metrics.render())
    headers = {name: value for name, value in answer.headers.items() if name != "date"}
    counted = {name: value for name, value in figures.items() if "seconds" not in name}
    own_id = answer.headers["x-request-id"]
    if len(own_id) == 32:
        headers["x-request-id"] = "new"
    return answer.status_code, headers, answer.content.replace(own_id.encode(), b"id"), counted


async def check_alike(make: Callable[[bool], FastAPI], request: dict[str, Any]) -> tuple[int, dict[str, str]]:
    """Check that the fast path and FastAPI answer a request alike, and return status and headers."""
    fast = await ask(make(False), request)
    assert fast == await ask(make(True), request)
    return fast[:2]


@pytest.mark.parametrize("name", REQUESTS)
async def test_both_answer_alike(name: str) -> None:
    """Status, headers, body and metrics are the same on the fast path and through FastAPI."""
    status, headers = await check_alike(lambda long: make_app(overridden=long), REQUESTS[name])
    assert 0 < status
    assert headers["x-request-id"] in {"mine", "new"}


@pytest.mark.parametrize("name", FAILURES)
async def test_both_fail_alike(name: str) -> None:
    """For any exception of the classifier, including bugs, the response is the same."""
    status, _ = await check_alike(lambda long: make_app(FAILURES[name], overridden=long), REQUESTS["a text"])
    assert 400 < status


async def test_a_body_without_a_length_is_bounded_alike() -> None:
    """Chunks are counted as they arrive."""

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(30):
            yield b" " * 1000

    for overridden in (True, False):
        status, *_ = await ask(make_app(overridden=overridden), {"content": chunks()})
        assert 413 == status


async def test_both_drain_alike() -> None:
    """While the server shuts down, a prediction is refused and its connection ends."""

    def make(long: bool) -> FastAPI:
        app = make_app(overridden=long)
        app.state.lifecycle.draining = True
        return app

    status, headers = await check_alike(make, REQUESTS["a text"])
    assert (503, "close", "1") == (status, headers["connection"], headers["retry-after"])


async def test_predictions_take_the_fast_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """FastAPI is not called for the two prediction routes, but for all others."""
    app = make_app()
    asked = []
    handle = APIRoute.handle

    async def record(route: APIRoute, *arguments: Any) -> None:
        asked.append(route.path)
        await handle(route, *arguments)

    monkeypatch.setattr(APIRoute, "handle", record)
    async with reached(app) as client:
        for path in (path for each in WIRE_FORMATS for path in each.endpoints):
            await client.post(path, json={"text": "good", "texts": ["good"]}, headers=KEY)
        await client.get("/health/live")
    assert ["/health/live"] == asked


async def test_pages_of_other_origins_do_not_take_the_fast_path() -> None:
    """A prediction has CORS headers for an allowed origin, and none for other callers."""
    origin = "https://page.example"
    async with reached(make_app(cors_origins=origin)) as client:
        page = await client.post("/predict", json={"text": "good"}, headers=KEY | {"origin": origin})
        program = await client.post("/predict", json={"text": "good"}, headers=KEY)
    assert (200, origin) == (page.status_code, page.headers["access-control-allow-origin"])
    assert 200 == program.status_code
    assert [] == [name for name in program.headers if name.startswith("access-control-")]


async def test_what_is_added_to_the_application_takes_part() -> None:
    """Middleware of a program that embeds the server also wraps predictions."""
    app = make_app()
    seen: list[str] = []

    class Watch:
        def __init__(self, app: ASGIApp) -> None:
            self.app = app

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http":
                seen.append(scope["path"])
            await self.app(scope, receive, send)

    app.add_middleware(Watch)
    async with reached(app) as client:
        await client.post("/predict", json={"text": "good"}, headers=KEY)
    assert ["/predict"] == seen


class Patient(FakeClassifier):
    """Works until it is cancelled."""

    def __init__(self) -> None:
        super().__init__()
        self.working, self.cancelled = asyncio.Event(), asyncio.Event()

    async def classify(self, *_: Any, **__: Any) -> Any:
        """Wait."""
        self.working.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise


@pytest.mark.parametrize(("requests", "draining"), [(1, False), (1, True), (2, False), (2, True)])
async def test_a_caller_that_goes_while_it_waits_is_let_go(requests: int, *, draining: bool) -> None:
    """When the connection ends, the work is cancelled and counted, and a pipelined request never begins."""
    classifier = Patient()
    app = create_app(make_settings(), classifier)
    async with listening(app) as (host, port):
        _, writer = await asyncio.open_connection(host, port)
        writer.write(ONE * requests)
        await asyncio.wait_for(classifier.working.wait(), 20)
        app.state.lifecycle.draining = draining
        writer.close()
        await asyncio.wait_for(classifier.cancelled.wait(), 20)
        await app.state.lifecycle.in_flight.none()
        async with httpx.AsyncClient(base_url=f"http://{host}:{port}") as client:
            assert 200 == (await client.get("/health/live")).status_code
    figures = read_figures(app.state.metrics.render())
    assert 1 == figures["verdict_texts_total{outcome=caller_gone}"]
    assert 1 == figures["verdict_requests_total{route=/predict,status=499}"]


async def test_a_request_that_waits_has_no_task_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands of requests may wait: the server polls uvicorn for a disconnect and needs no task per request."""
    checks = asyncio.Semaphore(0)
    check = Call.check

    def count(waiting: Call, period_s: float) -> None:
        check(waiting, period_s)
        checks.release()

    monkeypatch.setattr(call, "_CHECK_S", 0.001)
    monkeypatch.setattr(Call, "check", count)
    classifier = Patient()
    async with listening(create_app(make_settings(), classifier)) as (host, port):
        _, writer = await asyncio.open_connection(host, port)
        writer.write(ONE)
        await asyncio.wait_for(classifier.working.wait(), 20)
        tasks = asyncio.all_tasks()
        for _ in range(3):
            await asyncio.wait_for(checks.acquire(), 20)
        assert not classifier.cancelled.is_set()
        assert tasks == asyncio.all_tasks()
        writer.close()
        await asyncio.wait_for(classifier.cancelled.wait(), 20)


async def test_a_caller_that_goes_before_its_body_is_complete_is_no_bug(caplog: pytest.LogCaptureFixture) -> None:
    """The request is counted as gone with the status that proxies use, and nothing is logged as a failure."""
    app = create_app(make_settings(), FakeClassifier())
    async with listening(app) as (host, port):
        _, writer = await asyncio.open_connection(host, port)
        writer.write(b'POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: 16\r\n\r\n{"te')
        while not app.state.lifecycle.in_flight.count:  # noqa: ASYNC110 - nothing else tells
            await asyncio.sleep(0)
        writer.close()
        await app.state.lifecycle.in_flight.none()
    assert 1 == read_figures(app.state.metrics.render())["verdict_requests_total{route=/predict,status=499}"]
    assert "bug" not in caplog.text


async def test_the_end_of_the_time_to_drain_is_told() -> None:
    """A request that uvicorn cancels while the server shuts down is answered with 503."""
    classifier = Patient()
    app = create_app(make_settings(), classifier)
    async with reached(app) as client:
        task = asyncio.create_task(client.post("/predict", json={"text": "good"}))
        await asyncio.wait_for(classifier.working.wait(), 20)
        app.state.lifecycle.draining = True
        (served,) = [each for each in asyncio.all_tasks() if "run_asgi" in repr(each)]
        served.cancel()
        answer = await task
    assert (503, "close") == (answer.status_code, answer.headers["connection"])


@pytest.mark.parametrize("goes", [False, True])
async def test_a_request_leaves_no_reference_cycle(*, goes: bool) -> None:
    """A request, answered or not, is freed with its connection, without the garbage collector."""
    classifier = Patient() if goes else FakeClassifier()
    async with listening(create_app(make_settings(), classifier)) as (host, port):
        gc.collect()
        gc.disable()
        others = count_requests()
        try:
            reader, writer = await asyncio.open_connection(host, port)
            writer.write(ONE)
            if isinstance(classifier, Patient):
                await asyncio.wait_for(classifier.working.wait(), 20)
            else:
                await asyncio.wait_for(reader.readuntil(b"}"), 20)
            assert not isinstance(classifier, Patient) or others < count_requests(), "nothing is counted"
            writer.close()
            async with asyncio.timeout(20):
                while count_requests() > others:  # noqa: ASYNC110 - nothing tells
                    await asyncio.sleep(0)
        finally:
            gc.enable()


def count_requests() -> int:
    """Count the objects of requests that have not been freed."""
    return sum(type(each) in {Call, RequestResponseCycle} for each in gc.get_objects())


async def test_a_server_other_than_uvicorn_is_answered_too() -> None:
    """The fast path is an ASGI application: it needs only ``receive`` and ``send`` from the server."""
    app = make_app()
    transport = httpx.ASGITransport(app.state.fast_path)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://verdict.test") as client,
    ):
        answer = await client.post("/predict", json={"text": "good"}, headers=KEY)
        health = await client.get("/health/live")
    assert (200, "positive", "mine") == (answer.status_code, answer.json()["label"], answer.headers["x-request-id"])
    assert 200 == health.status_code
