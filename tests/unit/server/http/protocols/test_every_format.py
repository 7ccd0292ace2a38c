"""What holds for every format: the same scores for the same text, its own errors, keys and refusals; never a 500."""

import functools
import json
import zlib
from collections.abc import Callable, Sequence
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from hypothesis import given
from hypothesis import strategies as st

from artifact.manifest import TextOrPair, Truncation
from artifact.scores import Head
from server.app import create_app
from server.http.errors import ErrorBody
from server.http.protocols import WIRE_FORMATS, vertex
from server.http.wire_format import WireFormat
from server.inference.classifier import Classification, Prediction
from tests.support.classifiers import FixedClassifier
from tests.support.serving import make_settings, serving

pytestmark = pytest.mark.anyio

VERTEX = "/vertex:predict"
HEADS = {
    "single-label": Head(("no", "maybe", "yes"), temperature=1.7),
    "multi-label": Head(("no", "maybe", "yes"), problem="multi_label", thresholds=(0.5,) * 3, activation="sigmoid"),
    "regression": Head(("stars",), problem="regression", activation="identity"),
}
Ranking = list[dict[str, Any]]


class ByText(FixedClassifier):
    """Make logits of each text or pair.

    Args:
        head: of the model.
        pairs: whether it reads pairs.
    """

    def __init__(self, head: Head, *, pairs: bool) -> None:
        super().__init__(head, [], pairs=pairs)

    async def classify(
        self, texts: Sequence[TextOrPair], *, truncation: Truncation | None, timeout_s: float, background: bool = False
    ) -> Classification:
        """Answer at once."""
        return Classification([self._predict(text) for text in texts], self._head)

    def _predict(self, text: TextOrPair) -> Prediction:
        logits = [zlib.crc32(f"{label} {text}".encode()) / 1e9 - 2 for label in self._head.labels]
        return Prediction(self._head.scores(logits), logits, 5, truncated=False)


@functools.cache
def make_app(head: str = "single-label", *, pairs: bool = False, **settings: Any) -> FastAPI:
    """Return an application with every format."""
    return create_app(make_settings(AIP_PREDICT_ROUTE=VERTEX, **settings), ByText(HEADS[head], pairs=pairs))


def ranked(rankings: Sequence[Ranking]) -> list[dict[str, float]]:
    """Return the scores by label of each ranking."""
    return [{each["label"]: each["score"] for each in ranking} for ranking in rankings]


def of_native(answer: Any, head: Head) -> list[dict[str, float]]:
    """Return the scores by label of each native prediction."""
    rows = [each.get("probabilities") or [each["value"]] for each in answer["predictions"]]
    return [dict(zip(head.labels, row, strict=True)) for row in rows]


def of_vllm(answer: Any, head: Head) -> list[dict[str, float]]:
    """Return the scores by label of each text, and check the label."""
    by_label = [dict(zip(head.labels, each["probs"], strict=True)) for each in answer["data"]]
    assert [max(scores, key=scores.__getitem__) for scores in by_label] == [each["label"] for each in answer["data"]]
    return by_label


def pair_up(texts: list[str], pairs: bool) -> list[Any]:
    """Return inputs as most formats have them."""
    return [{"text": text, "text_pair": f"{text}!"} for text in texts] if pairs else list(texts)


def native_body(texts: list[str], pairs: bool) -> Any:
    """Return the body of a native batch."""
    return {"texts": texts} | ({"text_pairs": [f"{text}!" for text in texts]} if pairs else {})


def tei_body(texts: list[str], pairs: bool) -> Any:
    """Return a batch in the format of Text Embeddings Inference."""
    return {"inputs": [[text, f"{text}!"] if pairs else [text] for text in texts]}


FORMATS: dict[str, tuple[Callable[[list[str], bool], Any], Callable[[Any, Head], list[dict[str, float]]]]] = {
    "/": (lambda texts, pairs: {"inputs": pair_up(texts, pairs)}, lambda answer, _: ranked(answer)),
    "/hf": (lambda texts, pairs: {"inputs": pair_up(texts, pairs)}, lambda answer, _: ranked(answer)),
    "/tei/predict": (tei_body, lambda answer, _: ranked(answer)),
    "/classify": (lambda texts, pairs: {"input": pair_up(texts, pairs)}, of_vllm),
    "/v1/classify": (lambda texts, pairs: {"input": pair_up(texts, pairs)}, of_vllm),
    "/invocations": (tei_body, lambda answer, _: ranked(answer)),
    VERTEX: (
        lambda texts, pairs: {"instances": pair_up(texts, pairs)},
        lambda answer, _: ranked(answer["predictions"]),
    ),
}


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("pairs", [False, True])
async def test_a_text_has_the_same_scores_in_every_format(head: str, pairs: bool) -> None:
    """To the last digit, for every head, for texts and pairs, alone and in a batch."""
    texts = ["good", "a very bad one", "\u00fc", "4"]
    async with serving(make_app(head, pairs=pairs)) as client:
        native = await client.post("/predict/batch", json=native_body(texts, pairs))
        expected = of_native(native.json(), HEADS[head])
        for path, (write, read) in FORMATS.items():
            for part in (texts, *([text] for text in texts)):
                answer = await client.post(path, json=write(part, pairs))
                assert 200 == answer.status_code, answer.text
                places = [texts.index(text) for text in part]
                assert [expected[place] for place in places] == read(answer.json(), HEADS[head]), path


