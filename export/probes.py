"""Probes: known answers that tell a CPU which computes right from one which does not.

Each probe carries what this artifact answers on a CPU that computes integers exactly, and what the fp32 model
answers, to read. Right CPUs differ by the rounding of their float parts alone, which now and then moves a value
into the neighbouring int8 step; saturated 16-bit sums move answers by far more (docs/export.md has the figures).
"""

from collections.abc import Sequence
from typing import Final

import numpy as np

from export.probability import softmax
from export.samples import Sample, pad, spread
from export.session import Session
from server.artifact import Probe

TOLERANCE: Final = 0.03
"""Largest accepted difference of a probability; between rounding and saturation as measured in docs/export.md."""
_BY_LENGTH: Final = 3
_UNCERTAIN: Final = 3
_MOST_LABELS: Final = 4
_SHORTEST_CHARS: Final = 8
_LOOKED_AT: Final = 300
"""Samples among which the uncertain ones are sought: a few seconds of inference."""


def choose(samples: Sequence[Sample], artifact: Session, labels: int, pad_token_id: int) -> list[Sample]:
    """Pick texts of every label: some from the shortest to the longest, and the most uncertain ones.

    A wrong sum moves the probability of an uncertain text most; texts of many lengths take every path of the runtime.
    """
    fitting = [sample for sample in samples if len(sample.text) >= _SHORTEST_CHARS][:_LOOKED_AT]
    chosen: list[Sample] = []
    for label in range(min(labels, _MOST_LABELS)):
        own = [sample for sample in fitting if sample.label == label]
        picked = spread(own, _BY_LENGTH) if own else []
        rest = [sample for sample in own if sample not in picked]
        confidence = [float(softmax(artifact.logits(pad([sample.ids], pad_token_id))).max()) for sample in rest]
        picked += [rest[place] for place in np.argsort(confidence, kind="stable")[:_UNCERTAIN]]
        chosen += picked
    return chosen


def build(
    samples: Sequence[Sample], artifact: Session, reference: Session, pad_token_id: int, temperature: float
) -> tuple[Probe, ...]:
    """Return probes with the answers of the artifact and of the fp32 graph, each text alone."""

    def answer(session: Session, sample: Sample) -> tuple[float, ...]:
        row = softmax(session.logits(pad([sample.ids], pad_token_id)), temperature)[0]
        return tuple(round(float(value), 6) for value in row)

    return tuple(Probe(text=s.text, probabilities=answer(artifact, s), reference=answer(reference, s)) for s in samples)
