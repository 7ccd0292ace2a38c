"""Wire formats: a new one declares its routes and error body, and the server supplies the rest."""

from typing import Any

import httpx
import orjson
import pytest
from fastapi import FastAPI
from pydantic import BaseModel
from starlette.responses import Response

from server.app import create_app
from server.errors import InvalidRequestError, OverloadedError, UnauthorizedError
from server.http.call import Call
from server.http.dependencies import get_classifier
from server.http.errors import ErrorFormat
from server.http.infer import PredictionResponse, infer
from server.http.json_body import JsonBody, Text
from server.http.protocols import WIRE_FORMATS
from server.http.wire_format import WireFormat
from server.inference.classifier import Classifier
from server.settings import SettingsError
from tests.support.classifiers import FakeClassifier
from tests.support.figures import read_figures
from tests.support.serving import make_settings, reached

pytestmark = pytest.mark.anyio


class ToyRequest(BaseModel):
    """One text under another name."""

    words: Text


class ToyError(BaseModel):
    """An error in one string."""

    toy_error: str


def write_toy_error(kind: str, message: str, status: int, request_id: str) -> bytes:
    """Return all details of an error in one string."""
    return orjson.dumps({"toy_error": f"{status} {kind} {request_id}: {message}"})


TOY = WireFormat(
    "toy",
    prefix="/toys/",
    style=ErrorFormat(write_toy_error, ToyError, {InvalidRequestError: 424, UnauthorizedError: 403}),
)
SLOW = [(b"x-toy-time", b"7")]
_toy = JsonBody(ToyRequest)


@TOY.post("/toy", body=_toy, answer=list[str])
@TOY.post("/toys/{name}/answer", body=_toy, answer=list[str])
async def toy(call: Call, classifier: Classifier) -> Response:
    """Answer with the label alone."""
    body = await _toy.read(call)
    classification = await infer(call, classifier, [body.words], None)
    head = classification.head
    labels = [head.labels[index] for each in classification.predictions for index in head.chosen(each.scores)]
    return PredictionResponse(orjson.dumps([*labels, *call.path_params.values()]), classification, headers=SLOW)


@TOY.get("/toys/{name}", answer=dict[str, str])
async def describe(call: Call, classifier: Classifier) -> Response:
    """Return the name in the path and that of the model."""
    return Response(
        orjson.dumps({"asked": call.path_params["name"], "model": classifier.info.name}), media_type="application/json"
    )


@TOY.get("/alive", answer=None, probe=True)
async def alive(call: Call, classifier: Classifier) -> Response:
    """Answer with an empty body."""
    del call, classifier
    return Response()


def make_app(error: Exception | None = None, *, overridden: bool = False, **settings: str) -> FastAPI:
    """Return an application with the toy format; with an overridden dependency FastAPI handles all requests."""
    classifier = FakeClassifier(error)
    limits = {"api_key": "one", "max_text_chars": 10}
    app = create_app(make_settings(**(limits | settings)), classifier, [*WIRE_FORMATS, TOY])
    if overridden:
        app.dependency_overrides[get_classifier] = lambda: classifier
    return app


async def ask(app: FastAPI, **request: Any) -> httpx.Response:
    """Send a request in the toy format, by default a valid one."""
    headers = {"x-api-key": "one", "x-request-id": "mine"}
    async with reached(app) as client:
        return await client.request(
            **{"method": "POST", "url": "/toy", "json": {"words": "good"}, "headers": headers} | request
        )


@pytest.mark.parametrize("overridden", [False, True], ids=["fast path", "FastAPI"])
@pytest.mark.parametrize("url", ["/toy", "/toys/a/answer"])
async def test_a_format_is_counted_and_timed_like_any_other(url: str, *, overridden: bool) -> None:
    """The format supplies the body; the server adds Server-Timing, the request id and the counters."""
    app = make_app(overridden=overridden)
    answer = await ask(app, url=url)
    named = ["a"] if url == "/toys/a/answer" else []
    assert (200, ["positive", *named], "7") == (answer.status_code, answer.json(), answer.headers["x-toy-time"])
    assert "tokenize;dur=1.234, queue;dur=10.000, inference;dur=500.000" == answer.headers["server-timing"]
    assert "mine" == answer.headers["x-request-id"]
    figures = read_figures(app.state.metrics.render())
    assert 1 == figures["verdict_texts_total{outcome=predicted}"]
    route = "/toy" if url == "/toy" else "/toys/{name}/answer"
    assert 1 == figures[f"verdict_requests_total{{route={route},status=200}}"]


ID = {"x-request-id": "mine"}
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no key": ({"headers": ID}, "403 unauthorized mine: "),
    "no text": ({"json": {}}, "424 invalid_request mine: words: Field required"),
    "no JSON": ({"json": None, "content": b"{"}, "400 invalid_request mine: the body is not JSON"),
    "a long text": ({"json": {"words": "a" * 11}}, "413 too_large mine: text 0 has 11 characters"),
    "another method": ({"method": "GET"}, "405 method_not_allowed mine: GET /toy"),
    "a path without a route": ({"url": "/toys/a/b/c"}, "404 not_found mine: POST /toys/a/b/c"),
    "another media type": (
        {"json": None, "content": b"good", "headers": {"x-api-key": "one", "content-type": "text/plain"} | ID},
        "415 invalid_request mine: the body is announced",
    ),
    "a large body": ({"json": None, "content": b" " * 3_000_000}, "413 too_large mine: the body has 3000000 bytes"),
    "a path of parts": ({"url": "/toys/a/answer", "json": {}}, "424 invalid_request mine: words: Field required"),
}


@pytest.mark.parametrize("overridden", [False, True], ids=["fast path", "FastAPI"])
@pytest.mark.parametrize("name", REFUSED)
async def test_a_format_writes_its_errors_itself(name: str, *, overridden: bool) -> None:
    """Every error on a route of the format has the format's shape and status, also where there is no endpoint."""
    request, words = REFUSED[name]
    answer = await ask(make_app(overridden=overridden), **request)
    assert {"toy_error"} == set(answer.json())
    assert answer.json()["toy_error"].startswith(words)
    assert int(words[:3]) == answer.status_code


@pytest.mark.parametrize("overridden", [False, True], ids=["fast path", "FastAPI"])
async def test_overload_keeps_its_header_in_any_format(*, overridden: bool) -> None:
    """Retry-After has the time of the error, independent of the body's shape."""
    answer = await ask(make_app(OverloadedError("full", 7.2), overridden=overridden))
    assert (429, "8") == (answer.status_code, answer.headers["retry-after"])
    assert {"toy_error": "429 overloaded mine: full"} == answer.json()


@pytest.mark.parametrize("url", ["/toy", "/toys/a/answer"])
async def test_a_server_that_drains_says_so_in_the_format(url: str) -> None:
    """Also before the route is known."""
    app = make_app()
    app.state.lifecycle.draining = True
    answer = await ask(app, url=url)
    assert 503 == answer.status_code
    assert answer.json()["toy_error"].startswith("503 draining mine: ")


@pytest.mark.parametrize("key", ["x-api-key: one", "authorization: Bearer one"])
async def test_facts_need_a_key_in_either_header(key: str) -> None:
    """A GET route of a format knows the parts of its path, and asks for a key like any other route."""
    name, _, value = key.partition(": ")
    answer = await ask(make_app(), method="GET", url="/toys/b", headers={name: value}, json=None)
    assert (200, {"asked": "b", "model": "fake"}) == (answer.status_code, answer.json())
    answer = await ask(make_app(), method="GET", url="/toys/b", headers=ID, json=None)
    assert (403, "403 unauthorized") == (answer.status_code, answer.json()["toy_error"][:16])


async def test_a_probe_of_a_format_needs_no_key_and_is_answered_while_the_server_drains() -> None:
    """It is counted, but not logged, like the native ones."""
    app = make_app()
    for draining in (False, True):
        app.state.lifecycle.draining = draining
        assert 200 == (await ask(app, method="GET", url="/alive", headers=ID, json=None)).status_code
    assert 2 == read_figures(app.state.metrics.render())["verdict_requests_total{route=/alive,status=200}"]


@pytest.mark.parametrize(
    ("protocols", "served"), [("all", True), ("none", False), ("", False), (" toy , native", True), ("native", False)]
)
async def test_one_setting_turns_formats_off(protocols: str, *, served: bool) -> None:
    """Routes of a format that is off answer 404 with the native error; the native format is always served."""
    app = make_app(protocols=protocols)
    answer = await ask(app)
    assert (200 if served else 404) == answer.status_code
    assert served or "not_found" == answer.json()["error"]["kind"]
    assert 200 == (await ask(app, url="/predict", json={"text": "good"})).status_code


def test_an_unknown_format_is_refused_at_start() -> None:
    """The message names the setting, the wrong name and those that exist."""
    with pytest.raises(SettingsError, match=r"VERDICT_PROTOCOLS='toy,tow'.*'tow'.*native.*toy, or all or none"):
        make_app(protocols="toy,tow")


async def test_paths_of_no_format_have_the_native_error() -> None:
    """A path of no format gets the usual body."""
    answer = await ask(make_app(), url="/toys")
    assert "not_found" == answer.json()["error"]["kind"]


def test_a_format_is_documented() -> None:
    """The OpenAPI document has its routes, bodies, answers and errors."""
    document = make_app().openapi()
    for path in ("/toy", "/toys/{name}/answer"):
        operation = document["paths"][path]["post"]
        assert (["toy"], "Toy", "Answer with the label alone.") == tuple(
            operation[name] for name in ("tags", "summary", "description")
        )
        assert {"words"} == set(operation["requestBody"]["content"]["application/json"]["schema"]["properties"])
        for status in ("400", "403", "408", "413", "415", "424", "429", "431", "500", "503", "504"):
            schema = operation["responses"][status]["content"]["application/json"]["schema"]
            assert {"$ref": "#/components/schemas/ToyError"} == schema
    parameters = document["paths"]["/toys/{name}/answer"]["post"]["parameters"]
    assert {"x-request-timeout-ms": False, "name": True} == {each["name"]: each["required"] for each in parameters}
    assert [True, False] == ["security" in document["paths"][path]["get"] for path in ("/toys/{name}", "/alive")]


def test_the_formats_share_no_path() -> None:
    """A path belongs to one format alone."""
    paths = [path for each in WIRE_FORMATS for path in each.endpoints]
    assert len(paths) == len(set(paths))
