"""Fit: texts with the graph's answers -> a first stage, and how it does on texts that it did not learn from."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from artifact.first_stage import FirstStage, confidence
from artifact.manifest import Artifact
from artifact.parts import FirstStageModel, FirstStageThreshold
from artifact.rows import Row
from artifact.scores import Head, accuracy, expected_calibration_error, fit_temperature
from export.errors import ExportError
from export.first_stage.learn import ORDERS, Weights, learn, passes
from export.first_stage.texts import FOLDS, Texts
from export.first_stage.thresholds import HeldOut, fit, losses

SHORT_TOKENS: Final = 64
"""In longer texts one turn of meaning decides less, and nearly all of them hold one."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """A first stage.

    Attributes:
        weights: (buckets, labels) int8.
        model: what the manifest says of it.
        figures: of each source, by answers to texts that were not learned from.
    """

    weights: NDArray[np.int8]
    model: FirstStageModel
    figures: tuple["SourceFigures", ...]


@dataclass(frozen=True, slots=True)
class SourceFigures:
    """The cascade on the texts of one source, each answered by a first stage that did not learn from it.

    Attributes:
        source: file or group.
        n: texts.
        answered: share of them that the first stage answers.
        same: share of all texts to which the cascade gives the graph's answer.
        accuracy: of the graph and of the cascade; None without labels or for several labels a text.
        calibration_error: likewise.
    """

    source: str
    n: int
    answered: float
    same: float
    accuracy: tuple[float, ...] | None
    calibration_error: tuple[float, ...] | None


def fit_first_stage(
    artifact: Artifact, texts: Texts, cues: Sequence[str], largest_loss: float, tick: Callable[[], None]
) -> Fitted:
    """Learn the weights from all texts; fit the rest and measure by answers to texts that were not learned from.

    Args:
        artifact: whose graph answered the texts.
        texts: to learn from.
        cues: words; the graph answers short texts that hold one.
        largest_loss: share of texts whose answer may become wrong.
        tick: called ``ticks`` times.
    """
    head = artifact.manifest.head
    graph = head.table(texts.logits)
    logits = np.empty_like(graph)
    cue_tokens = _cue_tokens(artifact, cues)

    def stage_of(learned: Weights) -> FirstStage:
        model = FirstStageModel(
            orders=ORDERS,
            short_tokens=SHORT_TOKENS,
            graph_tokens=cue_tokens,
            scale=learned.scale,
            bias=learned.bias,
            largest_loss=largest_loss,
            thresholds=(),
        )
        return FirstStage(learned.weights, model, head)

    for fold in range(FOLDS):
        inside = texts.folds == fold
        stage = stage_of(learn(_chosen(texts.rows, ~inside), graph[~inside], head, tick))
        logits[inside] = [stage.logits(row) for row in _chosen(texts.rows, inside)]
    may = np.array([not stage.is_for_graph(row) for row in texts.rows])
    tokens = np.array([len(row) for row in texts.rows])

    def choose(first: NDArray[np.float64]) -> tuple[tuple[FirstStageThreshold, ...], NDArray[np.bool_]]:
        sure = np.array([confidence(scores, head) for scores in first.tolist()])
        loss = losses(first, graph, head)
        thresholds = fit(HeldOut(tokens[may], sure[may], loss[may]), largest_loss, artifact.manifest.max_length)
        longest = [threshold.max_tokens for threshold in thresholds]
        least = np.array([threshold.least_confidence for threshold in thresholds])
        return thresholds, may & (sure >= least[np.searchsorted(longest, tokens)])

    _, answered = choose(head.table(logits))
    temperature = _temperature(logits[answered], texts.labels[answered], head)
    first = head.table(logits / temperature)
    thresholds, answered = choose(first)
    weights = learn(texts.rows, graph, head, tick).cooled(temperature)
    model = stage_of(weights).model.model_copy(update={"thresholds": thresholds})
    return Fitted(weights.weights, model, _figures(texts, first, answered, head))


def ticks(texts: Texts) -> int:
    """Return how often ``fit_first_stage`` calls ``tick``: all texts are learned once for each fold."""
    return FOLDS * passes(len(texts.rows))


def _temperature(logits: NDArray[np.float64], labels: NDArray[np.int64], head: Head) -> float:
    """Return what to divide the logits by, so that texts which the first stage answers are right as often as it says.

    It imitates the graph's probabilities for all texts, and is too modest where it is sure. 1 without labels.
    """
    labelled = labels >= 0
    if head.problem != "single_label" or not labelled.any():
        return 1.0
    return fit_temperature(logits[labelled] / head.temperature, labels[labelled])


def _chosen(rows: Sequence[Row], chosen: NDArray[np.bool_]) -> list[Row]:
    return [row for row, own in zip(rows, chosen.tolist(), strict=True) if own]


def read_cues(path: Path) -> list[str]:
    """Return the words of a file: one per line; lines that begin with # are notes.

    Raises:
        ExportError: if it cannot be read.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ExportError(f"{path} cannot be read: {error}") from error
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def _cue_tokens(artifact: Artifact, cues: Sequence[str]) -> tuple[int, ...]:
    """Return the ids of the words, as a text begins with them and within it; words of several tokens have none."""
    tokenizer = Tokenizer.from_file(str(artifact.tokenizer_path))
    forms = [form for word in cues for form in (word, word.capitalize(), f" {word}")]
    encoded = [tokenizer.encode(form, add_special_tokens=False).ids for form in forms]
    return tuple(sorted({ids[0] for ids in encoded if len(ids) == 1}))


def _figures(
    texts: Texts, first: NDArray[np.float64], answered: NDArray[np.bool_], head: Head
) -> tuple[SourceFigures, ...]:
    graph = head.table(texts.logits)
    both = np.where(answered[:, None], first, graph)
    same = ~answered | (losses(first, graph, head) == 0)
    sources = np.array(texts.sources)
    rows = []
    for source in dict.fromkeys(sources.tolist()):
        own = sources == source
        labels = texts.labels[own]
        judged = head.problem == "single_label" and bool((labels >= 0).all())
        tables = (graph[own], both[own])
        rows.append(
            SourceFigures(
                source,
                int(own.sum()),
                float(answered[own].mean()),
                float(same[own].mean()),
                tuple(accuracy(table, labels) for table in tables) if judged else None,
                tuple(expected_calibration_error(table, labels) for table in tables) if judged else None,
            )
        )
    return tuple(rows)
