"""Hugging Face's format: a ranking for each text, parameters in two places, errors in one string."""

from typing import Any

import httpx
import pytest

from artifact.scores import Head
from server.app import create_app
from server.errors import EngineFailedError, NotReadyError
from server.inference.classifier import Classifier
from tests.support.classifiers import FakeClassifier, FixedClassifier
from tests.support.serving import make_settings, serving

pytestmark = pytest.mark.anyio

GOOD = [{"label": "positive", "score": 0.875}, {"label": "negative", "score": 0.125}]
BAD = [{"label": "negative", "score": 0.75}, {"label": "positive", "score": 0.25}]


async def ask(body: Any, classifier: Classifier | None = None, path: str = "/", **settings: Any) -> httpx.Response:
    """Post a body as JSON."""
    async with serving(create_app(make_settings(**settings), classifier or FakeClassifier())) as client:
        return await client.post(path, json=body)


@pytest.mark.parametrize("path", ["/", "/hf"])
@pytest.mark.parametrize(
    ("body", "answer"),
    [
        ({"inputs": "good"}, [GOOD]),
        ({"inputs": ["good", "bad"]}, [GOOD, BAD]),
        ({"inputs": {"text": "good"}}, [GOOD]),
        ({"inputs": [{"text": "bad"}, "good"]}, [BAD, GOOD]),
        ({"inputs": "good", "parameters": {"top_k": 1}}, [GOOD[:1]]),
        ({"inputs": "good", "top_k": 1}, [GOOD[:1]]),
        ({"inputs": "good", "parameters": {}, "top_k": 1}, [GOOD[:1]]),
        ({"inputs": "good", "parameters": {"top_k": None, "function_to_apply": "softmax"}}, [GOOD]),
        ({"inputs": "good", "parameters": {"truncation": True}, "options": {"wait_for_model": True}}, [GOOD]),
    ],
)
async def test_every_text_has_a_ranking(path: str, body: Any, answer: Any) -> None:
    """One text too: the client keeps the first item, and would lose labels of a flat list."""
    response = await ask(body, path=path)
    assert (200, answer) == (response.status_code, response.json())
    assert response.headers["server-timing"].startswith("tokenize;dur=")


async def test_a_function_of_the_logits_can_be_asked_for() -> None:
    """The logits themselves with none."""
    head = Head(("a", "b"), temperature=3.0)
    classifier = FixedClassifier(head, [0.25, 0.75], logits=[-1.0, 2.5])
    answer = await ask({"inputs": "x", "parameters": {"function_to_apply": "none"}}, classifier)
    assert [[{"label": "b", "score": 2.5}, {"label": "a", "score": -1.0}]] == answer.json()


async def test_pairs_arrive_as_pairs() -> None:
    """One or several, for a model that reads them."""
    classifier = FixedClassifier(Head(("a",)), [1.0], pairs=True)
    pair = {"text": "q", "text_pair": "p"}
    for inputs in (pair, [pair, pair]):
        assert 200 == (await ask({"inputs": inputs}, classifier)).status_code
    assert [[("q", "p")], [("q", "p"), ("q", "p")]] == [texts for texts, *_ in classifier.calls]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "inputs: Field required"),
        ({"inputs": 5}, "inputs: send a text, an object with text and text_pair, or a list of these"),
        ({"inputs": []}, "inputs"),
        ({"inputs": [["good"]]}, "send a text, or an object with text and text_pair"),
        ({"inputs": ""}, "the text is empty"),
        ({"inputs": ["good", " "]}, "inputs.list.1"),
        ({"inputs": "good", "parameters": {"top_k": 0}}, "parameters.top_k"),
        ({"inputs": "good", "parameters": {"function_to_apply": "relu"}}, "function_to_apply"),
    ],
)
async def test_a_wrong_body_is_refused_in_the_format(body: Any, message: str) -> None:
    """With 400, as the client's own server does, and where it is wrong."""
    answer = await ask(body)
    assert (400, {"error"}) == (answer.status_code, set(answer.json()))
    assert message in answer.json()["error"]


@pytest.mark.parametrize(
    ("error", "status", "body"),
    [
        (NotReadyError("loading"), 503, {"error": "loading", "estimated_time": 1.0}),
        (EngineFailedError("failed"), 500, {"error": "failed"}),
    ],
)
async def test_failures_have_the_format(error: Exception, status: int, body: dict[str, object]) -> None:
    """The client reads 503 as: the model is loading."""
    answer = await ask({"inputs": "good"}, FakeClassifier(error))
    assert (status, body) == (answer.status_code, answer.json())


async def test_what_the_model_did_not_read_is_told_in_headers() -> None:
    """A ranking has no place for it; a text that was read whole has no such header."""
    classifier = FixedClassifier(Head(("a",)), [1.0], unknown=2, truncated=True)
    answer = await ask({"inputs": ["x", "y"]}, classifier)
    assert ("2", "4") == (answer.headers["x-truncated-texts"], answer.headers["x-unknown-tokens"])
    whole = await ask({"inputs": "x"})
    assert not {"x-truncated-texts", "x-unknown-tokens"} & set(whole.headers)
