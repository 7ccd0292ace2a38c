"""Texts -> scores: the server's tokenization, engine and head, without a queue.

Knows neither files nor daft. A ``TextScorer`` is safe to call from several threads; each call runs inference on its
own thread, one thread per run, so as many callers as cores use the machine.
"""

import functools
import itertools
import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from artifact.blank import is_blank
from artifact.cost_curve import CostCurve
from artifact.first_stage import FirstStage
from artifact.manifest import Artifact, TextOrPair, load_artifact
from artifact.pairs import load_tokenization
from artifact.rows import Row
from artifact.runtime import Batch, Engine, OnnxEngine
from artifact.scores import Head, mean_logits
from artifact.tokenization import TokenizedText
from artifact.vocabulary import check_token_ids
from bulk.micro_batches import micro_batches

MAX_CHARS: Final = 100_000
"""Characters of one text; the server's limit by default."""
_WORDLESS: Final = "the text is empty for this model: its tokenizer makes no token of it"
_DIGITS: Final = 6
"""Scores are rounded as the server rounds them."""


@dataclass(frozen=True, slots=True)
class Score:
    """What the model says of one text or pair, or why it says nothing.

    Attributes:
        label: the most probable label of a single-label model; None for other heads and with an error.
        probabilities: calibrated, in label order, rounded to six digits; empty for a regression and with an error.
        tokens: tokens read, special tokens included.
        truncated: whether a part of the text was not read.
        unknown: tokens that the tokenizer does not know.
        error: why the text has no score; None if it has one.
        labels: those that a multi-label model chooses; None for other heads.
        value: of a regression, rounded to six digits; None for other heads.
    """

    label: str | None
    probabilities: list[float]
    tokens: int = 0
    truncated: bool = False
    unknown: int = 0
    error: str | None = None
    labels: list[str] | None = None
    value: float | None = None

    @property
    def score(self) -> float | None:
        """Probability of the label; None with an error."""
        return max(self.probabilities, default=None)