def formats() -> list[WireFormat]:
    """Return the formats in JSON; Open Inference Protocol and streams have tests of their own."""
    names = ("huggingface", "sagemaker", "tei", "vllm")
    return [vertex.make_format(VERTEX, None), *(each for each in WIRE_FORMATS if each.name in names)]


def paths() -> list[str]:
    """Return the paths of predictions in these formats."""
    return [path for each in formats() for path in each.endpoints]


def test_every_format_is_compared() -> None:
    """A new route for predictions belongs into the comparison above; others rank by a query, or show tokens."""
    assert set(paths()) - {"/tei/rerank", "/tei/tokenize"} == set(FORMATS)


def wrong_requests() -> list[tuple[str, dict[str, Any], int]]:
    """Return requests that are refused before an endpoint has read a body, with their native status."""
    return [
        ("POST", {"headers": {}}, 401),
        ("POST", {"content": b"{}", "headers": {"x-api-key": "one", "content-encoding": "br"}}, 415),
        ("POST", {"content": b" " * 4096, "headers": {"x-api-key": "one"}}, 413),
        ("PUT", {"headers": {"x-api-key": "one"}}, 405),
    ]


@pytest.mark.parametrize("path", paths())
@pytest.mark.parametrize(("method", "request_", "status"), wrong_requests())
async def test_a_refusal_has_the_format(path: str, method: str, request_: dict[str, Any], status: int) -> None:
    """Missing keys, unknown encodings, large bodies and wrong methods are refused in the shape of the path."""
    async with serving(make_app(api_key="one", max_body_bytes=2048, max_text_chars=2048)) as client:
        answer = await client.request(method, path, **request_)
    assert status == answer.status_code
    check_shape(path, answer)


@pytest.mark.parametrize("path", paths())
@pytest.mark.parametrize("key", [{"x-api-key": "one"}, {"authorization": "Bearer one"}])
async def test_a_key_is_taken_from_either_header(path: str, key: dict[str, str]) -> None:
    """Clients of all these servers send one of the two."""
    async with serving(make_app(api_key="one")) as client:
        answer = await client.post(path, json={}, headers=key)
    assert answer.status_code in {400, 422}


def check_shape(path: str, answer: httpx.Response) -> None:
    """Check that a refusal has the error model of its path's format and no other."""
    model = next(each.style.model for each in formats() if each.has(path))
    assert model is not ErrorBody
    body = answer.json()
    assert set(body) <= set(model.model_fields)
    model.model_validate(body)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
NAMES = ("inputs", "input", "instances", "query", "texts", "text", "text_pair", "parameters", "top_k", "truncate")
bodies = json_values | st.dictionaries(st.sampled_from(NAMES), json_values, max_size=5)


@given(st.sampled_from(paths()), bodies, st.sampled_from(sorted(HEADS)), st.booleans())
async def test_no_json_is_a_failure(path: str, body: Any, head: str, pairs: bool) -> None:
    """Any JSON is answered with predictions or with a refusal in the format, for any head."""
    async with serving(make_app(head, pairs=pairs)) as client:
        answer = await client.post(path, content=json.dumps(body).encode())
    reranks = pairs and head == "regression"
    assert answer.status_code in {200, 400, 413, 422, *([] if reranks else [424])}, answer.text
    if answer.status_code != 200:
        check_shape(path, answer)


async def test_every_route_of_a_format_can_be_turned_off() -> None:
    """None of them is left, the native ones stay."""
    app = create_app(
        make_settings(AIP_PREDICT_ROUTE=VERTEX, protocols="none"), ByText(HEADS["single-label"], pairs=False)
    )
    routes = [route for each in formats()[1:] for route in each.router.routes if isinstance(route, APIRoute)]
    async with serving(app) as client:
        for path, method in [(route.path, method) for route in routes for method in route.methods] + [(VERTEX, "POST")]:
            answer = await client.request(method, path, json={})
            assert (404, "not_found") == (answer.status_code, answer.json()["error"]["kind"]), path
        assert 200 == (await client.post("/predict", json={"text": "good"})).status_code
