"""The classifier: calibrated probabilities, window averages, labels and counts."""

import math
import threading
from collections.abc import Sequence

import pytest

from artifact.manifest import TextOrPair, Truncation, read_manifest
from artifact.scores import Activation, Head
from server.errors import InvalidRequestError, TextFailedError
from server.inference.classifier import Classification, TextClassifier
from server.observe.metrics import Metrics
from tests.support.batching import many_cores
from tests.support.classifiers import THREE, CountingEngine, classifying, make_manifest
from tests.support.engines import PATIENCE_S, FixedEngine, PoisonedEngine
from tests.support.figures import read_figures
from tests.support.tiny import TINY, WORDS

pytestmark = pytest.mark.anyio


async def classify(
    texts: Sequence[TextOrPair],
    truncation: Truncation | None = None,
    *,
    temperature: float = 1.0,
    default: Truncation = "head",
) -> Classification:
    """Classify texts by their counts of a, b and c."""
    manifest = make_manifest(THREE, temperature, default)
    async with classifying(CountingEngine(), manifest) as (classifier, _):
        return await classifier.classify(texts, truncation=truncation, timeout_s=60)


def softmax(logits: Sequence[float], temperature: float = 1.0) -> list[float]:
    """Return probabilities by the plain formula."""
    powers = [math.exp(logit / temperature) for logit in logits]
    return [pytest.approx(power / sum(powers)) for power in powers]


async def test_three_labels_are_answered_in_label_order() -> None:
    """Any number of labels works: scores and logits are in label order, and the head decides."""
    result = await classify(["a a b", "b c c c", "b"])
    assert [0, 2, 1] == [result.head.decision(prediction.scores) for prediction in result.predictions]
    expected = [softmax((2, 1, 0)), softmax((0, 1, 3)), softmax((0, 1, 0))]
    assert expected == [prediction.scores for prediction in result.predictions]
    assert [[2, 1, 0], [0, 1, 3], [0, 1, 0]] == [list(prediction.logits) for prediction in result.predictions]
    assert [5, 6, 3] == [prediction.tokens for prediction in result.predictions]


async def test_the_temperature_of_the_manifest_calibrates() -> None:
    """Logits are divided by the temperature, which softens probabilities and never changes the label."""
    sharp, soft = [(await classify(["a a b"], temperature=t)).predictions[0] for t in (1.0, 4.0)]
    assert softmax((2, 1, 0), 4.0) == soft.scores
    assert sharp.logits == soft.logits
    assert max(soft.scores) < max(sharp.scores)


async def test_windows_are_averaged() -> None:
    """A long text has the mean of its windows' logits: 20 tokens are two windows of 14."""
    (prediction,) = (await classify([" ".join(["a"] * 10 + ["b"] * 10)], "window")).predictions
    first, second = (10, 4, 0), (4, 10, 0)
    assert softmax([(x + y) / 2 for x, y in zip(first, second, strict=True)]) == prediction.scores
    assert (22, False) == (prediction.tokens, prediction.truncated)


async def test_windows_of_several_texts_are_not_mixed() -> None:
    """Each text is averaged over its own windows, at any place in the request."""
    texts = ["c", " ".join(["a"] * 40), "b b", " ".join(["b"] * 15)]
    together = (await classify(texts, "window")).predictions
    alone = [(await classify([text], "window")).predictions[0] for text in texts]
    assert alone == together


async def test_the_request_may_choose_how_a_long_text_is_read() -> None:
    """The manifest has the default; the caller's choice overrides it."""
    text = " ".join(["a"] * 14 + ["b"] * 14)
    default = (await classify([text], default="head")).predictions[0]
    chosen = (await classify([text], "head_tail", default="head")).predictions[0]
    assert softmax((14, 0, 0)) == default.scores
    assert softmax((3, 11, 0)) == chosen.scores
    assert (True, True) == (default.truncated, chosen.truncated)


async def test_short_and_long_requests_are_tokenized_alike() -> None:
    """A long request, which is tokenized on another thread, is answered like a short one."""
    texts = ["a b", "c"] * 1000
    result = await classify(texts)
    assert (await classify(texts[:2])).predictions * 1000 == result.predictions


async def test_the_seconds_of_a_request_are_those_of_its_tokenization_its_wait_and_its_run() -> None:
    """They are figures of this request alone, and the metrics count the same ones."""
    async with classifying(CountingEngine(), make_manifest(THREE)) as (classifier, metrics):
        result = await classifier.classify(["a"], truncation=None, timeout_s=60)
        figures = read_figures(metrics.render())
    assert 0 < result.tokenize_s < PATIENCE_S
    assert 0 <= result.queue_s < PATIENCE_S
    assert pytest.approx(result.tokenize_s) == figures["verdict_tokenize_seconds_sum"]
    assert pytest.approx(result.inference_s) == figures["verdict_inference_seconds_sum"]


async def test_closing_ends_every_thread() -> None:
    """Neither the tokenizer's nor the engine's thread outlives the classifier."""
    before = set(threading.enumerate())
    async with classifying(CountingEngine(), make_manifest(THREE)) as (classifier, _):
        await classifier.classify(["a" * 2001], truncation=None, timeout_s=60)
        names = {thread.name.split("_")[0] for thread in set(threading.enumerate()) - before}
        assert {"inference", "tokenization"} <= names
    left = {thread.name.split("_")[0] for thread in set(threading.enumerate()) - before}
    assert set() == left & {"inference", "tokenization"}


