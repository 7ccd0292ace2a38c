"""Pipeline: the whole export, read top to bottom.

Convert and prove equal, build every variant, measure all of them briefly and in turns, prove the fastest that
passes on everything, write the artifact. Nothing is chosen that was not proved.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np
import onnx

from artifact.manifest import SessionOptions
from artifact.runtime import Batch, OnnxEngine
from artifact.scores import softmax
from export.build import Builder, Built
from export.checkpoint import Checkpoint, read_checkpoint
from export.errors import ExportError
from export.graph.convert import check_parity, convert
from export.measure import latency
from export.measure.bench import Bench
from export.measure.select import Gates, Measured
from export.progress import Progress
from export.quantize.activations import Observer
from export.quantize.saturation import this_cpu_saturates
from export.rewrites import Check
from export.samples import Sample, Samples, load_samples, spread
from export.variants import FP32, PYTORCH, REFERENCES, Target, Variant, candidates, is_bounded
from export.write.package import check_replaceable

_PARITY_TEXTS: Final = 48
_CHECK_TEXTS: Final = 6


@dataclass(frozen=True, slots=True)
class Request:
    """What the user asked for."""

    checkpoint: Path
    output: Path
    data: tuple[Path, ...] = ()
    target: Target = "portable"
    gates: Gates = Gates()  # noqa: RUF009 - frozen
    calibration_texts: int = 400
    measurement_texts: int = 2000
    table: tuple[Variant, ...] | None = None
    """Candidates to compare; those of the target where None."""


@dataclass(frozen=True)
class Findings:
    """Everything an export learned; the report and the artifact are written from it."""

    checkpoint: Checkpoint
    samples: Samples
    target: Target
    gates: Gates
    parity: float
    fp32: Path
    rows: tuple[Measured, ...]
    pytorch: latency.Latency
    unbuilt: dict[str, str]
    chosen: Measured | None


def run(request: Request, progress: Progress, work: Callable[[Findings], None]) -> None:
    """Export, and hand the findings to ``work`` while the built graphs still exist.

    Raises:
        ExportError: if the checkpoint, the data or the target can not be used, or conversion changed answers.
    """
    check_replaceable(request.output)
    _check_cpu(request.target)
    checkpoint = read_checkpoint(request.checkpoint)
    samples = load_samples(
        checkpoint, request.data, calibration=request.calibration_texts, limit=request.measurement_texts
    )
    with TemporaryDirectory(prefix="verdict-export-") as folder:
        work(_export(request, checkpoint, samples, Path(folder), progress))


def _check_cpu(target: Target) -> None:
    """Refuse to measure graphs that this CPU computes wrong: their known answers would be wrong ones.

    Raises:
        ExportError: if the target's weights use their full range and this CPU saturates.
    """
    if this_cpu_saturates() and not any(is_bounded(variant) for variant in candidates(target)):
        raise ExportError(
            f"--target {target} uses the full range of int8 weights, which this CPU computes wrong: it has no VNNI and "
            "saturates; export on one that has, or leave --target out: portable graphs are bounded and exact everywhere"
        )


def _export(request: Request, checkpoint: Checkpoint, samples: Samples, folder: Path, progress: Progress) -> Findings:
    model = checkpoint.load_model()
    with progress.step("convert to ONNX", 1) as tick:
        fp32 = convert(model, folder / "fp32")
        tick()
    with progress.step("compare with PyTorch", 1) as tick:
        parity = check_parity(model, OnnxEngine(fp32), checkpoint, spread(samples.measurement, _PARITY_TEXTS))
        tick()
    builder = _builder(checkpoint, samples, fp32, folder)
    built, unbuilt = _build(builder, request.table or candidates(request.target), progress)
    bench = Bench(checkpoint, samples, request.gates, progress)
    times = bench.latencies(built, model)
    rows = bench.screen(built, times)
    rows, chosen = bench.prove(rows)
    return Findings(
        checkpoint, samples, request.target, request.gates, parity, fp32, tuple(rows), times[PYTORCH], unbuilt, chosen
    )


def _builder(checkpoint: Checkpoint, samples: Samples, fp32: Path, folder: Path) -> Builder:
    observer = Observer([sample.ids for sample in samples.calibration])
    check_against = partial(_check_against, samples.measurement, checkpoint, folder)
    return Builder(fp32, folder, observer, check_against, max_length=checkpoint.max_length)


def _build(builder: Builder, table: Sequence[Variant], progress: Progress) -> tuple[list[Built], dict[str, str]]:
    """Build every variant; one that a library can not build or load is reported, not fatal."""
    unbuilt: dict[str, str] = {}
    built = []
    with progress.step("build variants", len(REFERENCES) + len(table)) as tick:
        for variant in (*REFERENCES, *table):
            if not (variant.reference or is_bounded(variant)) and this_cpu_saturates():
                unbuilt[variant.name] = "its weights use the full range of int8, which this CPU computes wrong"
                tick()
                continue
            try:
                row = builder.build(variant)
                OnnxEngine(row.path, variant.session)
            except Exception as error:  # libraries raise what they like; the row says so
                if variant.name == FP32:
                    raise
                unbuilt[variant.name] = str(error).splitlines()[0][:200]
            else:
                built.append(row)
            tick()
    return built, unbuilt


def _check_against(
    samples: Sequence[Sample], checkpoint: Checkpoint, folder: Path, path: Path, options: SessionOptions | None
) -> Check:
    """Return how far a graph's answers are from those of the graph in a file, alone and in a padded batch."""
    rows = [sample.ids for sample in spread(samples, _CHECK_TEXTS)]
    batches = [Batch.of([row], checkpoint.pad_token_id) for row in rows] + [Batch.of(rows, checkpoint.pad_token_id)]
    reference = OnnxEngine(path, options)
    expected = [softmax(reference.run(batch)) for batch in batches]

    def largest_change(model: onnx.ModelProto) -> float:
        checked = folder / "checked.onnx"
        onnx.save(model, checked)
        session = OnnxEngine(checked, options)
        changes = (
            np.abs(softmax(session.run(batch)) - answer).max() for batch, answer in zip(batches, expected, strict=True)
        )
        return float(max(changes))

    return largest_change
