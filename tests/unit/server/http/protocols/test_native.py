"""The native protocol: what a body must look like, and what each head answers."""

from typing import Any

import pytest
from pydantic import ValidationError

from artifact.scores import Head
from server.app import create_app
from server.http.protocols.native import PredictBatchRequest, PredictRequest
from tests.support.classifiers import FakeClassifier, FixedClassifier
from tests.support.serving import make_settings, serving


def test_a_batch_is_refused_at_its_first_wrong_text() -> None:
    """A million empty texts cost one error and not a million: collecting them would hold up everyone."""
    with pytest.raises(ValidationError) as caught:
        PredictBatchRequest.model_validate({"texts": ["good", *[""] * 1000]})
    assert [("texts", 1)] == [error["loc"] for error in caught.value.errors()]


def test_a_text_is_kept_as_it_was_sent() -> None:
    """Nothing is trimmed or normalized before the tokenizer sees it."""
    text = "  go\u0301od \n"
    assert text == PredictRequest(text=text).text


def test_schemas_show_an_example() -> None:
    """The OpenAPI document can show a body that works."""
    for model in (PredictRequest, PredictBatchRequest):
        (example,) = model.model_json_schema()["examples"]
        model.model_validate(example)


SINGLE = Head(("no", "yes"))
MULTI = Head(("a", "b", "c"), problem="multi_label", thresholds=(0.5, 0.5, 0.2), activation="sigmoid")
VALUE = Head(("stars",), problem="regression", activation="identity")
ANSWERS: list[Any] = [
    (SINGLE, [0.25, 0.75], b'{"sentiment":1,"label":"yes","probabilities":[0.25,0.75],"tokens":5,"truncated":false}'),
    (
        MULTI,
        [0.12345678, 0.5, 0.3],
        b'{"labels":["b","c"],"probabilities":[0.123457,0.5,0.3],"tokens":5,"truncated":false}',
    ),
    (MULTI, [0.1, 0.1, 0.1], b'{"labels":[],"probabilities":[0.1,0.1,0.1],"tokens":5,"truncated":false}'),
    (VALUE, [-3.12345678], b'{"value":-3.123457,"tokens":5,"truncated":false}'),
]


@pytest.mark.anyio
@pytest.mark.parametrize(("head", "scores", "body"), ANSWERS)
async def test_the_answer_has_the_shape_of_the_head(head: Head, scores: list[float], body: bytes) -> None:
    """One label, the chosen labels or a value, alone and in a batch, to six digits."""
    async with serving(create_app(make_settings(), FixedClassifier(head, scores))) as client:
        one = await client.post("/predict", json={"text": "a"})
        many = await client.post("/predict/batch", json={"texts": ["a", "b"]})
    assert body == one.content
    assert b'{"predictions":[%b,%b]}' % (body, body) == many.content


@pytest.mark.anyio
async def test_unknown_tokens_are_told_where_there_are_any() -> None:
    """A text in a script that the model cannot read has a warning in its answer; others have no such key."""
    async with serving(create_app(make_settings(), FixedClassifier(VALUE, [1.0], unknown=3))) as client:
        answer = await client.post("/predict", json={"text": "a"})
    assert {"value": 1.0, "tokens": 5, "truncated": False, "unknown": 3} == answer.json()


@pytest.mark.anyio
async def test_pairs_arrive_as_pairs() -> None:
    """Each text with its text_pair, alone or by two lists of equal length."""
    classifier = FixedClassifier(SINGLE, [0.5, 0.5], pairs=True)
    async with serving(create_app(make_settings(max_text_chars=5), classifier)) as client:
        await client.post("/predict", json={"text": "a", "text_pair": "b"})
        await client.post("/predict/batch", json={"texts": ["a", "c"], "text_pairs": ["b", "d"]})
        short = await client.post("/predict/batch", json={"texts": ["a", "c"], "text_pairs": ["b"]})
        blank = await client.post("/predict", json={"text": "a", "text_pair": " "})
        long = await client.post("/predict", json={"text": "a", "text_pair": "abcdef"})
    assert [[("a", "b")], [("a", "b"), ("c", "d")]] == [texts for texts, _, _ in classifier.calls]
    assert (422, 422, 413) == (short.status_code, blank.status_code, long.status_code)
    assert "texts has 2 and text_pairs 1 items" in short.json()["error"]["message"]
    assert "text_pair: the text is empty" in blank.json()["error"]["message"]


