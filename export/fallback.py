"""Fallback: where no int8 candidate passes its gates, fewer and fewer products are int8, down to none.

A checkpoint may have channels that eight bits do not bear. Then the products that int8 changes most stay in fp32, then
all of them do. fp32 with its rewrites, and at last the converted graph as it is, are always an answer; the report says
what each step costs.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from transformers import PreTrainedModel

from export.build import Builder, Built, build_all
from export.measure.bench import Bench
from export.measure.latency import Latency
from export.measure.select import Gates, Measured, exceeds_size
from export.progress import Progress
from export.variants import FP32, FP32_REWRITTEN, Variant


@dataclass(frozen=True)
class Outcome:
    """The measurements after a fallback.

    Attributes:
        rows: every measured variant, those from before with their latency measured anew.
        times: latency by name of a variant, PyTorch's too.
        unbuilt: variants that could not be built, with the reason.
        chosen: None where even fp32 is larger than the limit.
    """

    rows: list[Measured]
    times: dict[str, Latency]
    unbuilt: dict[str, str]
    chosen: Measured | None


def fall_back(
    rows: Sequence[Measured],
    variants: Sequence[Variant],
    *,
    builder: Builder,
    bench: Bench,
    model: PreTrainedModel,
    gates: Gates,
    progress: Progress,
) -> Outcome:
    """Build and judge what is slower and closer to fp32; all latencies are measured again, side by side.

    Args:
        rows: measured so far, none of them chosen.
        variants: to build, with fewer products in int8.
        builder: has the calibration texts.
        bench: has measured ``rows``.
        model: in PyTorch, to be timed beside them.
        gates: of these only the size concerns the converted graph.
        progress: a bar per step.
    """
    new, unbuilt = build_all(builder, variants, progress)
    times = bench.latencies([*(row.built for row in rows), *new], model)
    rows = [replace(row, latency=times[row.name]) for row in rows]
    measured, chosen = bench.prove([*rows, *bench.measure(new, times)])
    for name in (FP32_REWRITTEN, FP32):
        for place, row in enumerate(measured):
            if chosen is None and row.name == name:
                measured[place] = _in_fp32(row, bench, gates)
                chosen = measured[place] if not measured[place].failures else None
    return Outcome(measured, times, unbuilt, chosen)


def _in_fp32(row: Measured, bench: Bench, gates: Gates) -> Measured:
    """Return a baseline as a candidate, proved; the converted graph is the reference and fails by its size alone."""
    row = bench.prove_one(replace(row, built=_as_candidate(row.built)))
    if row.name != FP32:
        return row
    return replace(row, failures=exceeds_size(row.size_bytes, gates))


def _as_candidate(built: Built) -> Built:
    return replace(built, variant=replace(built.variant, baseline=False))
