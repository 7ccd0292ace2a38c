"""Explanations: what the model says without each part of a text."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from artifact.manifest import TextOrPair, Truncation
from server.errors import InvalidRequestError, OverloadedError, TextFailedError, TooLargeError
from server.inference.classifier import Classification, Classifier
from server.inference.explain import Explainer, Explanation
from server.inference.spans import By, leave_out
from server.observe.metrics import Metrics
from tests.support.batching import one_runs
from tests.support.classifiers import THREE, CountingEngine, FakeClassifier, classifying, make_manifest
from tests.support.engines import GatedEngine, PoisonedEngine
from tests.support.figures import read_figures
from tests.support.tiny import WORDS

pytestmark = pytest.mark.anyio


async def explain(
    classifier: Classifier, text: TextOrPair, by: By = "word", explainer: Explainer | None = None
) -> Explanation:
    """Explain one text."""
    explainer = explainer or make_explainer()
    return await explainer.explain(classifier, text, by, truncation=None, timeout_s=60)


def make_explainer(metrics: Metrics | None = None, max_parts: int = 50, max_chars: int = 10_000) -> Explainer:
    """Return an explainer."""
    return Explainer(metrics or Metrics(), max_parts=max_parts, max_chars=max_chars)


@given(st.lists(st.sampled_from(["a", "b", "c", "good", "bad."]), min_size=2, max_size=8).map(" ".join))
async def test_each_part_has_the_prediction_of_the_text_without_it(text: str) -> None:
    """To the last bit: scores, tokens and all."""
    async with classifying(CountingEngine(), make_manifest(THREE)) as (classifier, _):
        explanation = await explain(classifier, text)
        for part in explanation.parts:
            alone = await classifier.classify([leave_out(text, part.span)], truncation=None, timeout_s=60)
            assert alone.predictions == [part.without]
        whole = await classifier.classify([text], truncation=None, timeout_s=60)
    assert whole.predictions == explanation.whole.predictions[:1]


async def test_a_part_of_a_pair_is_left_out_of_its_own_text() -> None:
    """The other text stays whole."""
    classifier = FakeClassifier()
    explanation = await explain(classifier, ("a b", "cc. Dd."), "sentence")
    assert [(0, None), (1, 5), (1, 5)] == [
        (part.part, part.without and part.without.tokens) for part in explanation.parts
    ]
    assert [("a b", "cc. Dd."), ("a b", "Dd."), ("a b", "cc.")] == classifier.calls[0][0]


async def test_equal_variations_are_asked_once() -> None:
    """Each of three equal words leaves the same text."""
    classifier = FakeClassifier()
    explanation = await explain(classifier, "good good good")
    assert [["good good good", "good good"]] == [texts for texts, *_ in classifier.calls]
    assert 3 == len(explanation.parts)


@pytest.mark.parametrize("text", ["good", "good \u200b"])
async def test_without_its_only_part_nothing_is_left(text: str) -> None:
    """There is no prediction for an empty text, and none is made up."""
    explanation = await explain(FakeClassifier(), text)
    assert explanation.parts[0].without is None


async def test_a_rest_without_tokens_has_no_prediction() -> None:
    """The tokenizer of the model decides, and the other parts are explained."""

    class Choosy(FakeClassifier):
        async def classify(self, texts: Sequence[TextOrPair], **options: Any) -> Classification:
            if "?" in texts:
                raise InvalidRequestError("no token", wordless=list(texts).index("?"))
            return await super().classify(texts, **options)

    classifier = Choosy()
    explanation = await explain(classifier, "good ?")
    assert [True, False] == [part.without is None for part in explanation.parts]
    with pytest.raises(InvalidRequestError, match="no token"):
        await explain(classifier, "?")


async def test_a_variation_that_fails_is_told_of_as_the_callers_text() -> None:
    """The caller has sent one."""
    engine = PoisonedEngine(CountingEngine(), poison=WORDS.index("b"))
    async with classifying(engine, make_manifest(THREE)) as (classifier, _):
        with pytest.raises(TextFailedError, match="text 0,"):
            await explain(classifier, "a b c")


@pytest.mark.parametrize(
    ("text", "by", "message"),
    [
        ("a b c d", "word", "more than 3 words, and at most so many are explained; explain it by sentence, or"),
        ("aa. Bc! d? e.", "sentence", "more than 3 sentences, and at most so many are explained; explain a shorter"),
        ("aaaaaaaaa bbbbbbbb", "word", "18 characters and 2 words: .* 36 characters to read, at most 30 are read;"),
    ],
)
async def test_a_text_of_too_many_parts_is_refused(text: str, by: By, message: str) -> None:
    """The message has value, limit and remedy; nothing was classified."""
    classifier = FakeClassifier()
    with pytest.raises(TooLargeError, match=message):
        await explain(classifier, text, by, make_explainer(max_parts=3, max_chars=30))
    assert [] == classifier.calls


async def test_a_few_are_explained_at_a_time() -> None:
    """The fifth is refused until one is done; each counts its parts."""

    class Held(FakeClassifier):
        async def classify(self, *args: Any, **kwargs: Any) -> Classification:
            await release.wait()
            return await super().classify(*args, **kwargs)

    release, metrics = asyncio.Event(), Metrics()
    explainer, classifier = make_explainer(metrics), Held()
    tasks = [asyncio.create_task(explain(classifier, "a good film", "word", explainer)) for _ in range(4)]
    await asyncio.sleep(0)
    with pytest.raises(OverloadedError, match="4 texts are being explained") as refused:
        await explain(classifier, "good", "word", explainer)
    assert refused.value.retry_after_s > 0
    release.set()
    await asyncio.gather(*tasks)
    await explain(classifier, "good", "word", explainer)
    figures = read_figures(metrics.render())
    assert (5, 13) == (figures["verdict_explain_parts_count"], figures["verdict_explain_parts_sum"])
    assert 1 == figures["verdict_shed_total{reason=overloaded}"]


async def test_a_prediction_goes_before_the_rest_of_an_explanation() -> None:
    """In the order of runs; an explanation is not counted as predictions."""
    gate = GatedEngine(CountingEngine())
    async with classifying(gate, make_manifest(THREE)) as (classifier, metrics):
        text = " ".join("abcabcabcabcab")
        (explanation, prediction) = await one_runs(
            gate, explain(classifier, text), classifier.classify(["good"], truncation=None, timeout_s=60)
        )
        gate.open()
        assert 14 == len((await explanation).parts)
        await prediction
        assert 1 == sum(value for name, value in read_figures(metrics.render()).items() if "predictions_total" in name)
    good = WORDS.index("good")
    assert [False, True, False] == [good in batch.input_ids for batch in gate.batches][:3]


async def test_the_callers_truncation_is_that_of_each_variation() -> None:
    """So that the scores can be compared."""
    classifier = FakeClassifier()
    truncation: Truncation = "window"
    await make_explainer().explain(classifier, "a b", "word", truncation=truncation, timeout_s=60)
    assert ["window"] == [each for _, each, _ in classifier.calls]