class TextScorer:
    """An artifact's tokenizer, graph and head.

    Args:
        artifact: checked.
        engine: its graph; another one in tests.
        max_chars: longer texts get an error.
        first_stage: answers easy texts in place of the graph; None: the graph answers all.
    """

    def __init__(
        self,
        artifact: Artifact,
        engine: Engine,
        *,
        max_chars: int = MAX_CHARS,
        first_stage: FirstStage | None = None,
    ) -> None:
        manifest = artifact.manifest
        self.artifact = artifact
        self._head: Head = manifest.head
        self._truncation = manifest.truncation
        self._pad = manifest.pad_token_id
        self._max_chars = max_chars
        self._first_stage = first_stage
        self._tokenization = load_tokenization(artifact)
        self._engine = engine
        self._cost = CostCurve.measure(engine, pad_token_id=self._pad, max_length=manifest.max_length)
        check_token_ids(self._tokenization, engine, self._pad)

    @classmethod
    def load(cls, directory: Path, *, max_chars: int = MAX_CHARS, first_stage: bool = False) -> Self:
        """Check an artifact and load it, with its first stage if asked for.

        Raises:
            ArtifactError: if it cannot be used, or has no first stage.
        """
        artifact = load_artifact(directory)
        engine = OnnxEngine.load(artifact, intra_op_threads=1)
        stage = FirstStage.load(artifact) if first_stage else None
        return cls(artifact, engine, max_chars=max_chars, first_stage=stage)

    def score(self, texts: Sequence[object]) -> list[Score]:
        """Return a score per text, in order; equal texts are computed once.

        Args:
            texts: anything, for a model of pairs tuples of two; what the model can not read gets an error.
        """
        errors = {index: error for index, text in enumerate(texts) if (error := self._unfit(text)) is not None}
        fit = [_content(text) for index, text in enumerate(texts) if index not in errors]
        distinct = list(dict.fromkeys(fit))
        scored = dict(zip(distinct, self._score(distinct), strict=True))
        return [
            Score(None, [], error=errors[index]) if index in errors else scored[_content(text)]
            for index, text in enumerate(texts)
        ]

    def _unfit(self, text: object) -> str | None:
        if not self.artifact.manifest.pairs:
            return self._unfit_part(text, "text")
        first, second = text if isinstance(text, tuple) else (text, None)
        return self._unfit_part(first, "text") or self._unfit_part(second, "text_pair")

    def _unfit_part(self, text: object, name: str) -> str | None:
        if text is None:
            return f"the {name} is null"
        if not isinstance(text, str):
            return f"the {name} is {text!r:.40} ({type(text).__name__})"
        if is_blank(text):
            return f"the {name} is empty"
        if len(text) > self._max_chars:
            return f"the {name} has {len(text):,} characters, at most {self._max_chars:,} are read"
        return None

    def _score(self, texts: Sequence[TextOrPair]) -> list[Score]:
        tokenized = self._tokenization.encode(texts, self._truncation)
        easy = self._easy(tokenized)
        hard = [text for index, text in enumerate(tokenized) if not text.is_empty and index not in easy]
        logits = self._run(list(dict.fromkeys(window for text in hard for window in text.windows)))
        return [
            Score(None, [], error=_WORDLESS)
            if text.is_empty
            else self._finish(text, [easy[index]] if index in easy else [logits[window] for window in text.windows])
            for index, text in enumerate(tokenized)
        ]

    def _easy(self, texts: Sequence[TokenizedText]) -> dict[int, list[float]]:
        """Return the logits of the texts that the first stage answers, by index."""
        if self._first_stage is None:
            return {}
        answers = ((index, self._first_stage.answer(text)) for index, text in enumerate(texts) if not text.is_empty)
        return {index: logits for index, logits in answers if logits is not None}

    def _finish(self, text: TokenizedText, windows: Sequence[list[float] | str]) -> Score:
        failed = next((found for found in windows if isinstance(found, str)), None)
        if failed is not None:
            return Score(None, [], text.tokens, text.truncated, text.unknown, error=failed)
        logits = mean_logits([found for found in windows if not isinstance(found, str)], text.weights)
        exact = self._head.scores(logits)
        rounded = [round(score, _DIGITS) for score in exact]
        read = (text.tokens, text.truncated, text.unknown)
        if self._head.problem == "regression":
            return Score(None, [], *read, value=rounded[0])
        names = [self._head.labels[index] for index in self._head.chosen(exact)]
        if self._head.problem == "multi_label":
            return Score(None, rounded, *read, labels=names)
        return Score(names[0], rounded, *read)

    def _run(self, rows: Sequence[Row]) -> dict[Row, list[float] | str]:
        """Return each row's logits, or what the engine says of a row that it fails on."""
        found: dict[Row, list[float] | str] = {}
        for chosen in micro_batches(rows, self._cost):
            batch = [rows[index] for index in chosen]
            try:
                found.update(zip(batch, self._logits(batch), strict=True))
            except Exception:
                found.update((row, self._alone(row)) for row in batch)
        return found

    def _alone(self, row: Row) -> list[float] | str:
        try:
            return self._logits([row])[0]
        except Exception as error:
            return f"the model fails on the text: {str(error).partition(chr(10))[0]}"

    def _logits(self, rows: Sequence[Row]) -> list[list[float]]:
        logits: list[list[float]] = self._engine.run(Batch.of(rows, self._pad)).tolist()
        if not all(map(math.isfinite, itertools.chain.from_iterable(logits))):
            raise ValueError("its logits are not finite numbers")
        return logits


def _content(text: object) -> TextOrPair:
    return (str(text[0]), str(text[1])) if isinstance(text, tuple) else str(text)


def shared_scorer(directory: Path, max_chars: int = MAX_CHARS, *, first_stage: bool = False) -> TextScorer:
    """Return this process's scorer of an artifact: loaded once, for all threads and tasks.

    Raises:
        ArtifactError: if it cannot be used.
    """
    with _LOADING:
        return _loaded(directory, max_chars, first_stage)


_LOADING: Final = threading.Lock()


@functools.cache
def _loaded(directory: Path, max_chars: int, first_stage: bool) -> TextScorer:
    return TextScorer.load(directory, max_chars=max_chars, first_stage=first_stage)
