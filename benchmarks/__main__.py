"""``python -m benchmarks COMMAND``: measure the server; see ``--help`` and benchmarks/README.md.

Progress and tables go to standard error, the last line of standard output is one JSON object.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks import machine, report
from benchmarks.bare import BareLoopError
from benchmarks.bench import bench
from benchmarks.compare import TargetError, compare, launch_of, slowed
from benchmarks.corpus import CorpusError
from benchmarks.effort import FULL, QUICK, Effort
from benchmarks.engines import EngineError
from benchmarks.process import ROOT, place
from benchmarks.promises.register import PROMISES
from benchmarks.publish import publish
from benchmarks.report import LATEST
from benchmarks.rig import Rig, choose_texts
from benchmarks.rivals import rivals
from benchmarks.scaling import scaling
from benchmarks.section import Section
from benchmarks.sections import RATIOS
from benchmarks.servers import ServerError, pin_load
from benchmarks.terminal import print_findings


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return the exit code."""
    options = _parser().parse_args(arguments)
    try:
        code: int = options.run(options)
    except (BareLoopError, CorpusError, EngineError, ServerError, TargetError) as error:
        print(f"benchmarks: {error}", file=sys.stderr)  # noqa: T201 - the one line that says why
        return 2
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure the server under load.")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    everything = commands.add_parser("bench", help="engines, server and ratios: what this machine gives")
    everything.add_argument(
        "--checkpoint", type=Path, help="weights for the engines to compare with; random ones if none"
    )
    everything.add_argument("--output", type=Path, default=LATEST, help="directory for JSON, Markdown and pictures")
    _add_common(everything)
    everything.set_defaults(run=_bench)
    baselines = commands.add_parser("baselines", help="what one would use instead, under the same load")
    baselines.add_argument("--checkpoint", type=Path, help="weights of the baselines; random ones if none")
    baselines.add_argument("--output", type=Path, default=LATEST, help="directory for JSON, Markdown and pictures")
    _add_common(baselines)
    baselines.set_defaults(run=_baselines)
    comparison = commands.add_parser("compare", help="two revisions, working trees or artifacts, taking turns")
    comparison.add_argument("a", help="an artifact, a directory with a server, or a revision")
    comparison.add_argument("b", help="likewise")
    comparison.add_argument("--slow-b", type=float, metavar="FACTOR", help="make B slower: does the harness find it?")
    comparison.add_argument("--output", type=Path, default=LATEST, help="directory for JSON and Markdown")
    _add_common(comparison)
    comparison.set_defaults(run=_compare)
    sizes = commands.add_parser("scaling", help="texts per vCPU and what a million of them cost")
    sizes.add_argument("--vcpus", type=float, nargs="+", default=[0.25, 0.5, 1, 2], help="sizes to measure")
    sizes.add_argument("--price", type=float, required=True, help="of a vCPU-hour, in any currency")
    sizes.add_argument("--output", type=Path, default=LATEST, help="directory for JSON and Markdown")
    _add_common(sizes)
    sizes.set_defaults(run=_scaling)
    publishing = commands.add_parser("publish", help="make a run the reference that the documents quote")
    publishing.add_argument("directory", type=Path, nargs="?", default=LATEST, help="what bench wrote")
    publishing.set_defaults(run=_publish)
    ratios = commands.add_parser("ratios", help="throughput and idle latency against the bare loop")
    _add_common(ratios)
    ratios.set_defaults(run=_promises, names=list(RATIOS), judge=False)
    promises = commands.add_parser("promises", help="what the server must hold under load; exit code 1 if it fails")
    promises.add_argument("names", nargs="*", choices=[*PROMISES, []], metavar="NAME", help=", ".join(PROMISES))
    _add_common(promises)
    promises.set_defaults(run=_promises, judge=True)
    return parser


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--artifact", type=Path, default=ROOT / "models" / "default", help="what to serve")
    parser.add_argument("--corpus", type=Path, help="a file of texts in place of the project's own")
    parser.add_argument("--seed", type=int, default=0, help="of the texts and of the arrivals")
    parser.add_argument("--server-cores", type=int, default=1, help="cores that the server gets")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a server setting")
    parser.add_argument("--rounds", type=int, default=FULL.rounds, help="turns of each side in a comparison")
    parser.add_argument("--seconds", type=float, default=FULL.seconds, help="of each side in a round")
    parser.add_argument("--scale", type=float, default=FULL.scale, help="factor on all other durations")
    parser.add_argument("--quick", action="store_true", help="seconds instead of minutes: shows that it works")


def _bench(options: argparse.Namespace) -> int:
    console = Console(stderr=True)
    summary = bench(
        _rig(options), _effort(options), checkpoint=options.checkpoint, directory=options.output, console=console
    )
    _print_json(summary)
    return 0


def _baselines(options: argparse.Namespace) -> int:
    rig, effort = _rig(options), _effort(options)
    context = machine.describe(rig.artifact, rig.placement)
    section = rivals(rig, Effort(max(effort.rounds // 3, 2), effort.seconds, effort.scale), options.checkpoint)
    return _finish("baselines", context, section, options.output)


def _compare(options: argparse.Namespace) -> int:
    rig, effort = _rig(options), _effort(options)
    context = machine.describe(rig.artifact, rig.placement)
    with launch_of(options.a, rig.artifact) as first, launch_of(options.b, rig.artifact) as second:
        section = compare(rig, first, slowed(second, options.slow_b) if options.slow_b else second, effort)
    return _finish("compare", context, section, options.output)


def _scaling(options: argparse.Namespace) -> int:
    rig, effort = _rig(options), _effort(options)
    context = machine.describe(rig.artifact, rig.placement)
    return _finish("scaling", context, scaling(rig, effort, options.vcpus, options.price), options.output)


def _publish(options: argparse.Namespace) -> int:
    publish(options.directory)
    return 0


def _finish(name: str, context: dict[str, Any], section: Section, directory: Path) -> int:
    console = Console(stderr=True)
    report.print_section(section, console)
    report.write(name, context, [section], directory)
    _print_json({section.name: section.figures})
    return 0


def _promises(options: argparse.Namespace) -> int:
    rig, effort = _rig(options), _effort(options)
    console = Console(stderr=True)
    findings = []
    for name in options.names or PROMISES:
        console.print(f"[dim]{name}[/]")
        findings += PROMISES[name](rig, effort)
    print_findings(findings, console)
    held = all(finding.holds for finding in findings)
    _print_json({"held": held, "findings": [{**asdict(it), "holds": it.holds} for it in findings]})
    return 1 if options.judge and not held else 0


def _rig(options: argparse.Namespace) -> Rig:
    placement = place(options.server_cores)
    pin_load(placement.load)
    settings = dict(setting.split("=", 1) for setting in options.set)
    return Rig(options.artifact, choose_texts(options.corpus, options.seed), placement, settings)


def _effort(options: argparse.Namespace) -> Effort:
    return QUICK if options.quick else Effort(options.rounds, options.seconds, options.scale)


def _print_json(document: object) -> None:
    print(json.dumps(document))  # noqa: T201 - the last line is for programs


if __name__ == "__main__":
    sys.exit(main())
