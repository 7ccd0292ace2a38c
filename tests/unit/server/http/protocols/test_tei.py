"""Text Embeddings Inference's format: predict, rerank, facts, errors and times."""

from collections.abc import Sequence
from typing import Any

import httpx
import pytest

from artifact.manifest import TextOrPair, Truncation
from artifact.scores import Head
from server import errors
from server.app import create_app
from server.inference.classifier import Classification, Classifier, Prediction
from tests.support.classifiers import FakeClassifier, FixedClassifier
from tests.support.serving import make_settings, serving

pytestmark = pytest.mark.anyio

GOOD = [{"label": "positive", "score": 0.875}, {"label": "negative", "score": 0.125}]
BAD = [{"label": "negative", "score": 0.75}, {"label": "positive", "score": 0.25}]
RERANKER = Head(("relevance",), problem="regression", activation="identity")
PAIRS = Head(("no", "yes"))


class ByLength(FixedClassifier):
    """Score a pair by the length of its second text."""

    async def classify(
        self, texts: Sequence[TextOrPair], *, truncation: Truncation | None, timeout_s: float, background: bool = False
    ) -> Classification:
        """Record the call and answer."""
        self.calls.append((list(texts), truncation, timeout_s))
        values = [[len(text[1]) - 2.0] for text in texts]
        return Classification([Prediction(value, value, 5, truncated=False) for value in values], RERANKER)


async def ask(path: str, body: Any, classifier: Classifier | None = None, **settings: Any) -> httpx.Response:
    """Post a body as JSON, or get a path where there is no body."""
    async with serving(create_app(make_settings(**settings), classifier or FakeClassifier())) as client:
        return await (client.get(f"/tei{path}") if body is None else client.post(f"/tei{path}", json=body))


@pytest.mark.parametrize(
    ("inputs", "answer"),
    [("good", GOOD), (["good"], GOOD), ([["good"], ["bad"]], [GOOD, BAD]), ([["good"]], [GOOD])],
)
async def test_one_input_is_flat_and_a_batch_nested(inputs: Any, answer: Any) -> None:
    """The batch is a list of lists."""
    response = await ask("/predict", {"inputs": inputs})
    assert (200, answer) == (response.status_code, response.json())


async def test_two_texts_are_one_pair() -> None:
    """A list of two texts is a pair and no batch; a batch may hold pairs."""
    classifier = FixedClassifier(PAIRS, [0.25, 0.75], pairs=True)
    one = await ask("/predict", {"inputs": ["a", "b"]}, classifier)
    many = await ask("/predict", {"inputs": [["a", "b"], ["c", "d"]]}, classifier)
    assert [[("a", "b")], [("a", "b"), ("c", "d")]] == [texts for texts, *_ in classifier.calls]
    assert ("yes", "yes") == (one.json()[0]["label"], many.json()[1][0]["label"])


async def test_raw_scores_are_logits() -> None:
    """Of every label, the highest first."""
    classifier = FixedClassifier(PAIRS, [0.25, 0.75], logits=[-1.0, 2.5])
    answer = await ask("/predict", {"inputs": "a", "raw_scores": True}, classifier)
    assert [{"label": "yes", "score": 2.5}, {"label": "no", "score": -1.0}] == answer.json()


@pytest.mark.parametrize(
    ("body", "truncation"),
    [({}, None), ({"truncate": True}, None), ({"truncate": True, "truncation_direction": "Right"}, "head")],
)
async def test_long_texts_are_cut_as_asked(body: dict[str, Any], truncation: str | None) -> None:
    """Without a direction the model's own way is taken; right keeps the beginning."""
    classifier = FakeClassifier()
    assert 200 == (await ask("/predict", {"inputs": "good"} | body, classifier)).status_code
    assert [truncation] == [used for _, used, _ in classifier.calls]


async def test_a_caller_may_forbid_cutting() -> None:
    """With truncate false a text that is too long is refused."""
    classifier = FixedClassifier(PAIRS, [0.25, 0.75], truncated=True)
    assert 200 == (await ask("/predict", {"inputs": "a"}, classifier)).status_code
    answer = await ask("/predict", {"inputs": "a", "truncate": False}, classifier)
    assert (413, "Validation") == (answer.status_code, answer.json()["error_type"])
    assert "at most 5 tokens, input 0 has more" in answer.json()["error"]


async def test_texts_are_ranked_by_a_query() -> None:
    """Every text with the query is a pair; the score is the logistic function of the logit, or the logit."""
    classifier = ByLength(RERANKER, [], pairs=True)
    body = {"query": "q", "texts": ["aa", "aaaa", "a"]}
    ranks = (await ask("/rerank", body, classifier)).json()
    assert [{"index": 1, "score": 0.880797}, {"index": 0, "score": 0.5}, {"index": 2, "score": 0.268941}] == ranks
    raw = (await ask("/rerank", body | {"raw_scores": True, "return_text": True}, classifier)).json()
    assert {"index": 1, "text": "aaaa", "score": 2.0} == raw[0]
    assert [("q", "aa"), ("q", "aaaa"), ("q", "a")] == classifier.calls[0][0]


async def test_only_a_reranker_ranks() -> None:
    """Another model answers 424, as Text Embeddings Inference does."""
    answer = await ask("/rerank", {"query": "q", "texts": ["a"]})
    assert (424, "Backend") == (answer.status_code, answer.json()["error_type"])
    assert "not a re-ranker model" in answer.json()["error"]


