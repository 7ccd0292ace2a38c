"""Bench: engines, server over HTTP and ratios to the bare loop on this machine, in a few minutes.

All processes live for the whole run and take turns, so that a disturbance of the machine spoils a little of every
ratio and not all of one. A waiting server takes 0.3 % of the core, a waiting engine nothing. The tables come at the
end; a run that is stopped leaves none.
"""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console

from artifact.manifest import read_manifest
from benchmarks.baselines.models import make_models
from benchmarks.figures.rounds import Effort, alternate
from benchmarks.measurements.cascade import cascade
from benchmarks.measurements.engines import measure_engines
from benchmarks.measurements.loops import closed_loops, open_loops
from benchmarks.processes.loops import start_engines
from benchmarks.processes.servers import Rig
from benchmarks.promises.ratios import measure_ratios
from benchmarks.report import machine, render
from benchmarks.report.section import Section


def bench(rig: Rig, effort: Effort, *, checkpoint: Path | None, directory: Path, console: Console) -> dict[str, Any]:
    """Measure everything, print it, write the report and return a summary for programs."""
    context = machine.describe(rig.artifact, rig.placement, rig.note)
    manifest = read_manifest(rig.artifact)
    with console.status("models to compare with (the first run makes them)"):
        models = make_models(rig.artifact / "tokenizer.json", manifest.max_length, checkpoint)
    cascading = None
    if manifest.first_stage is not None and "first_stage" not in rig.settings:
        cascading = replace(rig, settings={**rig.settings, "first_stage": "on"})
    with console.status("") as status:
        sections = _measure(rig, cascading, effort, models, context=context, report=status.update)
    machine.conclude(context)
    for section in sections:
        render.print_section(section, console)
    document = render.write("bench", context, sections, directory)
    console.print(f"[dim]written to {directory}[/]")
    return _summary(document)


def _measure(
    rig: Rig,
    cascading: Rig | None,
    effort: Effort,
    models: Path,
    *,
    context: dict[str, Any],
    report: Callable[[str], None],
) -> list[Section]:
    """Start everything, alternate the rounds and return the sections; adds the server's start to the context.

    Args:
        rig: what is measured.
        cascading: the same with its first stage on, to be compared with; None where there is nothing to compare.
        effort: how long each measurement takes.
        models: the directory of the models to compare with.
        context: of the report; changed.
        report: gets lines on the progress.
    """
    report("starting engines, servers and bare loop")
    with (
        start_engines(rig.artifact, models, rig.placement.server) as engines,
        rig.server() as server,
        rig.server() as spared,  # for the ratios: this one is never overloaded
        rig.bare() as bare,
        nullcontext() if cascading is None else cascading.server() as first_stage,
    ):
        context["server"] = {"start_s": server.start_s, "resident_bytes_at_start": server.usage().resident_bytes}
        shorter = Effort(effort.rounds, effort.seconds / 2, effort.scale)
        measurements = [
            measure_engines(rig, engines, effort),
            closed_loops(rig, server, effort),
            open_loops(rig, server, effort),
            measure_ratios(spared, bare, rig.texts, shorter),
            *([] if first_stage is None else [cascade(rig, spared, first_stage, shorter)]),
        ]
        rounds = [each for measurement in measurements for each in measurement.rounds]
        alternate(rounds, report=lambda share: report(f"engines, servers and bare loop take turns: {share:.0%}"))
        context["server"]["resident_bytes_at_end"] = server.usage().resident_bytes
        return [measurement.result() for measurement in measurements]


def _summary(document: dict[str, Any]) -> dict[str, Any]:
    """Return the main figures."""
    closed, ratios = (document["sections"][name]["figures"] for name in ("closed_loops", "ratios"))
    best: dict[str, float] = {}
    for row in closed:
        best[row["shape"]] = max(best.get(row["shape"], 0.0), round(row["texts_per_s"], 1))
    return {
        "artifact": document["artifact"]["name"],
        "texts_per_s": best,
        "ratios": {row["what"]: round(row["value"], 3) for row in ratios},
        "held": all(row["holds"] for row in ratios),
        "start_s": round(document["server"]["start_s"], 2),
        "resident_mb": round(document["server"]["resident_bytes_at_end"] / 1e6, 1),
    }
