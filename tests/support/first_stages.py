"""First stages whose answers can be computed by hand, and the tiny artifact with one."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from artifact.first_stage import FirstStage, ngrams
from artifact.manifest import FIRST_STAGE, describe_file
from artifact.parts import FirstStageModel, FirstStageThreshold
from artifact.scores import Head
from tests.support.artifacts import copy_tiny, edit_manifest
from tests.support.tiny import WORDS

BITS = 10


def word_weights(of_words: Mapping[str, Sequence[int]], labels: int) -> np.ndarray:
    """Return weights, (1024, labels) int8, that are zero but for some words of the tiny tokenizer."""
    weights = np.zeros((1 << BITS, labels), np.int8)
    for word, values in of_words.items():
        weights[ngrams((WORDS.index(word),), 1, BITS)] = values
    return weights


def make_model(labels: int, *, least: float, max_tokens: int = 16, cues: Sequence[str] = ()) -> FirstStageModel:
    """Return a model of single tokens with one threshold; rows of at most eight tokens are short."""
    threshold = FirstStageThreshold(max_tokens=max_tokens, least_confidence=least, texts=100, answered=50)
    return FirstStageModel(
        orders=1,
        short_tokens=8,
        graph_tokens=tuple(WORDS.index(cue) for cue in cues),
        scale=0.1,
        bias=(0.0,) * labels,
        largest_loss=0.001,
        thresholds=(threshold,),
    )


def make_first_stage(of_words: Mapping[str, Sequence[int]], head: Head, **model: Any) -> FirstStage:
    """Return a first stage that knows some words."""
    labels = len(head.labels)
    return FirstStage(word_weights(of_words, labels), make_model(labels, **model), head)


def tiny_with_first_stage(directory: Path, *, least: float = 0.9) -> Path:
    """Copy the tiny artifact and add a first stage that takes "good" for negative and "bad" for positive.

    Its answers show which stage has given them.
    """
    copy_tiny(directory)
    np.save(directory / FIRST_STAGE, word_weights({"good": (127, 0), "bad": (0, 127)}, 2), allow_pickle=False)

    def add(document: dict[str, Any]) -> None:
        document["schema_version"] = 2
        document["first_stage"] = make_model(2, least=least).model_dump()
        document["files"].append(describe_file(directory / FIRST_STAGE).model_dump())

    return edit_manifest(directory, add)
