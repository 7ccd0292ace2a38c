"""The OpenAPI document: it describes every possible response."""

import re
import sys
from typing import Any, get_args

import pytest

from artifact.blank import is_blank
from server.app import create_app
from server.http.errors import _ROUTING_KINDS, STATUS, ErrorKind
from tests.support.classifiers import FakeClassifier
from tests.support.serving import make_settings

ANY = {"400", "408", "431", "500", "503"}
"""Statuses of any request: bytes that are not HTTP, a slow or a large head, a bug, too many connections."""
REFUSALS = {"401", "413", "415", "422", "429", "504", *ANY}


LOCKED = {
    "post /admin/reload",
    "post /predict",
    "post /predict/batch",
    "post /tokenize",
    "post /predict/stream",
    "get /card",
    "post /explain",
    "get /info",
    "get /metrics",
    "post /",
    "post /hf",
    "post /invocations",
    "get /execution-parameters",
    "post /tei/predict",
    "post /tei/rerank",
    "post /tei/tokenize",
    "get /tei/info",
    "get /tei/metrics",
    "post /classify",
    "post /v1/classify",
    "get /v2",
    "get /v2/models/{name}",
    "get /v2/models/{name}/ready",
    "get /v2/models/{name}/versions/{version}",
    "get /v2/models/{name}/versions/{version}/ready",
    "post /v2/models/{name}/infer",
    "post /v2/models/{name}/versions/{version}/infer",
}


def operations(**changes: Any) -> dict[str, Any]:
    """Return the document's operations by method and path."""
    document = create_app(make_settings(**changes), FakeClassifier()).openapi()
    return {f"{method} {path}": each for path, methods in document["paths"].items() for method, each in methods.items()}


@pytest.mark.parametrize(
    ("operation", "statuses"),
    [
        ("post /predict", {"200", *REFUSALS}),
        ("post /predict/batch", {"200", *REFUSALS}),
        ("get /health/live", {"200", *ANY}),
        ("get /health/ready", {"200", *ANY}),
        ("get /info", {"200", "401", *ANY}),
        ("get /metrics", {"200", "401", *ANY}),
        ("post /admin/reload", {"200", "401", "409", *ANY}),
    ],
)
def test_every_status_is_documented(operation: str, statuses: set[str]) -> None:
    """Each route lists exactly its statuses; all errors have the error body."""
    responses = operations()[operation]["responses"]
    assert statuses == set(responses)
    schemas = [responses[status]["content"]["application/json"]["schema"] for status in statuses - {"200"}]
    assert [{"$ref": "#/components/schemas/ErrorBody"}] * len(schemas) == schemas


def test_every_kind_of_error_is_documented() -> None:
    """A client generated from the document has every kind of error."""
    received = {error.kind for error, status in STATUS.items() if status != 499} | set(_ROUTING_KINDS.values())
    assert received == set(get_args(ErrorKind))


def test_every_answer_has_a_request_id() -> None:
    """Every response documents the request id header."""
    responses = [response for each in operations().values() for response in each["responses"].values()]
    assert [] == [response for response in responses if "x-request-id" not in response["headers"]]


def test_overload_is_documented_with_its_header() -> None:
    """A refused caller learns when to retry."""
    for status in ("429", "503"):
        assert "retry-after" in operations()["post /predict"]["responses"][status]["headers"]


@pytest.mark.parametrize(
    ("keys", "locked"),
    [
        (None, {"post /admin/reload"}),
        ("a,b", LOCKED),
    ],
)
def test_a_key_is_asked_for_where_one_is_needed(keys: str | None, locked: set[str]) -> None:
    """The document depends on the settings: without keys only reloads require one, and health never does."""
    assert locked == {name for name, each in operations(api_key=keys).items() if "security" in each}


def test_a_text_without_a_visible_character_is_outside_the_schema() -> None:
    """The schema refuses exactly what the server refuses for every model, in terms that every dialect reads alike."""
    content = operations()["post /predict"]["requestBody"]["content"]
    pattern = content["application/json"]["schema"]["properties"]["text"]["pattern"]
    assert not {"\\s", "\\x", "\\p"} & set(re.findall(r"\\.", pattern.lower()))
    for character in map(chr, range(sys.maxunicode + 1)):
        assert is_blank(character) != bool(re.search(pattern, character)), hex(ord(character))


def test_the_callers_patience_is_a_parameter() -> None:
    """The one header that changes a response is documented."""
    (parameter,) = operations()["post /predict"]["parameters"]
    assert ("x-request-timeout-ms", False) == (parameter["name"], parameter["required"])


def test_a_stream_is_documented_by_its_lines() -> None:
    """Both ways; a refusal of the whole request is one JSON object."""
    stream = operations()["post /predict/stream"]
    (body,) = stream["requestBody"]["content"].items()
    (answer,) = stream["responses"]["200"]["content"].items()
    assert ("application/x-ndjson", "application/x-ndjson") == (body[0], answer[0])
    assert {"text"} == set(body[1]["schema"]["required"])
    prediction, failed, last = answer[1]["schema"]["anyOf"]
    assert {"$ref": "#/components/schemas/LabelPrediction"} == prediction
    assert [{"id", "error", "line"}, {"error", "answered"}] == [set(each["required"]) for each in (failed, last)]
    assert {"application/json"} == set(stream["responses"]["422"]["content"])
