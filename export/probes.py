"""Probes: known answers that tell a CPU which computes right from one which does not.

Each probe carries what this artifact answers on a CPU that computes integers exactly, and what the fp32 model
answers, to read. Right CPUs differ by the rounding of their float parts alone, which now and then moves a value
into the neighbouring int8 step; saturated 16-bit sums move answers by far more (docs/export.md has the figures).
"""

from collections.abc import Sequence
from typing import Final

import numpy as np

from export.probability import softmax
from export.samples import Sample, pad
from export.session import Session
from server.artifact import Probe

TOLERANCE: Final = 0.03
"""Largest accepted difference of a probability; between rounding and saturation as measured in docs/export.md."""
_PER_LABEL: Final = 6
_MOST_LABELS: Final = 6
_SHORTEST_CHARS: Final = 8


def choose(samples: Sequence[Sample], labels: int) -> list[Sample]:
    """Pick texts of every label, evenly from the shortest to the longest."""
    chosen: list[Sample] = []
    for label in range(min(labels, _MOST_LABELS)):
        fitting = [s for s in samples if s.label == label and len(s.text) >= _SHORTEST_CHARS]
        by_length = sorted(fitting, key=lambda sample: len(sample.ids))
        places = np.linspace(0, len(by_length) - 1, min(_PER_LABEL, len(by_length))).round().astype(int)
        chosen.extend(by_length[place] for place in places)
    return chosen


def build(
    samples: Sequence[Sample], artifact: Session, reference: Session, pad_token_id: int, temperature: float
) -> tuple[Probe, ...]:
    """Return probes with the answers of the artifact and of the fp32 graph, each text alone."""

    def answer(session: Session, sample: Sample) -> tuple[float, ...]:
        row = softmax(session.logits(pad([sample.ids], pad_token_id)), temperature)[0]
        return tuple(round(float(value), 6) for value in row)

    return tuple(Probe(text=s.text, probabilities=answer(artifact, s), reference=answer(reference, s)) for s in samples)
