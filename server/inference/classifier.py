"""The classifier: texts in, predictions out. It knows no HTTP.

``Classifier`` is all that the HTTP side needs of a model: to serve another model, implement it and pass it to
``create_app``. ``TextClassifier`` serves an artifact.
"""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Protocol

from artifact.first_stage import FirstStage
from artifact.manifest import Manifest, TextOrPair, Truncation
from artifact.scores import Activation, Head, Problem
from artifact.tokenization import LocatedText, Tokenization, TokenizedText
from server.errors import InvalidRequestError
from server.inference.batching import Batcher
from server.inference.cascade import Cascade, TextLogits
from server.inference.one_core import InlinePolicy
from server.inference.queue import Logits
from server.inference.tokenizer_queue import TokenizerQueue, count_chars
from server.observe.metrics import Metrics

_INLINE_CHARS: Final = 2000
"""Up to so many characters are tokenized on the event loop's thread, in about 0.8 ms; another thread costs 0.1 ms."""
_WORDLESS: Final = "is empty for this model: its tokenizer makes no token of it; send other characters"
_PAIR_WANTED: Final = "is alone, and this model reads pairs: send the second text as text_pair"
_TEXT_WANTED: Final = "has a text_pair, and this model reads single texts: leave it out"
_PAIRS_BY_HEAD: Final = (
    "a model that reads pairs knows the truncation 'head' alone, which shortens the longer text first; leave it out"
)


@dataclass(frozen=True, slots=True)
class Prediction:
    """The model's answer to one text or pair; a wire format renders it.

    Attributes:
        scores: of the head, in label order: calibrated probabilities, or the value of a regression.
        logits: in label order: the mean over the text's windows, before the temperature.
        tokens: tokens read, special tokens included.
        truncated: whether the model did not read the whole text.
        unknown: tokens that stand for characters that the tokenizer does not know.
        by_first_stage: whether the first stage answered in place of the graph.
    """

    scores: list[float]
    logits: Logits
    tokens: int
    truncated: bool
    unknown: int = 0
    by_first_stage: bool = False


@dataclass(frozen=True, slots=True)
class Classification:
    """One request's predictions, in the order of its texts, the head that made them, and the seconds that they took."""

    predictions: list[Prediction]
    head: Head
    tokenize_s: float = 0.0
    queue_s: float = 0.0
    inference_s: float = 0.0


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """The description of a model that ``/info`` returns.

    ``digest`` covers all that changes an answer (artifact/digest.py); a version may be any name.
    """

    name: str
    version: str
    labels: tuple[str, ...]
    max_length: int
    truncation: Truncation
    quantization: str
    evaluations: tuple[dict[str, object], ...] = ()
    problem: Problem = "single_label"
    pairs: bool = False
    thresholds: tuple[float, ...] = ()
    activation: Activation = "softmax"
    digest: str = ""


class Classifier(Protocol):
    """Any model that the server can serve."""

    @property
    def info(self) -> ModelInfo:
        """The model that is served."""
        ...

    @property
    def runtime(self) -> Mapping[str, object]:
        """Figures of the model on this machine, for ``/info``."""
        ...

    async def start(self) -> None:
        """Start work on the running event loop."""
        ...

    async def close(self) -> None:
        """End all work and free what it used."""
        ...

    async def classify(
        self, texts: Sequence[TextOrPair], *, truncation: Truncation | None, timeout_s: float, background: bool = False
    ) -> Classification:
        """Return one prediction per text, in order.

        Args:
            texts: at least one; all of the kind that the model reads, texts or pairs.
            truncation: how texts that are too long are read; None: the model's own way.
            timeout_s: seconds after which texts that do not run yet are given up.
            background: whether they run only while no other text waits, and are not counted as predictions.

        Raises:
            VerdictError: for all texts, if one can not be answered.
        """
        ...

    def has_room(self, texts: Sequence[TextOrPair], *, share: float) -> bool:
        """Whether the texts would be admitted now and leave the rest of the queue to others.

        Args:
            texts: as for ``classify``.
            share: the part of the queue that may be full with them, at most 1.
        """
        ...

    async def tokenize(self, text: TextOrPair, *, truncation: Truncation | None, timeout_s: float) -> LocatedText:
        """Return the tokens of a text with their places in it, and what the model reads of it.

        Args:
            text: of the kind that the model reads, a text or a pair.
            truncation: as for ``classify``.
            timeout_s: seconds after which the text is given up.

        Raises:
            VerdictError: if it can not be tokenized.
        """
        ...


