"""Commands: from options to a measurement to its report. Each returns an exit code."""

import argparse
import json
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from rich.console import Console

from benchmarks.architectures.checkpoints import BASES
from benchmarks.architectures.classifiers import ARCHITECTURES
from benchmarks.architectures.figures import ArchitectureFigures
from benchmarks.figures.rounds import FULL, QUICK, Effort
from benchmarks.load.corpus import choose_texts
from benchmarks.measurements.architectures import sections as architecture_sections
from benchmarks.measurements.baselines import baselines
from benchmarks.measurements.bench import bench
from benchmarks.measurements.bulk import Extent, bulk
from benchmarks.measurements.compare import compare, launch_of, slowed
from benchmarks.measurements.container import container
from benchmarks.measurements.exports import ExportFigures
from benchmarks.measurements.exports import measure as measure_export
from benchmarks.measurements.exports import sections as export_sections
from benchmarks.measurements.scaling import scaling
from benchmarks.processes.placement import pin_load, place
from benchmarks.processes.servers import Rig
from benchmarks.promises.chaos import chaos
from benchmarks.promises.finding import Finding, summarize
from benchmarks.promises.isolation import isolation
from benchmarks.promises.overload import overload
from benchmarks.promises.poison import poison
from benchmarks.promises.protocols import protocols
from benchmarks.promises.ratios import CASES, ratio_promise
from benchmarks.promises.sharing import sharing
from benchmarks.promises.shutdown import shutdown
from benchmarks.promises.soak import soak
from benchmarks.promises.steady import open_loop
from benchmarks.report import machine, render
from benchmarks.report.agreement import compare_runs
from benchmarks.report.costs import costs
from benchmarks.report.publish import publish
from benchmarks.report.section import Section

Report = Callable[[str], None]
"""Shows what is being measured."""

RATIOS: Final = tuple(CASES)
"""The promises that compare with the bare loop."""
PROMISES: Final[Mapping[str, Callable[[Rig, Effort], list[Finding]]]] = {
    **{name: ratio_promise(case) for name, case in CASES.items()},
    "open-loop": open_loop,
    "overload": overload,
    "soak": soak,
    "shutdown": shutdown,
    "isolation": isolation,
    "sharing": sharing,
    "poison": poison,
    "protocols": protocols,
    "chaos": chaos,
}
"""The promises by their names on the command line."""
_BUSY_LOAD: Final = 0.5


def run_bench(options: argparse.Namespace) -> int:
    """Measure engines, server and ratios."""
    rig, effort, console = _prepare(options)
    _print_json(bench(rig, effort, checkpoint=options.checkpoint, directory=options.output, console=console))
    return 0


