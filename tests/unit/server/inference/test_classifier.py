"""The classifier: calibrated probabilities, window averages, labels and counts."""

import asyncio
import math
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import numpy as np
import pytest
from tokenizers import Tokenizer

from artifact.cost_curve import CostCurve
from artifact.manifest import Manifest, Truncation, read_manifest
from artifact.runtime import Batch, Engine
from artifact.tokenization import Tokenization, TokenizedText
from server.errors import EngineFailedError, OverloadedError, TooLargeError
from server.inference.batching import Batcher
from server.inference.cache import LogitsCache
from server.inference.classifier import Classification, TextClassifier
from server.inference.one_core import InlinePolicy
from server.inference.queue import BatchLimits
from server.inference.runner import Runner
from server.observe.metrics import Metrics
from tests.support.batching import many_cores, one_runs
from tests.support.engines import EchoEngine, FixedEngine, GatedEngine, PoisonedEngine
from tests.support.figures import read_figures
from tests.support.tiny import TINY, WORDS

pytestmark = pytest.mark.anyio

THREE = ("no", "maybe", "yes")
ROOMY = BatchLimits(8, 256, 100_000)


class CountingEngine:
    """Answer each row with its numbers of tokens "a", "b" and "c"."""

    def run(self, batch: Batch) -> np.ndarray:
        """Return (batch, 3) float32."""
        counts = [(batch.input_ids == WORDS.index(word)).sum(axis=1) for word in "abc"]
        return np.stack(counts, axis=1).astype(np.float32)


def make_manifest(labels: Sequence[str], temperature: float = 1.0, truncation: Truncation = "head") -> Manifest:
    """Return the tiny manifest with other labels."""
    known = tuple(1 / len(labels) for _ in labels)
    document = read_manifest(TINY).model_dump()
    document |= {"labels": labels, "temperature": temperature, "truncation": truncation}
    document["probes"] = [{"text": "good", "probabilities": known, "reference": known}]
    return Manifest.model_validate(document)


@asynccontextmanager
async def classifying(
    engine: Engine, manifest: Manifest, limits: BatchLimits = ROOMY, inline_chars: int = 0
) -> AsyncIterator[tuple[TextClassifier, Metrics]]:
    """Run a classifier over the engine."""
    metrics = Metrics()
    tokenizer = Tokenizer.from_file(str(TINY / "tokenizer.json"))
    tokenization = Tokenization(tokenizer, max_length=manifest.max_length, head_tokens=manifest.head_tokens)
    inline = InlinePolicy(0.0, inline_chars)
    cost = CostCurve([(1, 1.0), (1000, 1.0)])
    batcher = Batcher(
        Runner(engine, pad_token_id=0, workers=1, cost=cost, inline=inline),
        limits=limits,
        cost=cost,
        cache=LogitsCache(0),
        metrics=metrics,
        inline=inline,
    )
    classifier = TextClassifier(manifest, tokenization, batcher, metrics, runtime={}, inline=inline)
    await classifier.start()
    try:
        yield classifier, metrics
    finally:
        await classifier.close()


