"""Commands: from options to a measurement to its report. Each returns an exit code."""

import argparse
import json
import os
from collections.abc import Sequence
from typing import Any, Final

from rich.console import Console

from benchmarks.figures.effort import QUICK, Effort
from benchmarks.measurements.bench import bench
from benchmarks.measurements.compare import compare, launch_of, slowed
from benchmarks.measurements.container import container
from benchmarks.measurements.rivals import rivals
from benchmarks.measurements.scaling import scaling
from benchmarks.processes.process import place
from benchmarks.processes.rig import Rig, choose_texts
from benchmarks.processes.servers import pin_load
from benchmarks.promises.register import PROMISES
from benchmarks.promises.summary import summarize
from benchmarks.report import machine, render
from benchmarks.report.agreement import compare_runs
from benchmarks.report.publish import publish
from benchmarks.report.section import Section

_BUSY_LOAD: Final = 0.5


def run_bench(options: argparse.Namespace) -> int:
    """Measure engines, server and ratios."""
    rig, effort, console = _prepare(options)
    document = bench(rig, effort, checkpoint=options.checkpoint, directory=options.output, console=console)
    _print_json(document)
    return 0


def run_baselines(options: argparse.Namespace) -> int:
    """Measure Verdict against what one would use instead."""
    rig, effort, console = _prepare(options)
    context = machine.describe(rig.artifact, rig.placement)
    shorter = Effort(max(effort.rounds // 3, 2), effort.seconds, effort.scale)
    with console.status("baselines (the first run makes their models)"):
        section = rivals(rig, shorter, options.checkpoint)
    _finish("baselines", context, [section], options, console)
    return 0


def run_compare(options: argparse.Namespace) -> int:
    """Measure two revisions, trees or artifacts against each other."""
    rig, effort, console = _prepare(options)
    context = machine.describe(rig.artifact, rig.placement)
    with launch_of(options.a, rig.artifact) as first, launch_of(options.b, rig.artifact) as second:
        opponent = slowed(second, options.slow_b) if options.slow_b else second
        with console.status(f"{options.a} against {options.b}"):
            section = compare(rig, first, opponent, effort)
    _finish("compare", context, [section], options, console)
    return 0


def run_scaling(options: argparse.Namespace) -> int:
    """Measure sizes of a task."""
    rig, effort, console = _prepare(options)
    context = machine.describe(rig.artifact, rig.placement)
    with console.status("sizes"):
        section = scaling(rig, effort, options.vcpus, options.price)
    _finish("scaling", context, [section], options, console)
    return 0


def run_container(options: argparse.Namespace) -> int:
    """Measure the image."""
    rig, effort, console = _prepare(options)
    context = machine.describe(rig.artifact, rig.placement)
    with console.status(options.image):
        section = container(rig, effort, options.image, options.vcpus)
    _finish("container", context, [section], options, console)
    return 0


def run_promises(options: argparse.Namespace) -> int:
    """Measure what the server must hold; 1 if it does not and that is to be judged."""
    rig, effort, console = _prepare(options)
    context = machine.describe(rig.artifact, rig.placement)
    findings = []
    for name in options.names or PROMISES:
        with console.status(name):
            findings += PROMISES[name](rig, effort)
    section = summarize("promises", "What must hold under load", findings)
    held = all(finding.holds for finding in findings)  # what was not measured is not held
    _finish("promises", {**context, "held": held}, [section], options, console)
    return 1 if options.judge and not held else 0


def run_agreement(options: argparse.Namespace) -> int:
    """Compare the ratios of two runs; 1 if they do not agree."""
    section, agree = compare_runs(options.first, options.second, options.within)
    render.print_section(section, Console(stderr=True))
    worst = next(it for it in section.figures if it["kind"] == "ratio")
    _print_json({"agree": agree, "within": options.within, "worst": worst, "notes": section.notes})
    return 0 if agree else 1


def run_publish(options: argparse.Namespace) -> int:
    """Make a run the reference."""
    publish(options.directory)
    return 0


def _prepare(options: argparse.Namespace) -> tuple[Rig, Effort, Console]:
    console = Console(stderr=True)
    if os.getloadavg()[0] > _BUSY_LOAD:
        console.print(f"[yellow]Others use this machine (load average {os.getloadavg()[0]:.1f}).[/]")
    placement = place(options.server_cores)
    if placement.shared:
        console.print("[yellow]Too few cores: server and load disturb each other.[/]")
    pin_load(placement.load)
    rig = Rig(options.artifact, choose_texts(options.corpus, options.seed), placement, dict(options.set))
    return rig, QUICK if options.quick else Effort(options.rounds, options.seconds, options.scale), console


def _finish(
    name: str, context: dict[str, Any], sections: Sequence[Section], options: argparse.Namespace, console: Console
) -> None:
    for section in sections:
        render.print_section(section, console)
    machine.conclude(context)
    render.write(name, context, sections, options.output)
    extra = {"held": context["held"]} if "held" in context else {}
    _print_json({**extra, **{section.name: section.figures for section in sections}})


def _print_json(document: object) -> None:
    print(json.dumps(document))  # noqa: T201 - the last line is for programs
