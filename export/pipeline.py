"""Pipeline: the whole export, from top to bottom.

It converts the model and compares it with PyTorch, builds every variant, measures all of them on a part of the texts,
and proves the fastest one that passes on all texts. A candidate that was not proved is never chosen.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from artifact.figures import fit_thresholds
from artifact.runtime import OnnxEngine
from artifact.scores import Head
from export.build import Builder, build_all
from export.checkpoint import Checkpoint, read_checkpoint
from export.errors import ExportError
from export.fallback import fall_back
from export.graph.convert import check_parity, convert
from export.label_check import check_labels, recorded_accuracy
from export.measure import latency
from export.measure.bench import Bench
from export.measure.quality import logits_alone
from export.measure.select import Gates, Measured
from export.progress import Progress
from export.quantize.activations import Observer
from export.quantize.saturation import this_cpu_saturates
from export.rewrites.check import check_answers
from export.samples import Samples, load_samples, spread, truth
from export.source.find import find
from export.source.head import HeadChoice
from export.variants import BASELINES, FALLBACKS, PYTORCH, Target, Variant, candidates, is_saturation_safe
from export.write.package import check_replaceable
from training.reading import FileSource

_PARITY_TEXTS: Final = 48
_LABEL_TEXTS: Final = 200
_CHECK_TEXTS: Final = 6


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """The user's choices.

    Attributes:
        checkpoint: a directory, or a name on the hub.
        data: files of held-out rows, with or without labels; where there are none, the checkpoint's own or the
            project's texts.
        calibration_texts: at most so many rows calibrate.
        measurement_texts: at most so many rows measure.
        table: candidates to compare; those of the target where None.
        revision: branch, tag or commit on the hub.
        max_length: most tokens that the model reads; its own choice where None.
        head: what the user says of the head.
    """

    checkpoint: Path | str
    output: Path
    data: tuple[FileSource, ...] = ()
    target: Target = "portable"
    gates: Gates = Gates()  # noqa: RUF009 - frozen
    calibration_texts: int = 400
    measurement_texts: int = 2000
    table: tuple[Variant, ...] | None = None
    revision: str | None = None
    max_length: int | None = None
    head: HeadChoice = HeadChoice()  # noqa: RUF009 - frozen


@dataclass(frozen=True)
class Findings:
    """The results of an export; the report and the artifact are written from them.

    Attributes:
        head: of the checkpoint, with thresholds that are fitted where that can be.
        parity: largest difference of a score between PyTorch and fp32 ONNX.
        fp32: the converted graph.
        rows: every measured variant.
        pytorch: latency of the PyTorch model.
        unbuilt: variants that could not be built, with the reason.
        chosen: None where no candidate passes.
    """

    checkpoint: Checkpoint
    head: Head
    samples: Samples
    target: Target
    gates: Gates
    parity: float
    fp32: Path
    rows: tuple[Measured, ...]
    pytorch: latency.Latency
    unbuilt: dict[str, str]
    chosen: Measured | None


def run(request: ExportRequest, progress: Progress, work: Callable[[Findings], None]) -> None:
    """Export, and pass the findings to ``work`` while the built graphs still exist.

    Raises:
        ExportError: if the checkpoint, the data or the target cannot be used, or conversion changed answers.
    """
    check_replaceable(request.output)
    _check_cpu(request.target)
    source = find(request.checkpoint, request.revision)
    checkpoint = read_checkpoint(source, max_length=request.max_length, choice=_choice(request))
    for line in checkpoint.notes:
        progress.say(line)
    _check_size(checkpoint, request.gates)
    samples = load_samples(
        checkpoint, request.data, calibration=request.calibration_texts, limit=request.measurement_texts
    )
    for line in samples.notes:
        progress.say(line)
    checkpoint.check_texts([text for sample in (*samples.calibration, *samples.measurement) for text in sample.texts])
    with TemporaryDirectory(prefix="verdict-export-") as folder:
        work(_export(request, checkpoint, samples, Path(folder), progress))


def _choice(request: ExportRequest) -> HeadChoice:
    """Return the user's choice of the head; data with second texts says that the model reads pairs."""
    if request.head.pairs is None and any(source.columns.text_pair for source in request.data):
        return replace(request.head, pairs=True)
    return request.head


