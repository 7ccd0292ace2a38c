"""A server from its start to its end, over real HTTP."""

import json
import signal
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from artifact.child import ServedArtifact
from tests.support.figures import read_figures
from tests.support.process import server_process
from tests.support.serving import check_error
from tests.support.tiny import logits


@pytest.fixture(scope="module")
def server() -> Iterator[ServedArtifact]:
    """Return the server shared by all tests of this module."""
    with server_process(max_queue_tokens="100000", inference_workers="2") as process:
        yield process


@pytest.fixture
def client(server: ServedArtifact) -> Iterator[httpx.Client]:
    """Return a client of it."""
    with httpx.Client(base_url=server.url, timeout=30) as client:
        yield client


def sentiment(words: list[str]) -> int:
    """Return the prediction of the tiny model, computed by hand."""
    negative, positive = logits(words)
    return int(positive > negative)


def test_a_server_that_listens_is_ready(client: httpx.Client) -> None:
    """The port opens after the model is loaded, warmed up and checked, so the first request is served."""
    assert {"status": "ready"} == client.get("/health/ready").json()
    assert {"status": "live"} == client.get("/health/live").json()


def test_a_text_is_classified(client: httpx.Client) -> None:
    """One text gets one prediction, with its tokens and times."""
    answer = client.post("/predict", json={"text": "Good good BAD"})
    assert 200 == answer.status_code
    assert {"sentiment", "label", "probabilities", "tokens", "truncated"} == set(answer.json())
    assert (1, "positive", 5, False) == tuple(
        answer.json()[name] for name in ("sentiment", "label", "tokens", "truncated")
    )
    assert answer.headers["server-timing"].startswith("tokenize;dur=")


def test_a_batch_is_classified_in_order(client: httpx.Client) -> None:
    """Predictions for texts of all lengths come in the order of the texts."""
    texts = [["good"], ["bad"] * 9, ["good", "bad", "good"], ["bad", "z"], ["g"] * 14]
    answer = client.post("/predict/batch", json={"texts": [" ".join(words) for words in texts]})
    assert [sentiment(words) for words in texts] == [p["sentiment"] for p in answer.json()["predictions"]]


def test_many_callers_each_get_their_own_answer(client: httpx.Client) -> None:
    """Under load from many connections every response belongs to its request."""
    questions = [["good"] * (i % 5 + 1) + ["bad"] * (i % 7) + ["n"] for i in range(200)]

    def ask(words: list[str]) -> tuple[int, int]:
        body = client.post("/predict", json={"text": " ".join(words)}).json()
        return body["sentiment"], body["tokens"]

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, questions))
    assert [(sentiment(words), len(words) + 2) for words in questions] == answers


def test_bad_input_is_refused_and_the_server_lives_on(client: httpx.Client) -> None:
    """Invalid requests on one connection get their status and the error body, and a valid one is then answered."""
    for content, headers, status, kind in [
        (b"{nonsense", {}, 400, "invalid_request"),
        (b'{"text": 5}', {}, 422, "invalid_request"),
        (b'{"text": ""}', {}, 422, "invalid_request"),
        (b'{"text": "\\ud800"}', {}, 422, "invalid_request"),
        (b'{"text": "good", "truncation": "none"}', {}, 422, "invalid_request"),
        (b"text=good", {"content-type": "application/x-www-form-urlencoded"}, 415, "invalid_request"),
        (b'{"text": "' + b"a" * 10_000_000 + b'"}', {}, 413, "too_large"),
        (json.dumps({"text": "a" * 100_001}).encode(), {}, 413, "too_large"),
        (json.dumps({"texts": ["a"] * 257}).encode(), {}, 422, "invalid_request"),
    ]:
        check_error(client.post("/predict", content=content, headers=headers), status, kind)
    check_error(client.get("/predict"), 405, "method_not_allowed")
    check_error(client.get("/nowhere"), 404, "not_found")
    assert 200 == client.post("/predict", json={"text": "good"}).status_code


def test_a_body_of_unknown_size_is_cut_off(client: httpx.Client) -> None:
    """Ten megabytes in chunks are refused, as with an announced length."""
    chunks = (b"a" * 100_000 for _ in range(100))
    check_error(client.post("/predict", content=chunks), 413, "too_large")
    assert 200 == client.post("/predict", json={"text": "good"}).status_code


def test_what_is_not_http_gets_the_error_body(server: ServedArtifact) -> None:
    """Bytes that are not an HTTP request get the usual error body."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        connection.sendall(b"\x16\x03\x01 hello?\r\n\r\n")
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert "invalid_request" == json.loads(body)["error"]["kind"]


def test_figures_and_facts_are_published(client: httpx.Client) -> None:
    """An operator can read the server's facts and metrics."""
    document = client.get("/info").json()
    assert ("tiny", ["negative", "positive"]) == (document["model"]["name"], document["model"]["labels"])
    figures = read_figures(client.get("/metrics").content)
    assert 1 == figures["verdict_ready"]
    assert figures["verdict_requests_total{route=/predict,status=200}"] >= 1
    assert (0, 0) == (figures["verdict_queue_tokens"], figures["verdict_in_flight_texts"])


def test_the_documentation_is_served(client: httpx.Client) -> None:
    """The OpenAPI document lists the routes."""
    assert {"/predict", "/predict/batch", "/info"} <= set(client.get("/openapi.json").json()["paths"])


def test_json_logs_are_json_from_the_first_line_to_the_last() -> None:
    """A collector can parse every line, and no line contains a text from a request."""
    with server_process(log_format="json", api_key="hidden-key") as server:
        httpx.post(f"{server.url}/predict", json={"text": "good confidential"}, headers={"x-api-key": "hidden-key"})
        server.wait_for('"route":"/predict"')
        server.signal(signal.SIGTERM)
        assert 0 == server.wait()
    assert all("message" in json.loads(line) for line in server.lines)
    assert not [line for line in server.lines if "confidential" in line or "hidden-key" in line]
