"""The cascade: easy texts by the first stage, all others by the graph, each answer in its place."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from artifact.runtime import Batch
from server.errors import TextFailedError
from server.inference.classifier import Classification
from tests.support.classifiers import THREE, CountingEngine, classifying, make_manifest
from tests.support.engines import PoisonedEngine
from tests.support.figures import read_figures
from tests.support.first_stages import make_first_stage
from tests.support.tiny import WORDS

pytestmark = pytest.mark.anyio

MANIFEST = make_manifest(THREE)
STAGE = make_first_stage({"good": (0, 0, 127)}, MANIFEST.head, least=0.9)


class RecordingEngine(CountingEngine):
    """Count words, and record the first word of each row."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def run(self, batch: Batch) -> np.ndarray:
        """Record and count."""
        self.seen += [WORDS[row[1]] for row in batch.input_ids.tolist()]
        return super().run(batch)


async def classify(texts: Sequence[str], engine: RecordingEngine) -> Classification:
    """Classify texts behind a first stage that is sure of "good" alone."""
    async with classifying(engine, MANIFEST, first_stage=STAGE) as (classifier, _):
        return await classifier.classify(texts, truncation=None, timeout_s=60)


@given(easy=st.lists(st.booleans(), min_size=1, max_size=140))
async def test_every_answer_is_at_its_place(easy: list[bool]) -> None:
    """The graph sees the hard texts alone, and each text gets the answer that it gets alone."""
    texts = ["good" if each else f"a {'b ' * (index % 3)}" for index, each in enumerate(easy)]
    engine = RecordingEngine()
    together = await classify(texts, engine)
    assert {"a" for each in easy if not each} == set(engine.seen)
    assert easy == [prediction.by_first_stage for prediction in together.predictions]
    by_count = [[1.0, float(index % 3), 0.0] for index in range(len(easy))]
    for each, prediction, counts in zip(easy, together.predictions, by_count, strict=True):
        if each:
            assert 2 == together.head.decision(prediction.scores)
        else:
            assert counts == list(prediction.logits)


async def test_a_request_of_easy_texts_waits_for_nothing() -> None:
    """No row is queued, and no time is told for the queue and for inference."""
    engine = RecordingEngine()
    answered = await classify(["good", "good good"], engine)
    assert [] == engine.seen
    assert (0.0, 0.0) == (answered.queue_s, answered.inference_s)


async def test_the_text_that_fails_is_named_by_its_place_in_the_request() -> None:
    """Texts that the first stage answered count, too."""
    engine = PoisonedEngine(CountingEngine(), poison=WORDS.index("z"))
    async with classifying(engine, MANIFEST, first_stage=STAGE) as (classifier, _):
        with pytest.raises(TextFailedError) as failed:
            await classifier.classify(["good", "a", "good", "z"], truncation=None, timeout_s=60)
    assert 3 == failed.value.index


async def test_texts_of_the_first_stage_are_counted() -> None:
    """They are predictions like the others, and have a count of their own."""
    async with classifying(RecordingEngine(), MANIFEST, first_stage=STAGE) as (classifier, metrics):
        await classifier.classify(["good", "a", "good"], truncation=None, timeout_s=60)
        figures = read_figures(metrics.render())
    assert 2 == figures["verdict_first_stage_texts_total"]
    assert 2 == figures["verdict_predictions_total{label=yes}"]
