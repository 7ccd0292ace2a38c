"""``python -m benchmarks COMMAND``: measure the server; see ``--help`` and benchmarks/README.md.

Progress and tables go to standard error, the last line of standard output is one JSON object.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from artifact.child import ROOT, ChildError
from artifact.manifest import ArtifactError
from benchmarks import BenchmarkError, commands
from benchmarks.architectures.checkpoints import BASES
from benchmarks.architectures.classifiers import ARCHITECTURES
from benchmarks.figures.rounds import FULL
from benchmarks.report.publish import PUBLISHED
from benchmarks.report.render import LATEST
from training.reading import DataError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return the exit code."""
    options = _parser().parse_args(arguments)
    try:
        code: int = options.run(options)
    except (ArtifactError, BenchmarkError, ChildError, DataError) as error:
        print(f"benchmarks: {error}", file=sys.stderr)  # noqa: T201 - the one line that says why
        return 2
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure the server under load.")
    choose = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    command = choose.add_parser("bench", help="engines, server over HTTP and ratios to the bare loop on this machine")
    _add_common(command, commands.run_bench)
    _add_checkpoint(command)
    command = choose.add_parser("baselines", help="Verdict's alternatives under the same load")
    _add_common(command, commands.run_baselines)
    _add_checkpoint(command)
    command = choose.add_parser("compare", help="two revisions, working trees or artifacts, taking turns")
    _add_common(command, commands.run_compare)
    command.add_argument("a", help="an artifact, a directory with a server, or a revision")
    command.add_argument("b", help="another one")
    command.add_argument(
        "--set-b", action="append", default=[], type=_setting, metavar="NAME=VALUE", help="of B alone, beside --set"
    )
    command.add_argument("--slow-b", type=float, metavar="FACTOR", help="make B slower: does the harness find it?")
    command = choose.add_parser("ratios", help="throughput and idle latency against the bare loop")
    _add_common(command, commands.run_promises)
    command.set_defaults(names=commands.RATIOS, judge=False)
    command = choose.add_parser(
        "promises", help="bounds that the server must hold under load; exit code 1 if it does not"
    )
    _add_common(command, commands.run_promises)
    names = [*commands.PROMISES]
    command.add_argument("names", nargs="*", choices=[*names, []], metavar="NAME", help=", ".join(names))
    command.set_defaults(judge=True)
    command = choose.add_parser("scaling", help="texts per vCPU, and the cost of a million")
    _add_common(command, commands.run_scaling)
    command.add_argument("--vcpus", type=float, nargs="+", default=[0.25, 0.5, 1, 2], help="sizes to measure")
    command.add_argument("--price", type=float, required=True, help="of a vCPU-hour, in any currency")
    command = choose.add_parser("bulk", help="bulk scoring: speed, start, memory, kills and a cluster; all cores")
    _add_common(command, commands.run_bulk)
    command = choose.add_parser("container", help="the image: size, start, memory, throughput within a task's limits")
    _add_common(command, commands.run_container)
    command.add_argument("--image", default="verdict", help="its tag; make image builds it")
    command.add_argument("--vcpus", type=float, nargs="+", default=[0.25, 1], help="sizes to measure")
    _add_other_models(choose)
    _add_readers(choose)
    return parser


def _add_other_models(choose: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the commands that measure models with random weights and no artifact."""
    command = choose.add_parser(
        "architectures", help="static int8 of other architectures against fp32 and the usual recipe, at any width"
    )
    command.set_defaults(run=commands.run_architectures)
    names = [*ARCHITECTURES]
    command.add_argument("names", nargs="*", choices=[*names, []], metavar="NAME", help=", ".join(names))
    command.add_argument("--width", type=int, default=384, help="of a token's vector (default: %(default)s)")
    command.add_argument("--layers", type=int, default=6, help="transformer layers (default: %(default)s)")
    command.add_argument("--vocabulary", type=int, help="tokens (default: those of its best-known checkpoint)")
    command.add_argument("--rounds", type=int, default=FULL.rounds, help="turns of each graph at each length")
    _add_report(command)
    command = choose.add_parser(
        "exports", help="export without data, server and answers of a model of base width; all cores"
    )
    command.set_defaults(run=commands.run_exports)
    command.add_argument("names", nargs="*", choices=[*BASES, []], metavar="NAME", help=", ".join(BASES))
    command.add_argument("--width", type=int, default=768, help="of a token's vector (default: %(default)s)")
    command.add_argument("--layers", type=int, help="transformer layers (default: those of its best-known checkpoint)")
    _add_report(command)


def _add_readers(choose: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the commands that read reports and measure nothing."""
    command = choose.add_parser("agreement", help="how far two runs differ; exit code 1 if a ratio differs too much")
    command.add_argument("first", type=Path, help="a report of bench or baselines, such as bench.json")
    command.add_argument("second", type=Path, help="the same report of another run")
    command.add_argument("--within", type=float, default=0.10, help="the largest difference allowed: 0.1 is 10 %%")
    command.set_defaults(run=commands.run_agreement)
    command = choose.add_parser("costs", help="dollars per million texts, beside hosted services")
    command.add_argument("directory", type=Path, nargs="?", default=PUBLISHED, help="with bench.json; costs go there")
    command.add_argument("--price", type=float, required=True, help="of a vCPU-hour, in US dollars")
    command.add_argument("--price-of", default="", metavar="TEXT", help="what costs that, for the report")
    command.set_defaults(run=commands.run_costs)
    command = choose.add_parser("publish", help="make a run the one that the documents quote")
    command.add_argument("directory", type=Path, nargs="?", default=LATEST, help="written by the other commands")
    command.set_defaults(run=commands.run_publish)


def _add_checkpoint(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--checkpoint", type=Path, help="weights of the models compared with; random ones if none")


def _add_common(parser: argparse.ArgumentParser, run: Callable[[argparse.Namespace], int]) -> None:
    parser.set_defaults(run=run)
    _add_report(parser)
    parser.add_argument("--artifact", type=Path, default=ROOT / "models" / "default", help="what to serve")
    parser.add_argument(
        "--corpus",
        metavar="FILE",
        help="a .txt, .jsonl, .csv or .parquet in place of the project's texts (docs/data.md)",
    )
    parser.add_argument("--seed", type=int, default=0, help="of the texts and of the arrivals")
    parser.add_argument("--server-cores", type=int, default=1, help="cores of the server")
    parser.add_argument("--set", action="append", default=[], type=_setting, metavar="NAME=VALUE", help="of the server")
    parser.add_argument("--rounds", type=int, default=FULL.rounds, help="turns of each side in a comparison")
    parser.add_argument("--seconds", type=float, default=FULL.seconds, help="of each side in a round")
    parser.add_argument("--scale", type=float, default=FULL.scale, help="factor on all other durations")


def _add_report(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--output", type=Path, default=LATEST, help="directory for JSON, Markdown and pictures")
    parser.add_argument("--note", default="", metavar="TEXT", help="what else the reader must know of this machine")
    parser.add_argument("--quick", action="store_true", help="seconds instead of minutes: shows that it works")


def _setting(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE, such as max_batch_tokens=256")
    return name, value


if __name__ == "__main__":
    sys.exit(main())