@pytest.mark.parametrize(
    ("head", "answer"), [(SINGLE, "LabelPrediction"), (MULTI, "LabelsPrediction"), (VALUE, "ValuePrediction")]
)
@pytest.mark.parametrize("pairs", [False, True])
def test_the_document_describes_the_head_that_is_served(head: Head, answer: str, pairs: bool) -> None:
    """A client that is generated from it has the answer of this model, and text_pair where it is needed."""
    document = create_app(make_settings(), FixedClassifier(head, [], pairs=pairs)).openapi()
    schemas = document["components"]["schemas"]
    assert [answer] == [name for name in schemas if name.endswith("Prediction")]
    reference = {"$ref": f"#/components/schemas/{answer}"}
    single = document["paths"]["/predict"]["post"]
    assert reference == single["responses"]["200"]["content"]["application/json"]["schema"] | reference
    assert reference == schemas["BatchAnswer"]["properties"]["predictions"]["items"]
    for path, texts in (("/predict", ["text", "text_pair"]), ("/predict/batch", ["texts", "text_pairs"])):
        body = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
        assert texts[: 1 + pairs] == body["required"]
        assert pairs == (texts[1] in body["properties"])
    assert "x-problem" not in str(document)
    assert "x-pairs" not in str(document)


@pytest.mark.anyio
async def test_tokens_have_places_in_code_points() -> None:
    """Of the text as it was sent, with what the model reads of it; special tokens have none."""
    classifier = FakeClassifier()
    async with serving(create_app(make_settings(), classifier)) as client:
        answer = await client.post("/tokenize", json={"text": "a👍?", "truncation": "window"})
    special = {"start": None, "stop": None, "unknown": False}
    assert {
        "tokens": [
            {"text": "<"} | special,
            {"text": "a", "start": 0, "stop": 1, "unknown": False},
            {"text": "👍", "start": 1, "stop": 2, "unknown": False},
            {"text": "?", "start": 2, "stop": 3, "unknown": True},
            {"text": ">"} | special,
        ],
        "truncated": True,
        "read": [[0, 2]],
        "max_length": 64,
    } == answer.json()
    assert [(["a👍?"], "window", 30.0)] == classifier.calls


@pytest.mark.anyio
async def test_tokens_of_a_pair_tell_which_text_they_are_of() -> None:
    """Both texts have places of their own, and what is read of each."""
    async with serving(create_app(make_settings(), FixedClassifier(SINGLE, [0.5, 0.5], pairs=True))) as client:
        answer = (await client.post("/tokenize", json={"text": "ab", "text_pair": "cde"})).json()
    assert [None, 0, 0, 1, 1, 1, None] == [token["part"] for token in answer["tokens"]]
    assert ([[0, 2]], [[0, 2]], True) == (answer["read"], answer["read_pair"], answer["truncated"])


@pytest.mark.anyio
async def test_tokens_of_a_long_text_are_all_shown() -> None:
    """Limits and errors are those of predictions."""
    async with serving(create_app(make_settings(max_text_chars=5000), FakeClassifier())) as client:
        assert 5002 == len((await client.post("/tokenize", json={"text": "a" * 5000})).json()["tokens"])
        assert 413 == (await client.post("/tokenize", json={"text": "a" * 5001})).status_code
        assert 422 == (await client.post("/tokenize", json={"text": " "})).status_code
        assert 422 == (await client.post("/tokenize", json={"text": "a", "stage": True})).status_code
