"""vLLM's format: ``/classify`` as OpenAI-style clients call it."""

import time
from typing import Any

import httpx
import pytest

from artifact.scores import Head
from server.app import create_app
from server.errors import EngineFailedError, OverloadedError, UnauthorizedError
from server.inference.classifier import Classifier
from tests.support.classifiers import FakeClassifier, FixedClassifier
from tests.support.serving import make_settings, serving

pytestmark = pytest.mark.anyio


async def ask(body: Any, classifier: Classifier | None = None, path: str = "/classify") -> httpx.Response:
    """Post a body as JSON."""
    async with serving(create_app(make_settings(), classifier or FakeClassifier())) as client:
        return await client.post(path, json=body, headers={"x-request-id": "mine"})


@pytest.mark.parametrize("path", ["/classify", "/v1/classify"])
async def test_texts_are_answered_in_their_order(path: str) -> None:
    """Each with its index, its best label and the scores in label order; the tokens are summed."""
    before = int(time.time())
    answer = (await ask({"model": "any", "input": ["good", "so bad"], "user": "me"}, path=path)).json()
    assert before <= answer.pop("created") <= int(time.time())
    assert {
        "id": "classify-mine",
        "object": "list",
        "model": "fake",
        "data": [
            {"index": 0, "label": "positive", "probs": [0.125, 0.875], "num_classes": 2},
            {"index": 1, "label": "negative", "probs": [0.75, 0.25], "num_classes": 2},
        ],
        "usage": {"prompt_tokens": 7, "total_tokens": 7, "completion_tokens": 0, "prompt_tokens_details": None},
    } == answer


async def test_one_text_is_a_list_of_one() -> None:
    """A string and a list of one are the same."""
    one, many = [(await ask({"input": given})).json()["data"] for given in ("good", ["good"])]
    assert one == many
    assert 1 == len(one)


async def test_a_regression_has_its_value() -> None:
    """Under the name of its only label."""
    head = Head(("stars",), problem="regression", activation="identity")
    (data,) = (await ask({"input": "x"}, FixedClassifier(head, [3.5]))).json()["data"]
    assert {"index": 0, "label": "stars", "probs": [3.5], "num_classes": 1} == data


@pytest.mark.parametrize(
    ("error", "body", "status", "name"),
    [
        (None, {}, 400, "BadRequestError"),
        (None, {"input": [1, 2]}, 400, "BadRequestError"),
        (None, {"input": ["good"] * 257}, 413, "BadRequestError"),
        (UnauthorizedError("key"), {"input": "x"}, 401, "AuthenticationError"),
        (OverloadedError("full", 1), {"input": "x"}, 429, "RateLimitError"),
        (EngineFailedError("failed"), {"input": "x"}, 500, "InternalServerError"),
    ],
)
async def test_errors_have_the_format(error: Exception | None, body: Any, status: int, name: str) -> None:
    """An object with message, type and code, as OpenAI's client reads it."""
    answer = await ask(body, FakeClassifier(error))
    shown = answer.json()["error"]
    assert (status, status, name, None) == (answer.status_code, shown["code"], shown["type"], shown["param"])
    assert shown["message"]
