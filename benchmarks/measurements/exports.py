"""Exports: what a model of base width costs: the export without data, its server, and how it answers.

The model has random weights. ``python -m export`` runs as a user runs it, on all cores, and shows its own progress; the
server then has one core and the load the others.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np
from numpy.typing import NDArray

from artifact.child import ROOT
from artifact.manifest import MODEL
from benchmarks import BenchmarkError
from benchmarks.architectures.checkpoints import BASES, write
from benchmarks.figures.rounds import Effort
from benchmarks.load.corpus import SHAPES, Texts
from benchmarks.load.generator import Generator, measure_rate, run
from benchmarks.load.requests import single
from benchmarks.processes.placement import Placement, pin_load
from benchmarks.processes.servers import Server, verdict
from benchmarks.promises.finding import Finding, summarize
from benchmarks.report.section import ReportColumns, ReportTable, Section

_LONGEST_EXPORT_S: Final = 600.0
_LARGEST_DIFFERENCE: Final = 0.1
"""The gate of an export for the largest change of a probability."""
_SECONDS: Final = 20.0
_COMPARED: Final = {"sentences": 48, "reviews": 16}
_POLL_S: Final = 0.2


@dataclass(frozen=True, slots=True)
class ExportFigures:
    """One export and its server.

    Attributes:
        architecture: its name.
        width: of a token's vector.
        layers: transformer layers.
        parameters: weights.
        export_s: wall time of the command.
        export_cpu_s: CPU time of the command.
        export_peak_bytes: largest resident memory of the command.
        steps_s: of the export, by name.
        chosen: the graph that is served.
        graph_bytes: its size.
        checkpoint_bytes: size of the weights that were exported.
        start_s: of the server, until it is ready.
        server_bytes: resident memory of the server after the load.
        texts_per_s: by the shape of the texts, 16 callers, one core.
        difference: largest difference of a served probability from transformers' pipeline.
        decisions: share of texts that get the label that transformers gives.
    """

    architecture: str
    width: int
    layers: int
    parameters: int
    export_s: float
    export_cpu_s: float
    export_peak_bytes: int
    steps_s: dict[str, float]
    chosen: str
    graph_bytes: int
    checkpoint_bytes: int
    start_s: float
    server_bytes: int
    difference: float
    decisions: float
    texts_per_s: dict[str, float]


def _rate(shape: str) -> Callable[[ExportFigures], str]:
    return lambda row: f"{row.texts_per_s[shape]:.1f}"


def _minutes(seconds: float) -> str:
    return f"{seconds // 60:.0f}:{seconds % 60:02.0f} min"


_COLUMNS: Final[ReportColumns[ExportFigures]] = (
    ("model", lambda row: f"{row.architecture}, {row.width} wide, {row.layers} layers"),
    ("million weights", lambda row: f"{row.parameters / 1e6:.0f}"),
    ("export", lambda row: _minutes(row.export_s)),
    ("its CPU time", lambda row: _minutes(row.export_cpu_s)),
    ("its memory", lambda row: f"{row.export_peak_bytes / 1e9:.1f} GB"),
    ("graph", lambda row: row.chosen),
    ("MB", lambda row: f"{row.graph_bytes / 1e6:.1f}"),
    ("start", lambda row: f"{row.start_s:.1f} s"),
    ("server's memory", lambda row: f"{row.server_bytes / 1e6:.0f} MB"),
    *((f"{shape}/s", _rate(shape)) for shape in SHAPES),
    ("from transformers", lambda row: f"{row.difference:.4f}"),
)


def measure(
    name: str,
    size: tuple[int, int],
    *,
    texts: Texts,
    placement: Placement,
    effort: Effort,
    report: Callable[[str], None],
) -> ExportFigures:
    """Export a random model without data, serve it and compare its answers.

    Args:
        name: a key of ``benchmarks.architectures.checkpoints.BASES``.
        size: width of a token's vector, and transformer layers.
        texts: of the load.
        placement: cores of server and load.
        effort: how long the load lasts.
        report: shows a line.

    Raises:
        BenchmarkError: if the export fails.
    """
    with TemporaryDirectory(prefix="verdict-exports-") as temporary:
        folder = Path(temporary)
        checkpoint, artifact = folder / "checkpoint", folder / "artifact"
        report(f"{name}: a checkpoint of random weights")
        sample = [*texts.sentences.texts[:2000], *texts.reviews.texts[:200]]
        parameters = write(checkpoint, name, *size, sample)
        report(f"{name}: python -m export without data")
        usage = _export(checkpoint, artifact)
        compared = [text for shape, count in _COMPARED.items() for text in texts.of(shape).texts[:count]]
        report(f"{name}: its server")
        served = _serve(artifact, texts, compared, placement, effort)
        report(f"{name}: the same texts by transformers")
        expected = _ask_transformers(checkpoint, compared)
        found = json.loads((artifact / "report" / "report.json").read_text())
        return ExportFigures(
            name,
            *size,
            parameters,
            usage.seconds,
            usage.cpu_s,
            usage.peak_bytes,
            found["durations_s"],
            found["chosen"],
            (artifact / MODEL).stat().st_size,
            sum(path.stat().st_size for path in checkpoint.glob("*.safetensors")),
            served.start_s,
            served.resident_bytes,
            float(np.abs(served.probabilities - expected).max()),
            float((served.probabilities.argmax(axis=1) == expected.argmax(axis=1)).mean()),
            served.texts_per_s,
        )


def sections(rows: Sequence[ExportFigures]) -> list[Section]:
    """Return figures and bounds of the exports that were measured so far."""
    notes = [
        "The export runs without data on all cores; the server on one core, 16 callers in a closed loop, by wall time.",
        "Random weights whose last bias decides for one label, so that the gates see the margins of a trained model; "
        "vocabulary and depth of the best-known checkpoint unless named.",
        f"From transformers: largest difference of a served probability from transformers' pipeline on "
        f"{sum(_COMPARED.values())} texts.",
    ]
    for row in rows:
        longest = sorted(row.steps_s.items(), key=lambda step: -step[1])[:5]
        steps = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in longest)
        notes.append(f"{row.architecture}: {steps}; {row.decisions:.0%} of the labels are those of transformers.")
    return [
        Section(
            "exports", "What a base-width model costs", list(map(asdict, rows)), ReportTable.of(_COLUMNS, rows), notes
        ),
        summarize("bounds", "Bounds of an export", list(findings(rows))),
    ]


def findings(rows: Sequence[ExportFigures]) -> Iterator[Finding]:
    """Yield what must hold."""
    for row in rows:
        name = f"{row.architecture}, {row.layers} layers"
        if row.layers <= BASES["distilbert"].layers:
            yield Finding(f"{name}: export without data", row.export_s, "s", "at most", _LONGEST_EXPORT_S)
        yield Finding(f"{name}: difference from transformers", row.difference, "", "at most", _LARGEST_DIFFERENCE)


@dataclass(frozen=True, slots=True)
class _Usage:
    """Resources of a command that has ended."""

    seconds: float
    cpu_s: float
    peak_bytes: int


def _export(checkpoint: Path, artifact: Path) -> _Usage:
    """Run the export as a user does; its progress is shown on standard error."""
    command = [sys.executable, "-m", "export", str(checkpoint), "--output", str(artifact)]
    before, started, peak = os.times(), time.monotonic(), 0
    with subprocess.Popen(command, cwd=ROOT, stdout=sys.stderr) as process:  # noqa: S603 - our own command
        while process.poll() is None:
            peak = max(peak, _peak_bytes(process.pid))
            time.sleep(_POLL_S)
    seconds, after = time.monotonic() - started, os.times()
    if process.returncode:
        raise BenchmarkError(f"python -m export ended with exit code {process.returncode}; its reason is above")
    cpu_s = after.children_user + after.children_system - before.children_user - before.children_system
    return _Usage(seconds, cpu_s, peak)


def _peak_bytes(process_id: int) -> int:
    """Return the largest resident memory of a process so far; 0 where the system does not say."""
    try:
        status = Path(f"/proc/{process_id}/status").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM")), 0)


@dataclass(frozen=True, slots=True)
class _Served:
    """A server under load, and its answers."""

    start_s: float
    resident_bytes: int
    texts_per_s: dict[str, float]
    probabilities: NDArray[np.float64]


def _serve(artifact: Path, texts: Texts, compared: Sequence[str], placement: Placement, effort: Effort) -> _Served:
    """Start the server on its cores and ask it; this process stays off them meanwhile."""
    cores = os.sched_getaffinity(0)
    try:
        with Server(verdict(artifact), placement.server) as server:
            pin_load(placement.load)
            asked = run(Generator(server.address).closed_loop(iter(single(compared)), 1))
            answers = [json.loads(attempt.response.body) for attempt in asked.attempts if attempt.response]
            rates = {
                shape: [measure_rate(server.address, texts.of(shape).texts, effort.scaled(s)) for s in (1.0, _SECONDS)]
                for shape in SHAPES
            }
            memory = server.usage().resident_bytes
    finally:
        os.sched_setaffinity(0, cores)
    probabilities = np.array([answer["probabilities"] for answer in answers])
    return _Served(server.start_s, memory, {shape: found[-1] for shape, found in rates.items()}, probabilities)


def _ask_transformers(checkpoint: Path, texts: Sequence[str]) -> NDArray[np.float64]:
    """Return the probabilities of transformers' pipeline in label order, (texts, labels)."""
    import transformers  # noqa: PLC0415 - takes seconds that other commands do not need

    classify = transformers.pipeline("text-classification", model=str(checkpoint), top_k=None, truncation=True)
    labels = list(classify.model.config.id2label.values())
    answers = [{row["label"]: row["score"] for row in answer} for answer in classify(list(texts))]
    return np.array([[answer[label] for label in labels] for answer in answers])
