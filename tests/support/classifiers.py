"""Classifiers for tests: one with fixed answers for HTTP tests, and a real one over an engine of the test."""

import math
import threading
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from artifact.cost_curve import CostCurve
from artifact.first_stage import FirstStage
from artifact.manifest import Artifact, Manifest, TextOrPair, Truncation, read_manifest
from artifact.pairs import load_tokenization
from artifact.runtime import Batch, Engine
from artifact.scores import Head
from artifact.tokenization import LocatedText, Token, Tokenization, TokenizedText
from server.inference.batching import Batcher
from server.inference.cache import LogitsCache
from server.inference.classifier import Classification, ModelInfo, Prediction, TextClassifier
from server.inference.one_core import InlinePolicy
from server.inference.queue import BatchLimits
from server.inference.runner import Runner
from server.observe.metrics import Metrics
from tests.support.engines import PATIENCE_S
from tests.support.tiny import TINY, WORDS

THREE = ("no", "maybe", "yes")
ROOMY = BatchLimits(8, 256, 100_000)
MAX_WAITING_CHARS = 1_000_000
"""Characters that may wait for the tokenizer of ``classifying``."""


class FakeClassifier:
    """Call a text positive if it contains "good", or raise the given error.

    Args:
        error: raised instead of an answer.

    Attributes:
        calls: (texts, truncation, timeout_s) of every call.
        events: "start" and "close", in their order.
    """

    info = ModelInfo(
        name="fake",
        version="7",
        labels=("negative", "positive"),
        max_length=64,
        truncation="head",
        quantization="none",
    )
    runtime: Mapping[str, object] = {"max_batch_tokens": 128}

    def __init__(self, error: BaseException | None = None) -> None:
        self.calls: list[tuple[list[TextOrPair], Truncation | None, float]] = []
        self.events: list[str] = []
        self._error = error

    async def start(self) -> None:
        """Record the call."""
        self.events.append("start")

    async def close(self) -> None:
        """Record the call."""
        self.events.append("close")

    async def classify(
        self, texts: Sequence[TextOrPair], *, truncation: Truncation | None, timeout_s: float, background: bool = False
    ) -> Classification:
        """Record the call; answer or fail at once."""
        self.calls.append((list(texts), truncation, timeout_s))
        if self._error:
            raise self._error
        head = Head(self.info.labels, 1.0)
        return Classification([_predict(str(text)) for text in texts], head, 0.0012345, 0.01, 0.5)

    def has_room(self, texts: Sequence[TextOrPair], *, share: float) -> bool:
        """Return that there is room."""
        del texts, share
        return True

    async def tokenize(self, text: TextOrPair, *, truncation: Truncation | None, timeout_s: float) -> LocatedText:
        """Record the call; each character is a token, in a frame of special ones, and the model reads two of a text."""
        self.calls.append(([text], truncation, timeout_s))
        if self._error:
            raise self._error
        parts = [text] if isinstance(text, str) else list(text)
        own = [
            Token(ord(letter), letter, place, place + 1, letter == "?", part)
            for part, letters in enumerate(parts)
            for place, letter in enumerate(letters)
        ]
        first, last = (
            Token(number, name, None, None, unknown=False, part=None) for number, name in ((1, "<"), (2, ">"))
        )
        read = tuple([(0, min(len(letters), 2))] for letters in parts)
        return LocatedText([first, *own, last], max(map(len, parts)) > 2, read)