async def classify(
    texts: Sequence[str],
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
    """Return probabilities to six digits, by the plain formula."""
    powers = [math.exp(logit / temperature) for logit in logits]
    return [round(power / sum(powers), 6) for power in powers]


async def test_three_labels_are_answered_in_label_order() -> None:
    """Any number of labels works: the most probable is named, and probabilities are in label order."""
    result = await classify(["a a b", "b c c c", "b"])
    assert [("no", 0), ("yes", 2), ("maybe", 1)] == [(p.label, p.sentiment) for p in result.predictions]
    expected = [softmax((2, 1, 0)), softmax((0, 1, 3)), softmax((0, 1, 0))]
    assert expected == [prediction.probabilities for prediction in result.predictions]
    assert [5, 6, 3] == [prediction.tokens for prediction in result.predictions]


async def test_the_temperature_of_the_manifest_calibrates() -> None:
    """Logits are divided by the temperature, which softens probabilities and never changes the label."""
    sharp, soft = [(await classify(["a a b"], temperature=t)).predictions[0] for t in (1.0, 4.0)]
    assert softmax((2, 1, 0), 4.0) == soft.probabilities
    assert sharp.label == soft.label
    assert max(soft.probabilities) < max(sharp.probabilities)


async def test_windows_are_averaged() -> None:
    """A long text has the mean of its windows' logits: 20 tokens are two windows of 14."""
    (prediction,) = (await classify([" ".join(["a"] * 10 + ["b"] * 10)], "window")).predictions
    first, second = (10, 4, 0), (4, 10, 0)
    assert softmax([(x + y) / 2 for x, y in zip(first, second, strict=True)]) == prediction.probabilities
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
    assert softmax((14, 0, 0)) == default.probabilities
    assert softmax((3, 11, 0)) == chosen.probabilities
    assert (True, True) == (default.truncated, chosen.truncated)


async def test_short_and_long_requests_are_tokenized_alike() -> None:
    """A long request, which is tokenized on another thread, is answered like a short one."""
    texts = ["a b", "c"] * 1000
    result = await classify(texts)
    assert (await classify(texts[:2])).predictions * 1000 == result.predictions


async def test_a_review_is_tokenized_on_the_loops_thread_and_others_of_the_same_iteration_on_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On one core a second thread saves no time, but a burst of long texts must not hold up the event loop."""
    threads: list[bool] = []
    encode = Tokenization.encode

    def witness(self: Tokenization, texts: Sequence[str], truncation: Truncation) -> list[TokenizedText]:
        threads.append(threading.current_thread() is not threading.main_thread())
        return encode(self, texts, truncation)

    monkeypatch.setattr(Tokenization, "encode", witness)
    async with classifying(CountingEngine(), make_manifest(THREE), inline_chars=5000) as (classifier, _):
        review = " ".join("a" * 1500)
        for _ in range(2):
            burst = [classifier.classify([review], truncation=None, timeout_s=60) for _ in range(5)]
            await asyncio.gather(*burst)
        assert [False] * 2 + [True] * 8 == sorted(threads)
        await classifier.classify([review * 2], truncation=None, timeout_s=60)
        assert threads[-1]


async def test_predictions_and_truncated_texts_are_counted() -> None:
    """Predictions are counted by label, and texts that were not read whole in a counter of their own."""
    async with classifying(CountingEngine(), make_manifest(THREE)) as (classifier, metrics):
        await classifier.classify(["a", "a", "c", " ".join(["b"] * 30)], truncation=None, timeout_s=60)
        figures = read_figures(metrics.render())
    assert [2, 1, 1] == [figures[f"verdict_predictions_total{{label={label}}}"] for label in ("no", "maybe", "yes")]
    assert 1 == figures["verdict_truncated_texts_total"]
    assert 1 == figures["verdict_tokenize_seconds_count"]


async def test_a_full_queue_refuses_before_tokenizing() -> None:
    """A request that can not fit is not tokenized: every text has at least one token."""
    async with classifying(EchoEngine(), make_manifest(("x", "y"))) as (classifier, metrics):
        with pytest.raises(TooLargeError):
            await classifier.classify(["a"] * 100_001, truncation=None, timeout_s=60)
        assert 0 == read_figures(metrics.render())["verdict_tokenize_seconds_count"]


@pytest.mark.parametrize(
    ("texts", "limits"),
    [
        pytest.param(["c"], BatchLimits(1, 256, max_queue_tokens=20, max_row_tokens=18), id="the longest row"),
        pytest.param(["c d e", "f g"], BatchLimits(1, 256, max_queue_tokens=11), id="the words of several"),
    ],
)
async def test_texts_for_which_there_is_no_room_are_not_tokenized(texts: list[str], limits: BatchLimits) -> None:
    """A queue without room for the longest row, or for the words of a batch, refuses before tokenization."""
    engine = GatedEngine(EchoEngine())
    async with classifying(engine, make_manifest(("x", "y")), limits) as (classifier, metrics):
        waiting = await one_runs(engine, *[classifier.classify([t], truncation=None, timeout_s=60) for t in "ab"])
        read = [read_figures(metrics.render())["verdict_tokenize_seconds_count"]]
        with pytest.raises(OverloadedError):
            await asyncio.wait_for(classifier.classify(texts, truncation=None, timeout_s=60), 5)
        read.append(read_figures(metrics.render())["verdict_tokenize_seconds_count"])
        engine.open()
        await asyncio.gather(*waiting)
    assert [2, 2] == read


async def test_a_failing_request_predicts_nothing() -> None:
    """All or none: if one text fails, none is counted as predicted."""

    class Failing(PoisonedEngine):
        POISON = WORDS.index("z")

    async with classifying(Failing(FixedEngine([[0.0, 0.0]])), make_manifest(("x", "y"))) as (classifier, metrics):
        with pytest.raises(EngineFailedError):
            await classifier.classify(["z"], truncation=None, timeout_s=60)
        figures = read_figures(metrics.render())
    assert [0, 0] == [value for name, value in figures.items() if "predictions_total{" in name]


def test_info_is_the_manifest() -> None:
    """The description of the model is what export recorded."""
    manifest = read_manifest(TINY)
    classifier = TextClassifier(manifest, None, None, Metrics(), runtime={"a": 1}, inline=many_cores())  # type: ignore[arg-type]  # not asked
    info = classifier.info
    assert (manifest.name, manifest.version, manifest.labels) == (info.name, info.version, info.labels)
    assert (16, "head_tail", "fp32") == (info.max_length, info.truncation, info.quantization)
    assert {"a": 1} == classifier.runtime