def run_baselines(options: argparse.Namespace) -> int:
    """Measure Verdict against its alternatives."""

    def measure(rig: Rig, effort: Effort, _: Report) -> Section:
        shorter = Effort(max(effort.rounds // 3, 2), effort.seconds, effort.scale)
        return baselines(rig, shorter, options.checkpoint)

    _measure("baselines", options, measure)
    return 0


def run_compare(options: argparse.Namespace) -> int:
    """Measure two revisions, trees or artifacts against each other."""

    def measure(rig: Rig, effort: Effort, _: Report) -> Section:
        of_b = {**rig.settings, **dict(options.set_b)}
        with (
            launch_of(options.a, rig.artifact, rig.settings) as first,
            launch_of(options.b, rig.artifact, of_b) as second,
        ):
            return compare(rig, first, slowed(second, options.slow_b) if options.slow_b else second, effort)

    _measure("compare", options, measure)
    return 0


def run_scaling(options: argparse.Namespace) -> int:
    """Measure sizes of a task."""
    _measure("scaling", options, lambda rig, effort, _: scaling(rig, effort, options.vcpus, options.price))
    return 0


def run_bulk(options: argparse.Namespace) -> int:
    """Measure bulk scoring; 1 if a bound is not held."""
    small = Extent(rounds=2, rows=2_000, large_rows=50_000, kills=2, kill_rows=9_000, cluster_rows=2_000)
    extent = small if options.quick else Extent()

    def measure(rig: Rig, _: Effort, report: Report) -> Section:
        os.sched_setaffinity(0, usable_cores_at_start)
        return bulk(rig.artifact, rig.texts, extent, report)

    usable_cores_at_start = os.sched_getaffinity(0)
    summary = _measure(
        "bulk", options, measure, lambda section: {"held": all(row["holds"] is not False for row in section.figures)}
    )
    return 0 if summary["held"] else 1


def run_architectures(options: argparse.Namespace) -> int:
    """Measure other architectures, and write the report after each; 1 if a bound is not held."""
    from benchmarks.architectures.graphs import measure  # noqa: PLC0415 - torch takes seconds; --help should not
    from export.progress import Progress  # noqa: PLC0415 - as above

    console = Console(stderr=True)
    size = (options.width, options.layers)
    context = {**machine.describe(note=options.note), "names": options.names or [*ARCHITECTURES]}
    rows: list[ArchitectureFigures] = []
    sections: list[Section] = []
    for name in context["names"]:
        console.print(f"{name} ({len(rows) + 1} of {len(context['names'])})")
        rounds = QUICK.rounds if options.quick else options.rounds
        rows.append(measure(name, *size, vocabulary=options.vocabulary, rounds=rounds, progress=Progress(console)))
        machine.conclude(context)
        sections = architecture_sections(rows, *size, options.vocabulary)
        render.write(f"architectures-{size[0]}x{size[1]}", context, sections, options.output)
    return _report(sections, console)


def run_exports(options: argparse.Namespace) -> int:
    """Export and serve models of base width, and write the report after each; 1 if a bound is not held."""
    console, placement = Console(stderr=True), place()
    context = machine.describe(placement=placement, note=options.note)
    effort, texts = QUICK if options.quick else FULL, choose_texts(None, 0)
    rows: list[ExportFigures] = []
    sections: list[Section] = []
    for name in options.names or [*BASES]:
        size = (options.width, options.layers or BASES[name].layers)
        rows.append(measure_export(name, size, texts=texts, placement=placement, effort=effort, report=console.print))
        machine.conclude(context)
        sections = export_sections(rows)
        render.write("exports", context, sections, options.output)
    return _report(sections, console)


def _report(sections: Sequence[Section], console: Console) -> int:
    """Print sections, the last of which has the bounds; 1 if one is not held."""
    for section in sections:
        render.print_section(section, console)
    held = all(row["holds"] for row in sections[-1].figures)
    _print_json({"held": held, **{section.name: section.figures for section in sections}})
    return 0 if held else 1


def run_container(options: argparse.Namespace) -> int:
    """Measure the image."""
    _measure("container", options, lambda rig, effort, _: container(rig, effort, options.image, options.vcpus))
    return 0


def run_promises(options: argparse.Namespace) -> int:
    """Measure promises; 1 if one is not held and that is to be judged."""

    def measure(rig: Rig, effort: Effort, report: Report) -> Section:
        findings = []
        for name in options.names or PROMISES:
            report(name)
            findings += PROMISES[name](rig, effort)
        return summarize("promises", "What must hold under load", findings)

    def held(section: Section) -> dict[str, bool]:
        return {"held": all(row["holds"] for row in section.figures)}  # a figure that was not measured does not hold

    summary = _measure("promises", options, measure, held)
    return 1 if options.judge and not summary["held"] else 0


def run_agreement(options: argparse.Namespace) -> int:
    """Compare the ratios of two runs; 1 if they do not agree."""
    section, agree = compare_runs(options.first, options.second, options.within)
    render.print_section(section, Console(stderr=True))
    worst = next(row for row in section.figures if row["kind"] == "ratio")
    _print_json({"agree": agree, "within": options.within, "worst": worst, "notes": section.notes})
    return 0 if agree else 1


def run_costs(options: argparse.Namespace) -> int:
    """Price a million texts at the rates of a report."""
    context, section = costs(options.directory, choose_texts(None, 0), options.price, options.price_of)
    render.print_section(section, Console(stderr=True))
    render.write("costs", {**context, "command": machine.command()}, [section], options.directory)
    _print_json({section.name: section.figures})
    return 0


def run_publish(options: argparse.Namespace) -> int:
    """Make a run the one that the documents quote."""
    publish(options.directory)
    return 0


def _prepare(options: argparse.Namespace) -> tuple[Rig, Effort, Console]:
    console = Console(stderr=True)
    if os.getloadavg()[0] > _BUSY_LOAD:
        console.print(f"[yellow]Other processes use this machine (load average {os.getloadavg()[0]:.1f}).[/]")
    placement = place(options.server_cores)
    if placement.shared:
        console.print("[yellow]Too few cores: server and load disturb each other.[/]")
    pin_load(placement.load)
    rig = Rig(options.artifact, choose_texts(options.corpus, options.seed), placement, dict(options.set), options.note)
    return rig, QUICK if options.quick else Effort(options.rounds, options.seconds, options.scale), console


def _measure(
    name: str,
    options: argparse.Namespace,
    measure: Callable[[Rig, Effort, Report], Section],
    summarized: Callable[[Section], dict[str, bool]] = lambda _: {},
) -> dict[str, bool]:
    """Measure a section, print it, write its report and return its summary."""
    rig, effort, console = _prepare(options)
    context = machine.describe(rig.artifact, rig.placement, rig.note)
    with console.status(name) as status:
        section = measure(rig, effort, status.update)
    render.print_section(section, console)
    machine.conclude(context)
    summary = summarized(section)
    render.write(name, {**context, **summary}, [section], options.output)
    _print_json({**summary, section.name: section.figures})
    return summary


def _print_json(document: object) -> None:
    print(json.dumps(document))  # noqa: T201 - the last line is for programs