async def test_predictions_and_truncated_texts_are_counted() -> None:
    """Predictions are counted by label; texts that were not read whole, and unknown tokens, have their own counters."""
    async with classifying(CountingEngine(), make_manifest(THREE)) as (classifier, metrics):
        await classifier.classify(["a", "a", "c \u4e16", " ".join(["b"] * 30)], truncation=None, timeout_s=60)
        figures = read_figures(metrics.render())
    assert [2, 1, 1] == [figures[f"verdict_predictions_total{{label={label}}}"] for label in ("no", "maybe", "yes")]
    assert (1, 1) == (figures["verdict_truncated_texts_total"], figures["verdict_unknown_tokens_total"])
    assert 1 == figures["verdict_tokenize_seconds_count"]


Z = WORDS.index("z")


async def test_a_failing_request_predicts_nothing() -> None:
    """All or none: if one text fails, none is counted as predicted."""
    async with classifying(PoisonedEngine(FixedEngine([[0.0, 0.0]]), Z), make_manifest(("x", "y"))) as (
        classifier,
        metrics,
    ):
        with pytest.raises(TextFailedError):
            await classifier.classify(["z"], truncation=None, timeout_s=60)
        figures = read_figures(metrics.render())
    assert [0, 0] == [value for name, value in figures.items() if "predictions_total{" in name]


async def test_the_text_that_the_model_fails_on_is_named() -> None:
    """Also where texts before it are read in several windows, and where it fails in its second window."""
    texts = ["a", " ".join(["b"] * 40), " ".join(["c"] * 20 + ["z"]), "a a"]
    async with classifying(PoisonedEngine(CountingEngine(), Z), make_manifest(THREE)) as (classifier, _):
        with pytest.raises(TextFailedError, match="the model fails on text 2, alone too"):
            await classifier.classify(texts, truncation="window", timeout_s=60)


def test_a_classifier_need_not_measure_its_seconds() -> None:
    """Another implementation of ``Classifier`` may return predictions alone: its seconds are 0."""
    classification = Classification([], Head(THREE))
    assert (0.0, 0.0, 0.0) == (classification.tokenize_s, classification.queue_s, classification.inference_s)


def test_info_is_the_manifest() -> None:
    """The description of the model is what export recorded."""
    manifest = read_manifest(TINY)
    classifier = TextClassifier(
        manifest,
        None,  # type: ignore[arg-type]  # not asked
        None,  # type: ignore[arg-type]  # not asked
        Metrics(),
        runtime={"a": 1},
        inline=many_cores(),
        max_waiting_chars=1,
    )
    info = classifier.info
    assert (manifest.name, manifest.version, manifest.labels) == (info.name, info.version, info.labels)
    assert (16, "head_tail", "fp32") == (info.max_length, info.truncation, info.quantization)
    assert {"a": 1} == classifier.runtime
    assert ("single_label", False, (), "softmax") == (info.problem, info.pairs, info.thresholds, info.activation)


async def test_the_chosen_labels_of_a_multi_label_model_are_counted() -> None:
    """Each label has its own threshold and counter; a text may have several labels, or none."""
    manifest = make_manifest(THREE, problem="multi_label", thresholds=(0.5, 0.7, 0.9))
    async with classifying(CountingEngine(), manifest) as (classifier, metrics):
        result = await classifier.classify(["a b", "c c c", "z"], truncation=None, timeout_s=60)
        figures = read_figures(metrics.render())
    assert [[0, 1], [0, 2], [0]] == [result.head.decision(prediction.scores) for prediction in result.predictions]
    assert [3, 1, 1] == [figures[f"verdict_predictions_total{{label={label}}}"] for label in THREE]
    assert pytest.approx(1 / (1 + math.exp(-1))) == result.predictions[0].scores[0]


@pytest.mark.parametrize(("activation", "value"), [(None, 2.0), ("sigmoid", 1 / (1 + math.exp(-2)))])
async def test_a_regression_answers_its_value(activation: Activation | None, value: float) -> None:
    """The logit itself or its sigmoid; every value is counted under the name of the logit."""
    manifest = make_manifest(["stars"], problem="regression", activation=activation)
    async with classifying(FixedEngine([[2.0]]), manifest) as (classifier, metrics):
        result = await classifier.classify(["a"], truncation=None, timeout_s=60)
        figures = read_figures(metrics.render())
    assert [pytest.approx(value)] == result.predictions[0].scores
    assert result.head.decision(result.predictions[0].scores) is None
    assert 1 == figures["verdict_predictions_total{label=stars}"]


@pytest.mark.parametrize(
    ("pairs", "texts", "truncation", "words"),
    [
        (False, ["a", ("a", "b")], None, "text 1 has a text_pair, and this model reads single texts: leave it out"),
        (True, [("a", "b"), "a"], None, "text 1 is alone, and this model reads pairs: send the second text"),
        (True, [("a", "b")], "window", "truncation is 'window': a model that reads pairs knows"),
    ],
)
async def test_the_wrong_kind_of_text_is_refused_with_the_remedy(
    pairs: bool, texts: list[TextOrPair], truncation: Truncation | None, words: str
) -> None:
    """A pair is no single text, a text no pair, and pairs are read in one way."""
    async with classifying(CountingEngine(), make_manifest(THREE, pairs=pairs)) as (classifier, _):
        with pytest.raises(InvalidRequestError, match=words):
            await classifier.classify(texts, truncation=truncation, timeout_s=60)


async def test_a_pair_is_one_text_for_the_model() -> None:
    """Both texts are counted by the engine, also where they are long enough for the tokenizer thread."""
    async with classifying(CountingEngine(), make_manifest(THREE, pairs=True)) as (classifier, _):
        result = await classifier.classify([("a b", "b"), ("c", "d " * 1500)], truncation=None, timeout_s=60)
    assert [[1, 2, 0], [0, 0, 1]] == [list(prediction.logits) for prediction in result.predictions]
    assert [(6, False), (16, True)] == [(prediction.tokens, prediction.truncated) for prediction in result.predictions]
