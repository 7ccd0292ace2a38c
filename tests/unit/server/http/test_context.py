"""The middleware: an id, a count and a log line for every request, a refusal while draining."""

import asyncio
import gc
import json
import logging
import re
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from server.app import create_app
from server.http import call, context
from tests.support.classifiers import FakeClassifier
from tests.support.figures import read_figures
from tests.support.serving import check_error, make_settings, serving

pytestmark = pytest.mark.anyio


def make_app() -> FastAPI:
    """Return an application with a fake model and no key."""
    return create_app(make_settings(), FakeClassifier())


@pytest.mark.parametrize("sent", ["a", "7f3c-aa_b.c:d/e+f=", "x" * 128])
async def test_a_sane_request_id_is_echoed(sent: str) -> None:
    """The caller's own id comes back, so that both sides' logs can be joined."""
    async with serving(make_app()) as client:
        answer = await client.post("/predict", json={"text": "good"}, headers={"x-request-id": sent})
    assert sent == answer.headers["x-request-id"]


@pytest.mark.parametrize("sent", ["", "x" * 129, "a b", 'a"b', "a\tb", "\u00e4".encode(), "<script>", "a\x00b", "{}"])
async def test_any_other_request_id_is_replaced(sent: str | bytes) -> None:
    """An id that could break a log line or fill a disk is replaced by a generated one, in header and body."""
    async with serving(make_app()) as client:
        answer = await client.get("/nowhere", headers={"x-request-id": sent})
    check_error(answer, 404, "not_found")
    assert re.fullmatch("[0-9a-f]{32}", answer.headers["x-request-id"])


async def test_every_request_has_an_id_of_its_own() -> None:
    """Without an id from the caller, no two requests share one, answered or refused."""
    async with serving(make_app()) as client:
        answers = [await client.get(path) for path in ("/info", "/info", "/nowhere", "/health/live")]
    assert 4 == len({answer.headers["x-request-id"] for answer in answers})


async def test_every_request_is_counted_once_by_route_and_status() -> None:
    """Only existing routes are counted by name; all other paths are counted as unknown."""
    app = make_app()
    async with serving(app) as client:
        await client.post("/predict", json={"text": "good"})
        await client.post("/predict", json={"text": "bad"})
        await client.post("/predict", json={})
        await client.post("/predict/batch", json={"texts": ["good", "bad", "bad"]})
        await client.get("/predict")
        await client.get("/no/such/route")
        await client.get("/another?x=1")
        await client.get("/health/live")
        await client.get("/openapi.json")
        figures = read_figures((await client.get("/metrics")).content)
    counts = {name: value for name, value in figures.items() if name.startswith("verdict_requests_total")}
    assert {
        "verdict_requests_total{route=/predict,status=200}": 2,
        "verdict_requests_total{route=/predict,status=422}": 1,
        "verdict_requests_total{route=/predict,status=405}": 1,
        "verdict_requests_total{route=/predict/batch,status=200}": 1,
        "verdict_requests_total{route=unknown,status=404}": 2,
        "verdict_requests_total{route=/health/live,status=200}": 1,
        "verdict_requests_total{route=/openapi.json,status=200}": 1,
    } == counts
    assert 4 == figures["verdict_request_duration_seconds_count{route=/predict}"]


async def test_what_is_added_to_the_application_takes_part() -> None:
    """Middleware of a program that embeds the server also wraps predictions."""
    app = make_app()
    seen: list[str] = []

    class Watch:
        def __init__(self, app: ASGIApp) -> None:
            self.app = app

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            seen.append(scope["path"])
            await self.app(scope, receive, send)

    app.add_middleware(Watch)
    async with serving(app) as client:
        await client.post("/predict", json={"text": "good"})
        await client.get("/info")
    assert ["/predict", "/info"] == seen


async def test_texts_are_counted_by_what_became_of_them() -> None:
    """A batch counts each of its texts, answered or refused."""
    app = create_app(make_settings(max_items_per_request=3), FakeClassifier())
    async with serving(app) as client:
        at_first = read_figures((await client.get("/metrics")).content)
        await client.post("/predict/batch", json={"texts": ["good"] * 3})
        await client.post("/predict/batch", json={"texts": ["good"] * 4})
        figures = read_figures((await client.get("/metrics")).content)
    assert 0 == at_first["verdict_texts_total{outcome=predicted}"], "a rate needs to see where it began"
    assert 3 == figures["verdict_texts_total{outcome=predicted}"]
    assert 4 == figures["verdict_texts_total{outcome=too_large}"]


