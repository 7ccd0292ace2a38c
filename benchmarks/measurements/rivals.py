"""Rivals: Verdict against what one would use instead, under the same load on the same core."""

import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from artifact.manifest import read_manifest
from benchmarks.baselines.models import make_reference
from benchmarks.figures.effort import Effort
from benchmarks.measurements.duel import Duel, Load, duel
from benchmarks.processes.rig import Rig
from benchmarks.processes.servers import Launch, Server
from benchmarks.promises.ratios import single
from benchmarks.report.section import Section, Table

_CALLERS: Final = 16

# Name on the command line of benchmarks.baselines -> name in tables.
_NAMES: Final[Mapping[str, str]] = {
    "replaced": "replaced: DistilBERT in PyTorch, padded",
    "transformers": "transformers pipeline, fp32",
    "optimum": "optimum pipeline, usual int8",
    "handwritten": "by hand: onnxruntime, this artifact",
}


@dataclass(frozen=True, slots=True)
class Standing:
    """What a server takes before and after its first load.

    Attributes:
        start_s: seconds from the start of its process to its first ready answer.
        resident_bytes: resident memory after the load.
    """

    start_s: float
    resident_bytes: int


def rivals(rig: Rig, effort: Effort, checkpoint: Path | None) -> Section:
    """Let Verdict take turns with each baseline at sentences and reviews."""
    max_length = read_manifest(rig.artifact).max_length
    reference = make_reference(rig.artifact / "tokenizer.json", max_length, checkpoint)
    loads = {
        "sentences": Load("sentences", single(rig.texts.sentences.texts), _CALLERS),
        "reviews": Load("reviews", single(rig.texts.reviews.texts), _CALLERS),
    }
    figures: list[dict[str, Any]] = []
    with rig.server() as ours:
        for name, title in _NAMES.items():
            model = rig.artifact if name == "handwritten" else reference
            with Server(_launch(name, model), rig.placement.server) as theirs:
                duels = {key: duel(theirs, ours, load, effort) for key, load in loads.items()}
                standing = Standing(theirs.start_s, theirs.usage().resident_bytes)
            figures.append(_figures(title, duels, standing))
        ours_standing = Standing(ours.start_s, ours.usage().resident_bytes)
    own = {key: own_rate(figures, key) for key in loads}
    figures.insert(0, {"name": "Verdict", **{f"{key}_per_s": own[key] for key in loads}, **asdict(ours_standing)})
    columns = ["server", "sentences/s", "Verdict", "reviews/s", "Verdict", "memory", "start"]
    notes = [
        f"{_CALLERS} callers, closed loop, one core; Verdict takes turns with each of the others, and its columns say "
        "how many times as fast it is. All others stand behind FastAPI, their function on its threads."
    ]
    return Section("baselines", "What one would use instead", figures, Table(columns, _rows(figures)), notes)


def own_rate(figures: Sequence[Mapping[str, Any]], shape: str) -> float:
    """Return what Verdict did in the duel in the middle, not in its best one: each of the others had only one."""
    rates: list[float] = [it["duels"][shape]["second_per_s"] for it in figures]
    return statistics.median(rates)


def _launch(name: str, model: Path) -> Launch:
    command = [sys.executable, "-m", "benchmarks.baselines", name, str(model.resolve()), "--port", "{port}"]
    return Launch(command, {"TOKENIZERS_PARALLELISM": "false"}, start_timeout_s=180)


def _figures(title: str, duels: Mapping[str, Duel], standing: Standing) -> dict[str, Any]:
    rates = {f"{key}_per_s": it.first_per_s for key, it in duels.items()}
    return {"name": title, **rates, **asdict(standing), "duels": {key: asdict(it) for key, it in duels.items()}}


def _rows(figures: list[dict[str, Any]]) -> list[list[str]]:
    rows = []
    for it in figures:
        row = [it["name"]]
        for key in ("sentences", "reviews"):
            row.append(f"{it[f'{key}_per_s']:.1f}")
            row.append(f"{it['duels'][key]['ratio']['estimate']:.2f}x" if "duels" in it else "")
        rows.append([*row, f"{it['resident_bytes'] / 1e6:.0f} MB", f"{it['start_s']:.1f} s"])
    return rows