@pytest.mark.parametrize(
    ("error", "status", "error_type"),
    [
        (errors.InvalidRequestError("x"), 422, "Validation"),
        (errors.TooLargeError("x"), 413, "Validation"),
        (errors.OverloadedError("x", 1), 429, "Overloaded"),
        (errors.TimedOutError("x"), 429, "Overloaded"),
        (errors.EngineFailedError("x"), 424, "Backend"),
        (errors.TextFailedError(0), 424, "Backend"),
        (errors.NotReadyError("x"), 503, "Unhealthy"),
        (ValueError("a bug"), 424, "Backend"),
    ],
)
async def test_errors_have_the_statuses_and_types(error: Exception, status: int, error_type: str) -> None:
    """They differ from the native ones."""
    answer = await ask("/predict", {"inputs": "good"}, FakeClassifier(error))
    assert (status, error_type) == (answer.status_code, answer.json()["error_type"])
    assert {"error", "error_type"} == set(answer.json())


@pytest.mark.parametrize(
    ("path", "body", "status", "error_type"),
    [
        ("/predict", {}, 422, "Validation"),
        ("/predict", {"inputs": [[]]}, 422, "Validation"),
        ("/predict", {"inputs": [["a"], ["a", "b", "c"]]}, 422, "Validation"),
        ("/predict", {"inputs": ["a", ["b"]]}, 422, "Validation"),
        ("/predict", {"inputs": "a", "truncation_direction": "Left"}, 422, "Validation"),
        ("/predict", {"inputs": [["a"]] * 257}, 413, "Validation"),
        ("/embed", {"inputs": "a"}, 404, "Validation"),
        ("/predict", None, 405, "Validation"),
    ],
)
async def test_wrong_requests_have_the_format(path: str, body: Any, status: int, error_type: str) -> None:
    """Paths that do not exist, too."""
    answer = await ask(path, body)
    assert (status, error_type) == (answer.status_code, answer.json()["error_type"])


async def test_an_empty_list_of_texts_is_empty() -> None:
    """It has a status and a type of its own."""
    classifier = FixedClassifier(RERANKER, [0.0], pairs=True)
    answer = await ask("/rerank", {"query": "q", "texts": []}, classifier)
    assert (400, "Empty") == (answer.status_code, answer.json()["error_type"])


async def test_tokens_have_the_places_of_their_bytes() -> None:
    """As in Text Embeddings Inference, whose library counts bytes of UTF-8; special tokens have names and no place."""
    first, *own, last = (await ask("/tokenize", {"inputs": "a👍b"})).json()[0]
    assert {"id": 1, "text": "<", "special": True, "start": None, "stop": None} == first
    assert [("a", 0, 1), ("👍", 1, 5), ("b", 5, 6)] == [(each["text"], each["start"], each["stop"]) for each in own]
    assert (">", True) == (last["text"], last["special"])


async def test_a_list_of_texts_is_tokenized_without_special_tokens_if_asked() -> None:
    """It is a batch, not a pair."""
    answer = (await ask("/tokenize", {"inputs": ["ab", "c"], "add_special_tokens": False})).json()
    assert [["a", "b"], ["c"]] == [[token["text"] for token in tokens] for tokens in answer]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"inputs": []}, 422),
        ({"inputs": [["a"]]}, 422),
        ({"inputs": "a", "prompt_name": "query"}, 422),
        ({"inputs": "a", "add_special_tokens": "yes"}, 422),
        ({"inputs": ["a"] * 3}, 413),
        ({"inputs": "abcdefghi"}, 413),
    ],
)
async def test_wrong_requests_for_tokens_have_the_format(body: Any, status: int) -> None:
    """The limits are those of predictions."""
    answer = await ask("/tokenize", body, max_items_per_request=2, max_text_chars=8)
    assert (status, "Validation") == (answer.status_code, answer.json()["error_type"])


async def test_times_stand_in_headers() -> None:
    """In whole milliseconds, with the characters and the tokens."""
    headers = (await ask("/predict", {"inputs": [["good"], ["so bad"]]})).headers
    assert ("1", "10", "500") == tuple(headers[f"x-{name}-time"] for name in ("tokenization", "queue", "inference"))
    assert ("cpu", "10", "7") == tuple(headers[f"x-compute-{name}"] for name in ("type", "characters", "tokens"))
    assert headers["x-compute-time"] == headers["x-total-time"]


async def test_facts_have_the_fields_of_the_format() -> None:
    """Clients read the kind of model, its labels and the limits."""
    facts = (await ask("/info", None, max_items_per_request=7)).json()
    kind = {"id2label": {"0": "negative", "1": "positive"}, "label2id": {"negative": 0, "positive": 1}}
    assert ("fake", {"classifier": kind}, 64, 7) == tuple(
        facts[name] for name in ("model_id", "model_type", "max_input_length", "max_client_batch_size")
    )
    classifier = FixedClassifier(RERANKER, [0.0], pairs=True)
    assert {"reranker"} == set((await ask("/info", None, classifier)).json()["model_type"])


async def test_health_and_metrics_are_served() -> None:
    """Health has no body; metrics are the server's own."""
    health = await ask("/health", None)
    assert (200, b"") == (health.status_code, health.content)
    assert "verdict_ready 1.0" in (await ask("/metrics", None)).text
