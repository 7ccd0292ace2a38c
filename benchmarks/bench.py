"""Bench: what this machine gives, in a few minutes: engines, server over HTTP, ratios to the bare loop."""

from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks import machine, report, sections
from benchmarks.effort import Effort
from benchmarks.rig import Rig
from benchmarks.section import Section


def bench(rig: Rig, effort: Effort, *, checkpoint: Path | None, directory: Path, console: Console) -> dict[str, Any]:
    """Measure everything, print each part as it is done, write the report and return a summary for programs."""
    context = machine.describe(rig.artifact, rig.placement)
    done: list[Section] = []

    def finish(section: Section) -> None:
        report.print_section(section, console)
        done.append(section)

    with console.status("engines (the first run makes the models to compare with)"):
        finish(sections.engines(rig, effort, checkpoint))
    with rig.server() as server:
        context["server"] = {"start_s": server.start_s, "resident_bytes_at_start": server.usage().resident_bytes}
        with console.status("closed loops"):
            finish(sections.closed_loops(rig, server, effort))
        with console.status("open loops"):
            finish(sections.open_loops(rig, server, effort))
        context["server"]["resident_bytes_at_end"] = server.usage().resident_bytes
    with console.status("ratios"):
        finish(sections.ratios(rig, Effort(effort.rounds, effort.seconds / 2, effort.scale)))
    machine.conclude(context)
    document = report.write("bench", context, done, directory)
    console.print(f"[dim]written to {directory}[/]")
    return _summary(document)


def _summary(document: dict[str, Any]) -> dict[str, Any]:
    """Return the figures that one looks for first."""
    closed, ratios = (document["sections"][name]["figures"] for name in ("closed_loops", "ratios"))
    shapes = dict.fromkeys(it["shape"] for it in closed)
    best = {shape: max(it["texts_per_s"] for it in closed if it["shape"] == shape) for shape in shapes}
    return {
        "artifact": document["artifact"]["name"],
        "texts_per_s": {shape: round(rate, 1) for shape, rate in best.items()},
        "ratios": {it["what"]: round(it["value"], 3) for it in ratios},
        "held": all(it["holds"] for it in ratios),
        "start_s": round(document["server"]["start_s"], 2),
        "resident_mb": round(document["server"]["resident_bytes_at_end"] / 1e6, 1),
    }
