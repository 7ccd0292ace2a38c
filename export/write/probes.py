"""Probes: known answers that tell a CPU which computes right from one which does not.

Each probe carries what this artifact answers on a CPU that computes integers exactly, and what the fp32 model
answers, to read. Right CPUs differ by the rounding of their float parts alone, which now and then moves a value
into the neighbouring int8 step. Saturated 16-bit sums move some answers by far more and others by nothing, so where
a graph can saturate, texts are sought whose answers it moves most (docs/export.md has the figures).
"""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import onnx

from artifact.manifest import Probe
from artifact.runtime import Batch, OnnxEngine
from artifact.scores import softmax
from export.quantize.saturation import exact_logits, saturated_logits
from export.samples import Sample, spread

TOLERANCE: Final = 0.03
"""Largest accepted difference of a probability; between rounding and saturation as measured in docs/export.md."""
_BY_LENGTH: Final = 3
_UNCERTAIN: Final = 3
_MOST_LABELS: Final = 4
_SHORTEST_CHARS: Final = 8
_SENSITIVE: Final = 4
_SENSITIVE_TOKENS: Final = 24
_IMITATED: Final = 100
"""Short, uncertain texts that are computed as both kinds of CPU would: about half a minute."""
_LOOKED_AT: Final = 300
"""Samples among which the uncertain ones are sought: a few seconds of inference."""


def choose(
    samples: Sequence[Sample],
    artifact: OnnxEngine,
    labels: int,
    pad_token_id: int,
    shift: Callable[[Sample], float] | None = None,
) -> list[Sample]:
    """Pick texts of every label: some from the shortest to the longest, and the most uncertain ones.

    A wrong sum moves the probability of an uncertain text most; texts of many lengths take every path of the runtime.

    Args:
        samples: to choose from.
        artifact: the graph that will answer.
        labels: how many there are.
        pad_token_id: id that fills.
        shift: how far a saturating CPU moves a probability, where that can happen; the texts moved most come first.
    """

    def confidence(sample: Sample) -> float:
        return float(softmax(artifact.run(Batch.of([sample.ids], pad_token_id))).max())

    fitting = [sample for sample in samples if len(sample.text) >= _SHORTEST_CHARS][:_LOOKED_AT]
    chosen: list[Sample] = []
    if shift is not None:
        short = [sample for sample in samples if len(sample.text) >= _SHORTEST_CHARS]
        short = [sample for sample in short if len(sample.ids) <= _SENSITIVE_TOKENS][:_LOOKED_AT]
        chosen += sorted(sorted(short, key=confidence)[:_IMITATED], key=shift, reverse=True)[:_SENSITIVE]
    for label in range(min(labels, _MOST_LABELS)):
        own = [sample for sample in fitting if sample.label == label and sample not in chosen]
        picked = spread(own, _BY_LENGTH) if own else []
        rest = [sample for sample in own if sample not in picked]
        picked += sorted(rest, key=confidence)[:_UNCERTAIN]
        chosen += picked
    return chosen


def saturation_shift(model: onnx.ModelProto, pad_token_id: int) -> Callable[[Sample], float]:
    """Return how far a CPU that adds in 16 bits moves a probability of a text; 0 for a graph that is not understood."""

    def shift(sample: Sample) -> float:
        batch = Batch.of([sample.ids], pad_token_id)
        try:
            wrong, right = saturated_logits(model, batch), exact_logits(model, batch)
        except Exception:  # onnx raises what it likes about an operator that it does not know
            return 0.0
        return float(np.abs(softmax(wrong) - softmax(right)).max())

    return shift


def build(
    samples: Sequence[Sample], artifact: OnnxEngine, reference: OnnxEngine, pad_token_id: int, temperature: float
) -> tuple[Probe, ...]:
    """Return probes with the answers of the artifact and of the fp32 graph, each text alone."""

    def answer(session: OnnxEngine, sample: Sample) -> tuple[float, ...]:
        row = softmax(session.run(Batch.of([sample.ids], pad_token_id)), temperature)[0]
        return tuple(round(float(value), 6) for value in row)

    return tuple(Probe(text=s.text, probabilities=answer(artifact, s), reference=answer(reference, s)) for s in samples)
