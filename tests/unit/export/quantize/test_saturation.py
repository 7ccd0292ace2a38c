"""CPUs that add in 16 bits: a bounded graph is right there, and known answers reveal one that is not bounded."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("torch")
import onnx

from artifact.runtime import Batch, OnnxEngine
from artifact.scores import Head, softmax
from export.build import Builder
from export.measure.quality import score_changes
from export.quantize.activations import Observer
from export.quantize.saturation import exact_logits, saturated_logits, this_cpu_saturates
from export.samples import Sample
from export.variants import StaticInt8, Variant
from export.write.probes import TOLERANCE, choose, saturation_shift
from tests.unit.export.conftest import TinyGraph

pytestmark = pytest.mark.development

HEAD = Head(("a", "b", "c"))


def _rows(tiny: TinyGraph) -> list[tuple[int, ...]]:
    draw = np.random.default_rng(0)
    return [tuple(draw.integers(5, tiny.vocabulary, 24).tolist()) for _ in range(40)]


def _graph(tiny: TinyGraph, folder: Path, *, saturation_safe: bool) -> tuple[onnx.ModelProto, OnnxEngine]:
    """Return an int8 graph whose weights are bounded or use their full range."""
    builder = Builder(tiny.path, folder, Observer(_rows(tiny)), lambda *_: lambda _: 0.0, max_length=tiny.max_length)
    variant = Variant("static", "", StaticInt8(saturation_safe=saturation_safe))
    built = builder.build(variant)
    return onnx.load(built.path), OnnxEngine(built.path, variant.session)


def _batch(tiny: TinyGraph) -> Batch:
    return Batch.of(_rows(tiny), tiny.pad_token_id)


def _changes(tiny: TinyGraph, folder: Path, *, saturation_safe: bool) -> NDArray[np.float64]:
    """Return the largest difference per text between a saturating CPU's probabilities and any other's."""
    model, _ = _graph(tiny, folder, saturation_safe=saturation_safe)
    right, wrong = exact_logits(model, _batch(tiny)), saturated_logits(model, _batch(tiny))
    return score_changes(HEAD, wrong, right)


@pytest.mark.parametrize("saturation_safe", [True, False], ids=["bounded", "full range"])
def test_this_cpu_answers_as_its_simulation(
    tiny_graphs: dict[str, TinyGraph], tmp_path: Path, *, saturation_safe: bool
) -> None:
    """The simulation of this kind of CPU gives the same answers as onnxruntime on it."""
    tiny = tiny_graphs["bert"]
    model, session = _graph(tiny, tmp_path, saturation_safe=saturation_safe)
    simulation = saturated_logits if this_cpu_saturates() else exact_logits
    expected = softmax(simulation(model, _batch(tiny)))
    assert pytest.approx(expected, abs=1e-5) == softmax(session.run(_batch(tiny)))


def test_known_answers_are_those_that_saturation_moves_most(tiny_graphs: dict[str, TinyGraph], tmp_path: Path) -> None:
    """For a graph that can saturate, the first probes are the texts that a CPU without VNNI answers most wrong."""
    tiny = tiny_graphs["bert"]
    model, session = _graph(tiny, tmp_path, saturation_safe=False)
    samples = [Sample(f"sample {place}", place % 3, "drawn", row) for place, row in enumerate(_rows(tiny))]
    shift = saturation_shift(model, HEAD, tiny.pad_token_id)
    chosen = choose(samples, session, HEAD, tiny.pad_token_id, shift)
    shifts = sorted(map(shift, samples), reverse=True)
    assert [shift(sample) for sample in chosen[:4]] == shifts[:4]
    assert shifts[0] > TOLERANCE
    assert len({sample.text for sample in chosen}) == len(chosen)


def test_the_portable_graph_answers_alike_on_a_saturating_cpu(
    tiny_graphs: dict[str, TinyGraph], tmp_path: Path
) -> None:
    """With bounded neighbours 16-bit sums give the same answers, within the tolerance of known answers."""
    assert _changes(tiny_graphs["bert"], tmp_path, saturation_safe=True).max() < TOLERANCE


def test_known_answers_catch_a_cpu_that_saturates(tiny_graphs: dict[str, TinyGraph], tmp_path: Path) -> None:
    """Full-range weights answer wrong there, by more than the tolerance of known answers."""
    assert _changes(tiny_graphs["bert"], tmp_path, saturation_safe=False).max() > TOLERANCE