def _check_cpu(target: Target) -> None:
    """Refuse to measure graphs that this CPU computes wrong, because the artifact's known answers would be wrong.

    Raises:
        ExportError: if the target's weights use their full range and this CPU saturates.
    """
    if this_cpu_saturates() and not all(is_saturation_safe(variant) for variant in candidates(target)):
        raise ExportError(
            f"--target {target} uses the full range of int8 weights, which this CPU computes wrong: it has no VNNI and "
            "saturates; export on a CPU with VNNI, or leave --target out: portable graphs are right on every CPU"
        )


def _check_size(checkpoint: Checkpoint, gates: Gates) -> None:
    """Refuse a model that is too large even with a byte per weight, before minutes of work.

    Raises:
        ExportError: naming both sizes.
    """
    weights = sum(parameter.numel() for parameter in checkpoint.model.parameters())
    if gates.size_bytes is not None and weights > gates.size_bytes:
        raise ExportError(
            f"the model has {weights / 1e6:.1f} million weights, at least as many MB in int8, and --max-size-mb allows "
            f"{gates.size_bytes / 1e6:.1f}; allow more, or leave the option out"
        )


def _export(
    request: ExportRequest, checkpoint: Checkpoint, samples: Samples, folder: Path, progress: Progress
) -> Findings:
    model = checkpoint.model
    with progress.step("convert to ONNX", 1) as tick:
        fp32 = convert(model, folder / "fp32")
        tick()
    with progress.step("compare with PyTorch", 1) as tick:
        parity = check_parity(model, OnnxEngine(fp32), checkpoint, spread(samples.measurement, _PARITY_TEXTS))
        tick()
    if request.data:
        _check_labels(request, checkpoint, samples, fp32)
    head = _fit_head(checkpoint, samples, fp32)
    builder = _builder(checkpoint, samples, fp32, folder)
    table = request.table or candidates(request.target)
    built, unbuilt = build_all(builder, (*BASELINES, *table), progress)
    bench = Bench(checkpoint, head, samples, request.gates, progress)
    times = bench.latencies(built, model)
    rows = bench.screen(built, times)
    rows, chosen = bench.prove(rows)
    if chosen is None and request.table is None:
        progress.say("no int8 graph passes its gates; the export falls back to fp32, product by product")
        fallbacks = candidates(request.target, FALLBACKS)
        outcome = fall_back(
            rows, fallbacks, builder=builder, bench=bench, model=model, gates=request.gates, progress=progress
        )
        rows, times, chosen = outcome.rows, outcome.times, outcome.chosen
        unbuilt |= outcome.unbuilt
    return Findings(
        checkpoint=checkpoint,
        head=head,
        samples=samples,
        target=request.target,
        gates=request.gates,
        parity=parity,
        fp32=fp32,
        rows=tuple(rows),
        pytorch=times[PYTORCH],
        unbuilt=unbuilt,
        chosen=chosen,
    )


def _fit_head(checkpoint: Checkpoint, samples: Samples, fp32: Path) -> Head:
    """Return the head with the thresholds that are best for fp32 on the calibration texts, where these have labels."""
    head, labels = checkpoint.head, truth(checkpoint.head, samples.calibration)
    if head.problem != "multi_label" or labels is None:
        return head
    logits = logits_alone(OnnxEngine(fp32), [sample.ids for sample in samples.calibration], checkpoint.pad_token_id)
    return replace(head, thresholds=fit_thresholds(head.table(logits), labels))


def _check_labels(request: ExportRequest, checkpoint: Checkpoint, samples: Samples, fp32: Path) -> None:
    """Stop before anything is built if the labels of the data cannot be the model's.

    Raises:
        ExportError: see ``check_labels``.
    """
    chosen = spread(samples.measurement, _LABEL_TEXTS)
    labels = truth(checkpoint.head, chosen)
    if labels is not None and checkpoint.head.problem == "single_label":
        logits = logits_alone(OnnxEngine(fp32), [sample.ids for sample in chosen], checkpoint.pad_token_id)
        check_labels(
            logits.argmax(axis=1),
            labels,
            checkpoint.labels,
            where=", ".join(str(source.path) for source in request.data),
            recorded=recorded_accuracy(checkpoint.directory),
        )


def _builder(checkpoint: Checkpoint, samples: Samples, fp32: Path, folder: Path) -> Builder:
    observer = Observer([sample.ids for sample in samples.calibration])
    rows = [sample.ids for sample in spread(samples.measurement, _CHECK_TEXTS)]
    check_against = partial(
        check_answers, rows=rows, head=checkpoint.head, pad_token_id=checkpoint.pad_token_id, folder=folder
    )
    return Builder(fp32, folder, observer, check_against, max_length=checkpoint.max_length)
