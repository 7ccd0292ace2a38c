"""CPUs that add in 16 bits: the exported graph is exact there, and known answers catch one that is not."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
import onnx

from export.activations import Observer
from export.build import Builder
from export.probability import softmax
from export.probes import TOLERANCE
from export.saturation import saturated_logits
from export.session import Session
from export.variants import StaticInt8, Variant
from tests.unit.export.conftest import TinyGraph

pytestmark = pytest.mark.development


def _changes(tiny: TinyGraph, folder: Path, *, exact: bool) -> np.ndarray:  # type: ignore[type-arg]
    """Return how far a saturating CPU's probabilities are from this machine's, per text."""
    draw = np.random.default_rng(0)
    rows = [tuple(draw.integers(5, tiny.vocabulary, 24).tolist()) for _ in range(40)]
    builder = Builder(tiny.path, folder, Observer(rows), lambda _: 0.0, max_length=tiny.max_length)
    variant = Variant("static", "", replace(StaticInt8(), exact=exact, outlier_ratio=None))
    built = builder.build(variant)
    batch = {"input_ids": np.array(rows), "attention_mask": np.ones((40, 24), np.int64)}
    right = softmax(Session(built.path, variant.session).logits(batch))
    result: np.ndarray = np.abs(softmax(saturated_logits(onnx.load(built.path), batch)) - right).max(axis=1)  # type: ignore[type-arg]
    return result


def test_the_portable_graph_answers_alike_on_a_saturating_cpu(
    tiny_graphs: dict[str, TinyGraph], tmp_path: Path
) -> None:
    """With bounded neighbours 16-bit sums give the same answers, within what known answers tolerate."""
    assert _changes(tiny_graphs["bert"], tmp_path, exact=True).max() < TOLERANCE


def test_known_answers_catch_a_cpu_that_saturates(tiny_graphs: dict[str, TinyGraph], tmp_path: Path) -> None:
    """Full-range weights answer wrong there, by more than known answers tolerate."""
    assert _changes(tiny_graphs["bert"], tmp_path, exact=False).max() > TOLERANCE
