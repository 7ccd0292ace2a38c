"""A first stage is as sure as it is right: of the texts that it answers, and where labels say how often that is."""

import numpy as np
import pytest

pytest.importorskip("torch")

from artifact.first_stage import FirstStage
from artifact.manifest import load_artifact
from export.first_stage.fit import fit_first_stage
from export.first_stage.texts import FOLDS, Texts
from tests.support.tiny import TINY

pytestmark = pytest.mark.development

_CONFIDENCE = 0.8


def texts(*, labelled: bool) -> Texts:
    """Return texts of one word of two each, on which the graph is right and says that it is right on four of five."""
    draw = np.random.default_rng(0)
    answers = draw.integers(0, 2, 4000)
    rows = [(2, 10 + 10 * int(answer), *draw.integers(40, 60, 4).tolist(), 3) for answer in answers]
    artifact = load_artifact(TINY)
    logit = artifact.manifest.temperature * np.log(_CONFIDENCE / (1 - _CONFIDENCE))
    logits = np.zeros((len(rows), 2), np.float32)
    logits[np.arange(len(rows)), answers] = logit
    labels = answers if labelled else np.full(len(rows), -1)
    return Texts(rows, logits, labels, ["words"] * len(rows), np.arange(len(rows)) % FOLDS)


@pytest.mark.parametrize(("labelled", "least", "most"), [(True, 0.9, 1.0), (False, 0.75, 0.85)])
def test_the_confidence_of_what_is_answered_comes_from_the_labels(labelled: bool, least: float, most: float) -> None:
    """Without labels it is the graph's."""
    artifact = load_artifact(TINY)
    given = texts(labelled=labelled)
    fitted = fit_first_stage(artifact, given, [], 0.01, lambda: None)
    assert fitted.figures[0].answered > 0.9
    stage = FirstStage(fitted.weights, fitted.model, artifact.manifest.head)
    sure = artifact.manifest.head.table(np.array([stage.logits(row) for row in given.rows])).max(axis=1)
    assert least <= sure.mean() <= most
