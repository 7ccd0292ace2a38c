"""Baselines: Verdict against its alternatives, under the same load on the same core."""

import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from artifact.manifest import read_manifest
from benchmarks.baselines.models import make_models
from benchmarks.figures.rounds import Effort
from benchmarks.load.corpus import SHAPES
from benchmarks.load.requests import single
from benchmarks.measurements.duel import Workload, duel
from benchmarks.processes.servers import Launch, Rig, Server
from benchmarks.report.section import ReportColumns, ReportTable, Section

Row = Mapping[str, Any]

_CALLERS: Final = 16

# Name on the command line of benchmarks.baselines -> name in tables.
_NAMES: Final[Mapping[str, str]] = {
    "replaced": "replaced: DistilBERT in PyTorch, padded",
    "transformers": "transformers pipeline, fp32",
    "optimum": "optimum pipeline, usual int8",
    "handwritten": "by hand: onnxruntime, this artifact",
}


def _rate(shape: str) -> Callable[[Row], str]:
    return lambda row: f"{row[f'{shape}_per_s']:.1f}"


def _ratio(shape: str) -> Callable[[Row], str]:
    return lambda row: f"{row['duels'][shape]['ratio']['estimate']:.2f}x" if "duels" in row else ""


_COLUMNS: Final[ReportColumns[Row]] = (
    ("server", lambda row: row["name"]),
    ("sentences/s", _rate("sentences")),
    ("Verdict", _ratio("sentences")),
    ("reviews/s", _rate("reviews")),
    ("Verdict", _ratio("reviews")),
    ("memory", lambda row: f"{row['resident_bytes'] / 1e6:.0f} MB"),
    ("start", lambda row: f"{row['start_s']:.1f} s"),
)


def baselines(rig: Rig, effort: Effort, checkpoint: Path | None) -> Section:
    """Let Verdict take turns with each baseline at sentences and reviews."""
    models = make_models(rig.artifact / "tokenizer.json", read_manifest(rig.artifact).max_length, checkpoint)
    loads = {shape: Workload(shape, single(rig.texts.of(shape).texts), _CALLERS) for shape in SHAPES}
    figures: list[dict[str, Any]] = []
    with rig.server() as ours:
        for name, title in _NAMES.items():
            model = rig.artifact if name == "handwritten" else models
            with Server(_launch(name, model), rig.placement.server) as theirs:
                duels = {shape: asdict(duel(theirs, ours, load, effort)) for shape, load in loads.items()}
                rates = {f"{shape}_per_s": each["first_per_s"] for shape, each in duels.items()}
                figures.append({"name": title, **rates, **_standing(theirs), "duels": duels})
        own = {f"{shape}_per_s": own_rate(figures, shape) for shape in SHAPES}
        figures.insert(0, {"name": "Verdict", **own, **_standing(ours)})
    notes = [
        f"{_CALLERS} callers, closed loop, one core; Verdict takes turns with each of the others, and its columns say "
        "how many times as fast it is. All others stand behind FastAPI, their function on its threads."
    ]
    return Section("baselines", "Alternatives under the same load", figures, ReportTable.of(_COLUMNS, figures), notes)


def own_rate(figures: Sequence[Row], shape: str) -> float:
    """Return Verdict's median rate over its duels, not the best: each of the others has only one duel."""
    rates: list[float] = [row["duels"][shape]["second_per_s"] for row in figures]
    return statistics.median(rates)


def _launch(name: str, model: Path) -> Launch:
    command = [sys.executable, "-m", "benchmarks.baselines", name, str(model.resolve()), "--port", "{port}"]
    return Launch(command, {"TOKENIZERS_PARALLELISM": "false"}, start_timeout_s=180)


def _standing(server: Server) -> dict[str, Any]:
    """Return the seconds until the server was ready, and its memory after the load."""
    return {"start_s": server.start_s, "resident_bytes": server.usage().resident_bytes}
