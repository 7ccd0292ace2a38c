"""Explanations over HTTP: the shape for each head, and what is refused."""

import zlib
from collections.abc import Sequence
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from artifact.blank import is_blank
from artifact.manifest import TextOrPair, Truncation
from artifact.scores import Head
from server.app import create_app
from server.http.protocols.explain import ExplainAnswer
from server.inference.classifier import Classification, Classifier, Prediction
from server.inference.spans import Span, leave_out
from tests.support.classifiers import FakeClassifier, FixedClassifier
from tests.support.figures import read_figures
from tests.support.serving import check_error, make_settings, serving

pytestmark = pytest.mark.anyio

HEADS = {
    "single-label": Head(("no", "maybe", "yes"), temperature=1.7),
    "multi-label": Head(("no", "maybe", "yes"), problem="multi_label", thresholds=(0.5,) * 3, activation="sigmoid"),
    "regression": Head(("stars",), problem="regression", activation="identity"),
}


class ByText(FixedClassifier):
    """Make logits of each text or pair."""

    def __init__(self, head: Head, *, pairs: bool = False) -> None:
        super().__init__(head, [], pairs=pairs)

    async def classify(
        self, texts: Sequence[TextOrPair], *, truncation: Truncation | None, timeout_s: float, background: bool = False
    ) -> Classification:
        """Answer at once."""
        logits = [[zlib.crc32(f"{label} {text}".encode()) / 1e9 - 2 for label in self._head.labels] for text in texts]
        return Classification(
            [Prediction(self._head.scores(row), row, 5, truncated=False) for row in logits], self._head
        )


async def ask(body: Any, classifier: Classifier | None = None, **settings: Any) -> httpx.Response:
    """Post a body as JSON."""
    async with serving(create_app(make_settings(**settings), classifier or FakeClassifier())) as client:
        return await client.post("/explain", json=body)


async def test_an_answer_has_the_method_and_each_part() -> None:
    """With the score of the whole text and without each part, for the label of the answer."""
    answer = await ask({"text": "A good film. So long."})
    assert answer.headers["server-timing"]
    document = answer.json()
    note = document.pop("note")
    assert "do not add up" in note
    assert "no cause" in note
    part = {"score_without": 0.25, "contribution": 0.625, "contributions": [-0.625, 0.625]}
    other = {"score_without": 0.875, "contribution": 0.0, "contributions": [0.0, 0.0]}
    assert {
        "method": "leave-one-out",
        "by": "sentence",
        "label": "positive",
        "score": 0.875,
        "labels": ["negative", "positive"],
        "scores": [0.125, 0.875],
        "tokens": 7,
        "truncated": False,
        "parts": [
            {"start": 0, "stop": 12, "text": "A good film."} | part,
            {"start": 13, "stop": 21, "text": "So long."} | other,
        ],
    } == document


async def test_another_label_can_be_explained() -> None:
    """Its score, and the contributions to it."""
    document = (await ask({"text": "good film", "by": "word", "label": "negative"})).json()
    assert ("negative", 0.125) == (document["label"], document["score"])
    assert [-0.625, 0.0] == [part["contribution"] for part in document["parts"]]


async def test_an_only_part_has_no_score_without_it() -> None:
    """Nothing is left to read, and a number would be made up."""
    (part,) = (await ask({"text": " good\u200b"})).json()["parts"]
    left = {"score_without": None, "contribution": None, "contributions": None}
    assert {"start": 1, "stop": 6, "text": "good\u200b"} | left == part


async def test_parts_of_a_pair_say_which_text_they_are_in() -> None:
    """0 is the text, 1 the text_pair; offsets begin anew."""
    body = {"text": "a \U0001f600 b", "text_pair": "c d", "by": "word"}
    parts = (await ask(body, ByText(HEADS["single-label"], pairs=True))).json()["parts"]
    places = [(part["part"], part["start"], part["stop"], part["text"]) for part in parts]
    assert [(0, 0, 1, "a"), (0, 2, 3, "\U0001f600"), (0, 4, 5, "b"), (1, 0, 1, "c"), (1, 2, 3, "d")] == places


TEXTS = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from(" .a"), max_size=30)


@pytest.mark.parametrize("head", HEADS)
@given(text=TEXTS.filter(lambda text: not is_blank(text)), by=st.sampled_from(["word", "sentence"]))
async def test_contributions_are_differences_of_what_predict_answers(head: str, text: str, by: str) -> None:
    """For every head and label: the whole text's score minus that of the text without the part."""
    async with serving(create_app(make_settings(), ByText(HEADS[head]))) as client:

        async def scores(text: str) -> list[float]:
            answer = (await client.post("/predict", json={"text": text})).json()
            return answer.get("probabilities") or [answer["value"]]

        document = (await client.post("/explain", json={"text": text, "by": by})).json()
        ExplainAnswer.model_validate(document)
        assert document["scores"] == await scores(text)
        label = document["labels"].index(document["label"])
        for part in document["parts"]:
            start, stop = part["start"], part["stop"]
            assert text[start:stop] == part["text"]
            rest = leave_out(text, Span(start, stop))
            if is_blank(rest):
                assert part["contribution"] is None
                continue
            without = await scores(rest)
            differences = [round(one - other, 6) for one, other in zip(document["scores"], without, strict=True)]
            assert differences == part["contributions"]
            assert (without[label], differences[label]) == (part["score_without"], part["contribution"])


@pytest.mark.parametrize(
    ("body", "status", "kind", "message"),
    [
        (
            {"text": "x", "label": "<b>"},
            422,
            "invalid_request",
            "'<b>' is no label of this model; send one of",
        ),
        ({"text": "x", "by": "letter"}, 422, "invalid_request", "by: Input should be 'sentence' or 'word'"),
        ({"text": " "}, 422, "invalid_request", "text: the text is empty"),
        ({"by": "word"}, 422, "invalid_request", "text: Field required"),
        ({"text": "x" * 51}, 413, "too_large", "51 characters, at most 50"),
        ({"text": "a b c d", "by": "word"}, 413, "too_large", "more than 3 words"),
    ],
)
async def test_a_wrong_request_is_refused(body: Any, status: int, kind: str, message: str) -> None:
    """In the native shape."""
    answer = await ask(body, max_explain_parts=3, max_text_chars=50)
    assert message in check_error(answer, status, kind)


async def test_a_key_is_asked_for() -> None:
    """As for predictions."""
    check_error(await ask({"text": "good"}, api_key="secret"), 401, "unauthorized")


async def test_it_can_be_turned_off() -> None:
    """By the setting that turns other formats off."""
    check_error(await ask({"text": "good"}, protocols="none"), 404, "not_found")
    assert 200 == (await ask({"text": "good"}, protocols="explain")).status_code


async def test_figures_tell_of_explanations() -> None:
    """Their time stands under their route, their parts in a histogram, what failed among the texts."""
    app = create_app(make_settings(max_explain_parts=2), FakeClassifier())
    async with serving(app) as client:
        await client.post("/explain", json={"text": "good film", "by": "word"})
        await client.post("/explain", json={"text": "a good film", "by": "word"})
    figures = read_figures(app.state.metrics.render())
    assert 2 == figures["verdict_explain_parts_sum"]
    assert 1 == figures["verdict_texts_total{outcome=too_large}"]
    assert 2 == figures["verdict_request_duration_seconds_count{route=/explain}"]
