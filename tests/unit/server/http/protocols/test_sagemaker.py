"""SageMaker's format: health, batch transform's limits, and invocations in JSON, CSV and JSON lines."""

import json
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from artifact.scores import Head
from server.app import create_app
from server.errors import EngineFailedError
from server.inference.classifier import Classifier
from tests.support.classifiers import FakeClassifier, FixedClassifier
from tests.support.serving import make_settings, serving

pytestmark = pytest.mark.anyio

GOOD = [{"label": "positive", "score": 0.875}, {"label": "negative", "score": 0.125}]
BAD = [{"label": "negative", "score": 0.75}, {"label": "positive", "score": 0.25}]
PAIRS = Head(("no", "yes"))


async def invoke(
    body: Any, content_type: str = "application/json", accept: str = "*/*", classifier: Classifier | None = None
) -> httpx.Response:
    """Post a body, as JSON where it is not bytes."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"content-type": content_type, "accept": accept}
    async with serving(create_app(make_settings(), classifier or FakeClassifier())) as client:
        return await client.post("/invocations", content=content, headers=headers)


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        ({"inputs": "good"}, GOOD),
        ({"inputs": {"text": "good"}}, GOOD),
        ({"inputs": "good", "parameters": {"top_k": 1}}, GOOD[:1]),
        ({"inputs": ["good", "bad"]}, [GOOD[0], BAD[0]]),
        ({"inputs": ["good", "bad"], "parameters": {"top_k": 2}}, [GOOD, BAD]),
        ({"inputs": [["good"], ["bad"]]}, [GOOD, BAD]),
    ],
)
async def test_json_is_answered_as_by_the_containers_of_hugging_face(body: Any, answer: Any) -> None:
    """One input has a flat ranking, a list the best label of each text, a batch of lists a ranking of each."""
    response = await invoke(body)
    assert (200, answer) == (response.status_code, response.json())


@pytest.mark.parametrize(
    ("inputs", "texts"),
    [
        (["q", "p"], [("q", "p")]),
        ([["q", "p"]], [("q", "p")]),
        ({"text": "q", "text_pair": "p"}, [("q", "p")]),
        ([{"text": "q", "text_pair": "p"}, {"text": "r", "text_pair": "s"}], [("q", "p"), ("r", "s")]),
    ],
)
async def test_a_model_that_reads_pairs_gets_them(inputs: Any, texts: Any) -> None:
    """Two texts are one pair for it."""
    classifier = FixedClassifier(PAIRS, [0.25, 0.75], pairs=True)
    assert 200 == (await invoke({"inputs": inputs}, classifier=classifier)).status_code
    assert [texts] == [given for given, *_ in classifier.calls]


async def test_raw_scores_are_logits() -> None:
    """As in Text Embeddings Inference."""
    classifier = FixedClassifier(PAIRS, [0.25, 0.75], logits=[-1.0, 2.5])
    answer = await invoke({"inputs": "a", "raw_scores": True}, classifier=classifier)
    assert {"label": "yes", "score": 2.5} == answer.json()[0]


@pytest.mark.parametrize("content_type", ["text/csv", "text/csv; charset=utf-8", "Text/CSV"])
@pytest.mark.parametrize("body", [b"good\nbad\n", b"good\r\nbad", b'"good"\n\n"bad"\n', b"\xef\xbb\xbfgood\nbad\n"])
async def test_csv_has_a_text_a_row(content_type: str, body: bytes) -> None:
    """The answer has a row each: the best label and its score, then the others."""
    answer = await invoke(body, content_type)
    assert ("text/csv", "positive,0.875,negative,0.125\nnegative,0.75,positive,0.25\n") == (
        answer.headers["content-type"],
        answer.text,
    )


async def test_csv_in_quotes_may_hold_commas_and_lines() -> None:
    """As RFC 4180 has it; for pairs there are two columns."""
    classifier = FakeClassifier()
    await invoke(b'"good, very\ngood"\n', "text/csv", classifier=classifier)
    pairs = FixedClassifier(PAIRS, [0.25, 0.75], pairs=True)
    await invoke(b"q,p\n", "text/csv", classifier=pairs)
    assert [["good, very\ngood"], [("q", "p")]] == [each.calls[0][0] for each in (classifier, pairs)]


@pytest.mark.parametrize("content_type", ["application/jsonlines", "application/x-jsonlines", "application/x-ndjson"])
async def test_json_lines_have_an_input_a_line(content_type: str) -> None:
    """A string, an object or a list of one; the answer has a ranking a line."""
    lines = ['"good"', '{"inputs": "bad"}', "", '{"text": "good"}', '{"inputs": ["bad"]}', '["good"]']
    answer = await invoke("\n".join(lines).encode(), content_type)
    assert "application/jsonlines" == answer.headers["content-type"]
    assert [GOOD, BAD, GOOD, BAD, GOOD] == [json.loads(line) for line in answer.text.splitlines()]


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("*/*", "text/csv"),
        ("application/json", "application/json"),
        ("image/png, application/jsonlines;verbose=true, text/csv", "application/jsonlines"),
        ("", "text/csv"),
    ],
)
async def test_the_answer_has_the_accepted_media_type(accept: str, media_type: str) -> None:
    """Else that of the body."""
    answer = await invoke(b"good\nbad\n", "text/csv", accept)
    assert media_type == answer.headers["content-type"]
    if media_type == "application/json":
        assert [GOOD, BAD] == answer.json()


@pytest.mark.parametrize(
    ("body", "content_type", "status", "message"),
    [
        (b"good", "text/plain", 415, "text/plain"),
        (b"{", "application/json", 400, "not JSON"),
        (b"{}", "application/json", 422, "inputs: Field required"),
        (b'{"inputs": []}', "application/json", 422, "inputs"),
        (b"", "text/csv", 422, "no text"),
        (b"\n\n", "application/jsonlines", 422, "no text"),
        (b"good, but long\n", "text/csv", 422, "row 1 has 2 columns, this model reads 1"),
        (b"\xff\n", "text/csv", 400, "not CSV in UTF-8"),
        (b'"good"\n{"inputs"\n', "application/jsonlines", 400, "line 2: the body is not JSON"),
        (b'"good"\n5\n', "application/jsonlines", 422, "line 2: "),
        (b"good\n" * 257, "text/csv", 413, "257 texts"),
        (b'"good"\n' * 257, "application/jsonlines", 413, "257 texts"),
        (b" \n", "text/csv", 422, "empty"),
    ],
)
async def test_a_wrong_body_is_refused_in_the_format(body: bytes, content_type: str, status: int, message: str) -> None:
    """The runtime shows code, type and message to the caller."""
    answer = await invoke(body, content_type)
    assert (status, {"code", "type", "message"}) == (answer.status_code, set(answer.json()))
    assert message in answer.json()["message"]


async def test_a_failure_has_the_format() -> None:
    """With the native status and kind."""
    answer = await invoke({"inputs": "good"}, classifier=FakeClassifier(EngineFailedError("failed")))
    assert {"code": 500, "type": "engine_failed", "message": "failed"} == answer.json()


@given(st.binary(max_size=60), st.sampled_from(["text/csv", "application/jsonlines"]), st.booleans())
async def test_no_bytes_are_a_failure(body: bytes, content_type: str, pairs: bool) -> None:
    """CSV and JSON lines of any bytes are answered or refused."""
    classifier = FixedClassifier(PAIRS, [0.25, 0.75], pairs=pairs)
    assert (await invoke(body, content_type, classifier=classifier)).status_code in {200, 400, 413, 422}


async def test_the_platform_is_told_of_health_and_limits() -> None:
    """A ping has no body and needs no key; batch transform learns how much it may send."""
    app = create_app(make_settings(api_key="one", max_body_bytes=3 << 20), FakeClassifier())
    async with serving(app) as client:
        ping = await client.get("/ping")
        limits = await client.get("/execution-parameters", headers={"x-api-key": "one"})
        app.state.lifecycle.draining = True
        draining = await client.get("/ping")
    assert (200, b"") == (ping.status_code, ping.content)
    assert {"MaxConcurrentTransforms": 1, "BatchStrategy": "MULTI_RECORD", "MaxPayloadInMB": 3} == limits.json()
    assert (503, "draining") == (draining.status_code, draining.json()["type"])