class FixedClassifier(FakeClassifier):
    """Answer every text with the same scores.

    Args:
        head: of the model.
        scores: as the head makes them.
        logits: of which it makes them; the scores themselves by default.
        pairs: whether the model reads pairs.
        unknown: tokens that it does not know.
        truncated: whether it does not read the whole text.
    """

    def __init__(
        self,
        head: Head,
        scores: list[float],
        *,
        logits: list[float] | None = None,
        pairs: bool = False,
        unknown: int = 0,
        truncated: bool = False,
    ) -> None:
        super().__init__()
        self.info = replace(FakeClassifier.info, labels=head.labels, problem=head.problem, pairs=pairs)
        self._head = head
        self._prediction = Prediction(scores, logits or scores, 5, truncated=truncated, unknown=unknown)

    async def classify(
        self, texts: Sequence[TextOrPair], *, truncation: Truncation | None, timeout_s: float, background: bool = False
    ) -> Classification:
        """Record the call and answer."""
        self.calls.append((list(texts), truncation, timeout_s))
        return Classification([self._prediction] * len(texts), self._head, 0.0012345, 0.01, 0.5)


def _predict(text: str) -> Prediction:
    probabilities = [0.125, 0.875] if "good" in text else [0.75, 0.25]
    logits = [math.log(probability) for probability in probabilities]
    return Prediction(probabilities, logits, len(text.split()) + 2, truncated=False)


class CountingEngine:
    """Answer each row with its numbers of tokens "a", "b" and "c"."""

    def run(self, batch: Batch) -> np.ndarray:
        """Return (batch, 3) float32."""
        counts = [(batch.input_ids == WORDS.index(word)).sum(axis=1) for word in "abc"]
        return np.stack(counts, axis=1).astype(np.float32)


class HeldTokenization(Tokenization):
    """Hold threads other than the event loop's until the test lets them tokenize; record the thread of each call.

    Attributes:
        on_loop: for each call, whether it was made on the event loop's thread.
        calls: the texts of each call.
        begun: set by the first call.
        may_go: set by the test; other threads wait for it.
    """

    def __init__(self) -> None:
        super().__init__(Tokenizer.from_file(str(TINY / "tokenizer.json")), max_length=16, head_tokens=3)
        self.on_loop: list[bool] = []
        self.calls: list[Sequence[TextOrPair]] = []
        self.begun = threading.Event()
        self.may_go = threading.Event()

    def encode(self, texts: Sequence[TextOrPair], truncation: Truncation) -> list[TokenizedText]:
        """Record, wait and tokenize."""
        self.calls.append(texts)
        self.begun.set()
        self.on_loop.append(threading.current_thread() is threading.main_thread())
        assert self.on_loop[-1] or self.may_go.wait(PATIENCE_S)
        return super().encode(texts, truncation)


def make_manifest(
    labels: Sequence[str],
    temperature: float = 1.0,
    truncation: Truncation = "head",
    *,
    pairs: bool = False,
    **changes: Any,
) -> Manifest:
    """Return the tiny manifest with other labels and some fields changed."""
    known = tuple(1 / len(labels) for _ in labels)
    document = read_manifest(TINY).model_dump()
    document |= {"labels": labels, "temperature": temperature, "truncation": truncation, "pairs": pairs} | changes
    second = {"text_pair": "bad"} if pairs else {}
    document["probes"] = [{"text": "good", "probabilities": known, "reference": known} | second]
    return Manifest.model_validate(document)


@asynccontextmanager
async def classifying(
    engine: Engine,
    manifest: Manifest,
    limits: BatchLimits = ROOMY,
    *,
    inline_chars: int = 0,
    tokenization: Tokenization | None = None,
    first_stage: FirstStage | None = None,
) -> AsyncIterator[tuple[TextClassifier, Metrics]]:
    """Run a classifier over the engine."""
    metrics = Metrics()
    if tokenization is None:
        tokenization = load_tokenization(Artifact(TINY, manifest))
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
    classifier = TextClassifier(
        manifest,
        tokenization,
        batcher,
        metrics,
        runtime={},
        inline=inline,
        max_waiting_chars=MAX_WAITING_CHARS,
        first_stage=first_stage,
    )
    await classifier.start()
    try:
        yield classifier, metrics
    finally:
        if isinstance(tokenization, HeldTokenization):
            tokenization.may_go.set()  # so that a failing test ends too
        await classifier.close()
