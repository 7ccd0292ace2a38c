"""Probes: texts with known answers, by which the server recognizes a CPU that computes the model wrong.

A probe holds the artifact's own answer, computed on a CPU that adds int8 products right, and the fp32 model's answer as
information. Right CPUs differ only in the rounding of the float parts, which sometimes moves a value into the
neighbouring int8 step. Saturated 16-bit sums move a few answers by far more and most by little, so for a graph that can
saturate the probes are the texts that it moves most (figures in docs/export.md).
"""

from collections.abc import Callable, Sequence
from typing import Final

import onnx

from artifact.manifest import Probe
from artifact.runtime import Batch, OnnxEngine
from artifact.scores import Head
from export.measure.quality import score_changes
from export.quantize.saturation import exact_logits, saturated_logits
from export.samples import Sample, spread

TOLERANCE: Final = 0.03
"""Largest accepted difference of a probability: above rounding, below saturation (docs/export.md)."""
_BY_LENGTH: Final = 3
_UNCERTAIN: Final = 3
_MOST_LABELS: Final = 4
_SHORTEST_CHARS: Final = 8
_SENSITIVE: Final = 4
_SENSITIVE_TOKENS: Final = 24
_IMITATED: Final = 100
"""Short, uncertain texts that are computed as on both kinds of CPU: about half a minute."""
_EXAMINED: Final = 300
"""Samples among which the uncertain ones are found: a few seconds of inference."""


def choose(
    samples: Sequence[Sample],
    artifact: OnnxEngine,
    head: Head,
    pad_token_id: int,
    shift: Callable[[Sample], float] | None = None,
) -> list[Sample]:
    """Pick texts of every label: some spread over the lengths, and the most uncertain ones.

    A text counts as what the artifact predicts, unless it has one label.

    A wrong sum moves the probability of an uncertain text most, and different lengths use different kernels.

    Args:
        samples: to choose from.
        artifact: the chosen graph.
        head: of the artifact; the texts of other heads than single-label are all of one kind.
        pad_token_id: the id that fills.
        shift: for a graph that can saturate, how far a saturating CPU moves a probability of a text; the texts that it
            moves most come first.
    """

    def scores_of(sample: Sample) -> list[float]:
        return head.scores(artifact.run(Batch.of([sample.ids], pad_token_id))[0].tolist())

    def confidence(sample: Sample) -> float:
        if head.problem == "multi_label":
            scores = scores_of(sample)
            return min(abs(score - limit) for score, limit in zip(scores, head.thresholds, strict=True))
        return max(scores_of(sample))

    def label_of(sample: Sample) -> int:
        if head.problem != "single_label":
            return 0
        return sample.label if isinstance(sample.label, int) else head.chosen(scores_of(sample))[0]

    fitting = [sample for sample in samples if len(sample.text) >= _SHORTEST_CHARS][:_EXAMINED]
    chosen: list[Sample] = []
    if shift is not None:
        short = [sample for sample in samples if len(sample.text) >= _SHORTEST_CHARS]
        short = [sample for sample in short if len(sample.ids) <= _SENSITIVE_TOKENS][:_EXAMINED]
        chosen += sorted(sorted(short, key=confidence)[:_IMITATED], key=shift, reverse=True)[:_SENSITIVE]
    kinds = [label_of(sample) for sample in fitting]
    for label in range(min(len(head.labels), _MOST_LABELS)):
        own = [s for s, kind in zip(fitting, kinds, strict=True) if kind == label and s not in chosen]
        picked = spread(own, _BY_LENGTH) if own else []
        rest = [sample for sample in own if sample not in picked]
        picked += sorted(rest, key=confidence)[:_UNCERTAIN]
        chosen += picked
    return chosen


def saturation_shift(model: onnx.ModelProto, head: Head, pad_token_id: int) -> Callable[[Sample], float]:
    """Return a function: text -> how far a saturating CPU moves a score; 0 for a graph it cannot compute."""

    def shift(sample: Sample) -> float:
        batch = Batch.of([sample.ids], pad_token_id)
        try:
            wrong, right = saturated_logits(model, batch), exact_logits(model, batch)
        except Exception:  # onnx raises many classes about an operator that it does not know
            return 0.0
        return float(score_changes(head, wrong, right).max())

    return shift


def build(
    samples: Sequence[Sample], artifact: OnnxEngine, reference: OnnxEngine, pad_token_id: int, head: Head
) -> tuple[Probe, ...]:
    """Return probes with the answers of the artifact and of the fp32 graph (``reference``), each text alone."""

    def answer(engine: OnnxEngine, sample: Sample) -> tuple[float, ...]:
        row = head.table(engine.run(Batch.of([sample.ids], pad_token_id)))[0]
        return tuple(round(float(value), 6) for value in row)

    return tuple(
        Probe(
            text=s.text,
            text_pair=s.text_pair,
            probabilities=answer(artifact, s),
            reference=answer(reference, s),
            labels=head.labels,
        )
        for s in samples
    )


def tolerance(head: Head, probes: Sequence[Probe]) -> float:
    """Return the largest accepted difference of a score; of values it grows with the largest of them."""
    if head.activation != "identity":
        return TOLERANCE
    return min(TOLERANCE * max(1.0, *(abs(probe.probabilities[0]) for probe in probes)), 0.99)
