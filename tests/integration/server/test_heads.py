"""Heads through HTTP: for any logits the answer is what transformers' own pipeline makes of them."""

import asyncio
from typing import Any

import httpx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.app import create_app
from tests.support.classifiers import THREE, classifying, make_manifest
from tests.support.engines import FixedEngine
from tests.support.serving import make_settings

pytestmark = pytest.mark.development

LOGITS = st.lists(st.floats(-30, 30, width=32), min_size=3, max_size=3)


def ask(logits: list[float], body: dict[str, Any], **manifest: Any) -> dict[str, Any]:
    """Serve a model with these logits and return its answer."""
    labels = THREE if len(logits) > 1 else ("score",)

    async def post() -> dict[str, Any]:
        async with classifying(FixedEngine([logits]), make_manifest(labels, **manifest)) as (classifier, _):
            transport = httpx.ASGITransport(create_app(make_settings(), classifier))
            async with httpx.AsyncClient(transport=transport, base_url="http://verdict.test") as client:
                reply = await client.post("/predict", json=body)
        assert 200 == reply.status_code, reply.text
        answer: dict[str, Any] = reply.json()
        return answer

    return asyncio.run(post())


@settings(max_examples=20)
@given(logits=LOGITS)
def test_several_labels_are_the_sigmoid_of_any_logits(logits: list[float]) -> None:
    """And those from 0.5 on are chosen, as the labels that the pipeline's callers keep."""
    from transformers.pipelines.text_classification import sigmoid  # noqa: PLC0415 - slow to import

    expected = sigmoid(np.array(logits))
    answer = ask(logits, {"text": "a"}, problem="multi_label", thresholds=(0.5,) * 3)
    assert expected.round(6).tolist() == pytest.approx(answer["probabilities"], abs=1e-6)
    assert [label for label, score in zip(THREE, expected, strict=True) if score >= 0.5] == answer["labels"]


@settings(max_examples=20)
@given(logits=LOGITS)
def test_a_pair_has_the_softmax_of_any_logits(logits: list[float]) -> None:
    """As a single text has."""
    from transformers.pipelines.text_classification import softmax  # noqa: PLC0415 - as above

    answer = ask(logits, {"text": "a", "text_pair": "b"}, pairs=True)
    assert softmax(np.array([logits]))[0].tolist() == pytest.approx(answer["probabilities"], abs=1e-6)
    assert max(answer["probabilities"]) == answer["probabilities"][answer["sentiment"]]  # others may be rounded to it


@settings(max_examples=20)
@given(logit=st.floats(-30, 30, width=32))
def test_a_value_is_any_logit_or_its_sigmoid(logit: float) -> None:
    """To six digits."""
    from transformers.pipelines.text_classification import sigmoid  # noqa: PLC0415 - as above

    assert pytest.approx(logit, abs=1e-6) == ask([logit], {"text": "a"}, problem="regression")["value"]
    answer = ask([logit], {"text": "a"}, problem="regression", activation="sigmoid")
    assert pytest.approx(float(sigmoid(np.array(logit))), abs=1e-6) == answer["value"]
