"""Bench: what this machine gives, in a few minutes: engines, server over HTTP, ratios to the bare loop.

All of them live from the beginning to the end and take turns, so that what disturbs the machine for a while spoils a
little of every ratio and not all of one. Whose turn it is not waits: a server takes 0.3 % of the core meanwhile, an
engine nothing. There is no table before the end; a run that is stopped leaves none.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console

from artifact.manifest import read_manifest
from benchmarks.baselines.models import make_reference
from benchmarks.figures.effort import Effort
from benchmarks.figures.rounds import spread
from benchmarks.measurements import sections
from benchmarks.measurements.engines import start_engines
from benchmarks.processes.rig import Rig
from benchmarks.promises.throughput import Pair
from benchmarks.report import machine, render
from benchmarks.report.section import Section


def bench(rig: Rig, effort: Effort, *, checkpoint: Path | None, directory: Path, console: Console) -> dict[str, Any]:
    """Measure everything, print it, write the report and return a summary for programs."""
    context = machine.describe(rig.artifact, rig.placement)
    with console.status("models to compare with (the first run makes them)"):
        reference = make_reference(rig.artifact / "tokenizer.json", read_manifest(rig.artifact).max_length, checkpoint)
    with console.status("") as status:
        done = _measure(rig, effort, reference, context, status.update)
    machine.conclude(context)
    for section in done:
        render.print_section(section, console)
    document = render.write("bench", context, done, directory)
    console.print(f"[dim]written to {directory}[/]")
    return _summary(document)


def _measure(
    rig: Rig, effort: Effort, reference: Path, context: dict[str, Any], tell: Callable[[str], None]
) -> list[Section]:
    """Start everything, let it take turns, and return its sections; the context hears of the server."""
    tell("starting engines, servers and bare loop")
    with (
        start_engines(rig.artifact, reference, rig.placement.server) as loops,
        rig.server() as server,
        rig.server() as spared,  # ratios are those of a server that nobody overloads
        rig.bare() as bare,
    ):
        context["server"] = {"start_s": server.start_s, "resident_bytes_at_start": server.usage().resident_bytes}
        shorter = Effort(effort.rounds, effort.seconds / 2, effort.scale)
        parts = [
            sections.engines(rig, loops, effort),
            sections.closed_loops(rig, server, effort),
            sections.open_loops(rig, server, effort),
            sections.ratios(Pair(spared, bare, rig.texts, shorter)),
        ]
        rounds = [it for part in parts for it in part.rounds]
        spread(rounds, tell=lambda share: tell(f"engines, servers and bare loop take turns: {share:.0%}"))
        context["server"]["resident_bytes_at_end"] = server.usage().resident_bytes
        return [part.section() for part in parts]


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