class TextClassifier:
    """An artifact's tokenizer and graph behind a batcher.

    Args:
        manifest: the head and the default truncation.
        tokenization: text to rows of token ids.
        batcher: rows to logits; started and closed with this classifier.
        metrics: where texts and predictions are counted.
        runtime: figures of the model on this machine, for ``/info``.
        inline: which requests of more than 2,000 characters are tokenized on the event loop's thread.
        max_waiting_chars: characters that wait for the tokenizer thread at most.
        first_stage: answers easy texts in place of the graph; None: the graph answers all.
    """

    def __init__(
        self,
        manifest: Manifest,
        tokenization: Tokenization,
        batcher: Batcher,
        metrics: Metrics,
        *,
        runtime: Mapping[str, object],
        inline: InlinePolicy,
        max_waiting_chars: int,
        first_stage: FirstStage | None = None,
    ) -> None:
        self.runtime = runtime
        self._inline = inline
        self._manifest = manifest
        self._head = manifest.head
        self._tokenization = tokenization
        self._batcher = batcher
        self._cascade = Cascade(batcher, first_stage)
        self._metrics = metrics
        self._predicted = [metrics.predictions.labels(label) for label in manifest.labels]
        self._tokenizer_queue = TokenizerQueue(tokenization, max_chars=max_waiting_chars, metrics=metrics)

    @cached_property
    def info(self) -> ModelInfo:
        """The model that is served, from the manifest."""
        manifest = self._manifest
        return ModelInfo(
            name=manifest.name,
            version=manifest.version,
            labels=manifest.labels,
            max_length=manifest.max_length,
            truncation=manifest.truncation,
            quantization=manifest.quantization.scheme,
            evaluations=tuple(evaluation.model_dump(exclude_none=True) for evaluation in manifest.evaluations),
            problem=manifest.problem,
            pairs=manifest.pairs,
            thresholds=manifest.thresholds,
            activation=self._head.activation,
            digest=manifest.digest or "",
        )

    async def start(self) -> None:
        """Start the batcher's workers."""
        await self._batcher.start()

    async def close(self) -> None:
        """End the batcher and the tokenization thread."""
        await self._batcher.close()
        await self._tokenizer_queue.close()

    async def classify(
        self, texts: Sequence[TextOrPair], *, truncation: Truncation | None, timeout_s: float, background: bool = False
    ) -> Classification:
        """Tokenize, queue and run the texts; return predictions in their order.

        Raises:
            InvalidRequestError: if a text is of the wrong kind or has no token.
            VerdictError: as ``TokenizerQueue.encode`` and ``Batcher.submit``.
        """
        self._check_kind(texts, truncation)
        counted = texts[:1] if background else texts  # the background has a queue of its own; a full server refuses it
        self._batcher.check_room(len(counted), sum(map(self._tokenization.fewest_tokens, counted)))
        deadline = asyncio.get_running_loop().time() + timeout_s
        started = time.perf_counter()
        tokenized = await self._tokenize(texts, truncation or self._manifest.truncation, deadline)
        tokenize_s = time.perf_counter() - started
        self._metrics.ledger.record(self._metrics.count_tokenizations, tokenize_s)
        for index, text in enumerate(tokenized):
            if text.is_empty:
                raise InvalidRequestError(f"text {index} {_WORDLESS}", wordless=index)
        answered = await self._cascade.submit(tokenized, deadline, background=background)
        predictions = self._predict(tokenized, answered)
        if not background:
            self._metrics.ledger.record(self._count, predictions)
        return Classification(predictions, self._head, tokenize_s, answered.queue_s, answered.inference_s)

    def has_room(self, texts: Sequence[TextOrPair], *, share: float) -> bool:
        """Whether the texts would probably be admitted now and leave the rest of the queue to others."""
        return self._batcher.has_room(sum(map(self._tokenization.fewest_tokens, texts)), share)

    async def tokenize(self, text: TextOrPair, *, truncation: Truncation | None, timeout_s: float) -> LocatedText:
        """Return the tokens of a text with their places in it, and what the model reads of it.

        Raises:
            InvalidRequestError: if the text is of the wrong kind.
            VerdictError: as ``TokenizerQueue.encode``.
        """
        self._check_kind([text], truncation)
        way = truncation or self._manifest.truncation
        if count_chars([text]) <= _INLINE_CHARS:
            return self._tokenization.locate(text, way)
        deadline = asyncio.get_running_loop().time() + timeout_s
        locate = self._tokenization.locate
        (located,) = await self._tokenizer_queue.run(
            [text], lambda texts: [locate(each, way) for each in texts], deadline
        )
        return located

    def _check_kind(self, texts: Sequence[TextOrPair], truncation: Truncation | None) -> None:
        """Refuse a pair that is sent to a model of single texts, and the other way round."""
        reads, pairs = self._tokenization.reads, self._manifest.pairs
        for index, text in enumerate(texts):
            if not reads(text):
                raise InvalidRequestError(f"text {index} {_PAIR_WANTED if pairs else _TEXT_WANTED}")
        if pairs and truncation not in (None, "head"):
            raise InvalidRequestError(f"truncation is {truncation!r}: {_PAIRS_BY_HEAD}")

    async def _tokenize(
        self, texts: Sequence[TextOrPair], truncation: Truncation, deadline: float
    ) -> list[TokenizedText]:
        """Tokenize a little text on the event loop's thread, more in the tokenizer queue."""
        chars = count_chars(texts)
        if chars <= _INLINE_CHARS or self._inline.may_tokenize(chars):
            return self._tokenization.encode(texts, truncation)
        return await self._tokenizer_queue.encode(texts, truncation, deadline)

    def _predict(self, texts: list[TokenizedText], answered: TextLogits) -> list[Prediction]:
        scores, easy = self._head.scores, answered.by_first_stage
        return [
            Prediction(scores(row), row, text.tokens, text.truncated, text.unknown, index in easy)
            for index, (text, row) in enumerate(zip(texts, answered.logits, strict=True))
        ]

    def _count(self, predicted: Sequence[Sequence[Prediction]]) -> None:
        """Count the predictions of several requests: by each label that is chosen, or by the name of the value."""
        predictions = list(itertools.chain.from_iterable(predicted))
        if self._head.problem == "regression":
            self._predicted[0].inc(len(predictions))
        else:
            chosen = itertools.chain.from_iterable(self._head.chosen(prediction.scores) for prediction in predictions)
            for index, count in Counter(chosen).items():
                self._predicted[index].inc(count)
        self._metrics.truncated.inc(sum(prediction.truncated for prediction in predictions))
        self._metrics.by_first_stage.inc(sum(prediction.by_first_stage for prediction in predictions))
        self._metrics.unknown.inc(sum(prediction.unknown for prediction in predictions))