async def test_a_log_line_tells_sizes_and_never_a_text(caplog: pytest.LogCaptureFixture) -> None:
    """A request is one line with its id, route, status and times, and without its content."""
    caplog.set_level(logging.INFO, "server.access")
    async with serving(make_app()) as client:
        texts = ["good confidential words", "good"]
        await client.post("/predict/batch", json={"texts": texts}, headers={"x-request-id": "mine"})
        await client.get("/health/ready")
    (record,) = [record for record in caplog.records if record.name == "server.access"]
    fields: dict[str, Any]
    ((_, fields),) = record.__dict__["lines"]
    expected = {"request_id": "mine", "route": "/predict/batch", "status": 200, "texts": 2, "tokens": 8}
    expected |= {"tokenize_ms": 1.234, "queue_ms": 10.0, "inference_ms": 500.0}
    assert expected == {name: fields[name] for name in expected}
    assert "confidential" not in json.dumps(fields) + record.getMessage()


async def test_a_log_line_has_the_time_at_which_its_request_ended(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A line has the time at which its request ended, not the later time of the write."""
    monkeypatch.setattr(context, "time", Clock())
    caplog.set_level(logging.INFO, "server.access")
    async with serving(make_app()) as client:
        for _ in range(2):
            await client.post("/predict", json={"text": "good"})
    (record,) = [record for record in caplog.records if record.name == "server.access"]
    lines = record.__dict__["lines"]
    assert [EPOCH_S + 2, EPOCH_S + 4] == [time_s for time_s, _ in lines]
    assert [1000.0, 1000.0] == [fields["ms"] for _, fields in lines]


EPOCH_S = 1_790_000_000


class Clock:
    """Replaces the module ``time``: each reading of the counter is one second later than the last."""

    def __init__(self) -> None:
        self._looks = 0

    def perf_counter(self) -> float:
        """Count this reading."""
        self._looks += 1
        return float(self._looks)

    def time(self) -> float:
        """Return the time of the next reading."""
        return EPOCH_S + float(self._looks + 1)


async def test_while_draining_every_answer_ends_its_connection() -> None:
    """New work and readiness get 503, liveness stays 200, and no connection is kept."""
    app = make_app()
    async with serving(app) as client:
        assert 200 == (await client.get("/health/ready")).status_code
        await app.state.lifecycle.drain(0)
        answers = {path: await client.get(path) for path in ("/health/ready", "/health/live", "/info", "/nowhere")}
        answers["/predict"] = await client.post("/predict", json={"text": "good"})
    for path in ("/health/ready", "/info", "/nowhere", "/predict"):
        check_error(answers[path], 503, "draining")
        assert "1" == answers[path].headers["retry-after"]
    assert 200 == answers["/health/live"].status_code
    figures = read_figures(app.state.metrics.render())
    assert 3 == figures["verdict_requests_total{route=unknown,status=503}"]
    assert {"close"} == {answer.headers.get("connection") for answer in answers.values()}
    assert [] == app.state.classifier.calls


async def test_a_caller_that_goes_before_its_body_is_complete_is_no_bug(caplog: pytest.LogCaptureFixture) -> None:
    """The request is counted as gone with the status that proxies use, and nothing is logged as a failure."""
    app = make_app()
    messages = iter([{"type": "http.request", "body": b'{"te', "more_body": True}, {"type": "http.disconnect"}])
    sent: list[Any] = []

    async def receive() -> Any:
        return next(messages)

    async def send(message: Any) -> None:
        sent.append(message)

    async with serving(app):
        await app(make_scope("POST", "/predict"), receive, send)
    assert 499 == sent[0]["status"]
    assert "bug" not in caplog.text


async def test_an_answer_is_not_held_up_by_its_own_counting(caplog: pytest.LogCaptureFixture) -> None:
    """Requests are logged in groups, after the event loop could write their responses."""
    caplog.set_level(logging.INFO, "server.access")
    async with serving(make_app()) as client:
        await client.post("/predict", json={"text": "good"})
        assert "answered" not in caplog.text
    assert "answered" in caplog.text


async def test_what_the_metrics_show_is_up_to_date() -> None:
    """A scrape shows every request that was answered before it, even a moment before."""
    async with serving(make_app()) as client:
        for count in range(1, 4):
            await client.post("/predict", json={"text": "good"})
            figures = read_figures((await client.get("/metrics")).content)
            assert count == figures["verdict_requests_total{route=/predict,status=200}"]


async def test_a_caller_that_goes_while_it_waits_is_let_go() -> None:
    """When the caller disconnects, its work is cancelled and does not occupy a worker."""
    cancelled = asyncio.Event()

    class Patient(FakeClassifier):
        async def classify(self, *_: Any, **__: Any) -> Any:
            working.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancelled.set()
                raise

    app = create_app(make_settings(), Patient())
    working = asyncio.Event()
    body = iter([{"type": "http.request", "body": b'{"text": "good"}', "more_body": False}])
    sent: list[Any] = []

    async def receive() -> Any:
        if message := next(body, None):
            return message
        await working.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    async with serving(app):
        await asyncio.wait_for(app(make_scope("POST", "/predict"), receive, send), 5)
    assert cancelled.is_set()
    assert 499 == sent[0]["status"]
    assert 1 == read_figures(app.state.metrics.render())["verdict_texts_total{outcome=caller_gone}"]


@pytest.mark.parametrize("goes", [False, True])
async def test_a_request_that_waits_leaves_no_ring_behind(monkeypatch: pytest.MonkeyPatch, *, goes: bool) -> None:
    """After an answer or a disconnect, the watcher is freed at once, without the garbage collector."""
    monkeypatch.setattr(call, "_CHECK_S", 0.0)
    watched = asyncio.Event()

    class Patient(FakeClassifier):
        async def classify(self, *args: Any, **kwargs: Any) -> Any:
            await (asyncio.Event() if goes else watched).wait()
            return await super().classify(*args, **kwargs)

    app = create_app(make_settings(), Patient())
    body = iter([{"type": "http.request", "body": b'{"text": "good"}', "more_body": False}])

    async def receive() -> Any:
        if message := next(body, None):
            return message
        watched.set()
        if not goes:
            await asyncio.Event().wait()
        return {"type": "http.disconnect"}

    async def send(_: Any) -> None:
        pass

    async with serving(app):
        gc.collect()
        others = [each for each in gc.get_objects() if type(each) is call.Call]  # errors of other tests refer to them
        gc.disable()
        try:
            await asyncio.wait_for(app(make_scope("POST", "/predict"), receive, send), 5)
            await asyncio.sleep(0)  # the watcher ends
            left = [each for each in gc.get_objects() if type(each) is call.Call and each not in others]
        finally:
            gc.enable()
    assert watched.is_set()
    assert [] == left


async def test_a_server_that_cancels_a_request_is_obeyed() -> None:
    """A cancellation from outside is not a disconnect: it ends the request."""
    working = asyncio.Event()

    class Patient(FakeClassifier):
        async def classify(self, *_: Any, **__: Any) -> Any:
            working.set()
            await asyncio.Event().wait()

    app = create_app(make_settings(), Patient())
    async with serving(app) as client:
        task = asyncio.create_task(client.post("/predict", json={"text": "good"}))
        await working.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert 0 == app.state.lifecycle.in_flight.count


@pytest.mark.parametrize(("sent", "timeout_s"), [("1", 0.001), ("1500", 1.5), ("999999999", 30.0)])
async def test_a_caller_may_be_less_patient_than_the_server(sent: str, timeout_s: float) -> None:
    """The caller's timeout applies if it is shorter than the operator's."""
    app = make_app()
    async with serving(app) as client:
        await client.post("/predict", json={"text": "good"}, headers={"x-request-timeout-ms": sent})
    assert [timeout_s] == [each[2] for each in app.state.classifier.calls]


@pytest.mark.parametrize("sent", ["0", "-1", "1.5", "soon", "", "1" * 10, "\u0661"])
async def test_a_patience_that_is_no_number_is_refused(sent: str) -> None:
    """An invalid timeout is an error and does not fall back to the default."""
    async with serving(make_app()) as client:
        answer = await client.post("/predict", json={"text": "good"}, headers={"x-request-timeout-ms": sent.encode()})
    assert "x-request-timeout-ms" in check_error(answer, 422, "invalid_request")


def make_scope(method: str, path: str) -> dict[str, Any]:
    """Return the scope of a request as uvicorn would."""
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "scheme": "http",
        "headers": [(b"host", b"verdict.test")],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }
