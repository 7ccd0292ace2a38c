"""Wire formats: a new one declares its routes and error body, and the server supplies the rest."""

from typing import Any

import httpx
import orjson
import pytest
from fastapi import FastAPI
from pydantic import BaseModel
from starlette.responses import Response

from server.app import create_app
from server.errors import OverloadedError
from server.http.call import Call
from server.http.dependencies import get_classifier
from server.http.infer import PredictionResponse, infer
from server.http.json_body import JsonBody, Text
from server.http.protocols import WIRE_FORMATS
from server.http.wire_format import WireFormat
from server.inference.classifier import Classifier
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


TOY = WireFormat("toy", write_error=write_toy_error, error_model=ToyError)
_toy = JsonBody(ToyRequest)


@TOY.post("/toy", body=_toy, answer=list[str])
@TOY.post("/toys/{name}/answer", body=_toy, answer=list[str])
async def toy(call: Call, classifier: Classifier) -> Response:
    """Answer with the label alone."""
    body = await _toy.read(call)
    classification = await infer(call, classifier, [body.words], None)
    return PredictionResponse(orjson.dumps([each.label for each in classification.predictions]), classification)


def make_app(error: Exception | None = None, *, overridden: bool = False) -> FastAPI:
    """Return an application with the toy format; with an overridden dependency FastAPI handles all requests."""
    classifier = FakeClassifier(error)
    settings = make_settings(api_key="one", max_text_chars=10)
    app = create_app(settings, classifier, [*WIRE_FORMATS, TOY])
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
    assert (200, ["positive"]) == (answer.status_code, answer.json())
    assert "tokenize;dur=1.234, queue;dur=10.000, inference;dur=500.000" == answer.headers["server-timing"]
    assert "mine" == answer.headers["x-request-id"]
    figures = read_figures(app.state.metrics.render())
    assert 1 == figures["verdict_texts_total{outcome=predicted}"]
    route = "/toy" if url == "/toy" else "/toys/{name}/answer"
    assert 1 == figures[f"verdict_requests_total{{route={route},status=200}}"]


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no key": ({"headers": {"x-request-id": "mine"}}, "401 unauthorized mine: "),
    "no text": ({"json": {}}, "422 invalid_request mine: words: Field required"),
    "no JSON": ({"json": None, "content": b"{"}, "400 invalid_request mine: the body is not JSON"),
    "a long text": ({"json": {"words": "a" * 11}}, "413 too_large mine: text 0 has 11 characters"),
    "another method": ({"method": "GET"}, "405 method_not_allowed mine: GET /toy"),
    "a path of parts": ({"url": "/toys/a/answer", "json": {}}, "422 invalid_request mine: words: Field required"),
}


@pytest.mark.parametrize("overridden", [False, True], ids=["fast path", "FastAPI"])
@pytest.mark.parametrize("name", REFUSED)
async def test_a_format_writes_its_errors_itself(name: str, *, overridden: bool) -> None:
    """Every error on a route of the format has the format's shape."""
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
        for status in ("401", "408", "413", "415", "422", "429", "431", "500", "503", "504"):
            schema = operation["responses"][status]["content"]["application/json"]["schema"]
            assert {"$ref": "#/components/schemas/ToyError"} == schema


def test_the_formats_share_no_path() -> None:
    """A path belongs to one format alone."""
    paths = [path for each in WIRE_FORMATS for path in each.endpoints]
    assert len(paths) == len(set(paths))
