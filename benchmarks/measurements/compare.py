"""Compare: two revisions, working trees or artifacts, with a verdict only where the figures justify one."""

import contextlib
import io
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Final

from artifact.child import ROOT
from benchmarks import BenchmarkError
from benchmarks.figures.rounds import Effort
from benchmarks.figures.statistics import Interval
from benchmarks.load.requests import BATCH_TEXTS, batches, single
from benchmarks.measurements.duel import Duel, Workload, duel, join
from benchmarks.processes import slowed as slowed_server
from benchmarks.processes.process import server_python
from benchmarks.processes.servers import Launch, Rig, Server, verdict
from benchmarks.report.section import ReportColumns, ReportTable, Section

_CONFIDENCE: Final = 0.994
"""Four loads with two verdicts each: eight times 0.6 % are a chance of 5 % to find a difference between equals."""
_FEWEST: Final = 10
_TEXTS: Final = 10 * BATCH_TEXTS


@contextlib.contextmanager
def launch_of(target: str, artifact: Path, settings: Mapping[str, str] | None = None) -> Iterator[Launch]:
    """Return how to start a target: an artifact, a working tree or a revision.

    Args:
        target: a directory with a manifest, a directory with a server, or a commit as git names it.
        artifact: served by trees and revisions.
        settings: of the server, without prefix.

    Raises:
        BenchmarkError: if it is none of them.
    """
    path = Path(target)
    if (path / "manifest.json").exists():
        yield verdict(path, settings=settings)
    elif (path / "server").is_dir():
        yield verdict(artifact, directory=path.resolve(), settings=settings)
    else:
        with tempfile.TemporaryDirectory() as directory:
            _extract(target, Path(directory))
            yield verdict(artifact, directory=Path(directory), settings=settings)


def slowed(launch: Launch, factor: float) -> Launch:
    """Return how to start the same server with every run of the model made slower."""
    return replace(launch, command=[server_python(), slowed_server.__file__, str(factor)])


def compare(rig: Rig, first: Launch, second: Launch, effort: Effort) -> Section:
    """Let two servers take turns at four loads and return the second's figures over the first's.

    Each round restarts both and gives one ratio per load, from turns in the order B, A, A, B.
    """
    rounds: list[list[Duel]] = []
    descriptions: dict[str, str] = {}
    for number in range(effort.rounds):
        with _started(first, second, rig.placement.server, swap=number % 2 == 1) as (a, b):
            turns = replace(effort, rounds=2, seconds=effort.seconds / 3)
            rounds.append([duel(a, b, load, turns) for load in _loads(rig, number)])
            descriptions = {name: _describe(server) for name, server in (("A", a), ("B", b))}
    duels = [join(at_load, _CONFIDENCE) for at_load in zip(*rounds, strict=True)]
    notes = [
        f"B over A; above 1 B is faster; the median of {effort.rounds} starts of both and its interval of "
        f"{_CONFIDENCE:.1%} over these; among eight verdicts on equals there is a wrong one once in twenty comparisons",
        *(f"{name}: {words}" for name, words in descriptions.items()),
    ]
    if effort.rounds < _FEWEST:
        notes.append(f"{effort.rounds} rounds are too few for such intervals: take {_FEWEST} or more.")
    columns: ReportColumns[Duel] = (
        ("load", lambda row: row.load),
        ("A texts/s", lambda row: f"{row.first_per_s:.1f}"),
        ("B texts/s", lambda row: f"{row.second_per_s:.1f}"),
        ("by the clock", lambda row: str(row.ratio)),
        ("by CPU seconds", lambda row: str(row.cpu_ratio)),
        ("verdict", lambda row: judge(row, effort.rounds)),
    )
    figures = [{**asdict(row), "verdict": judge(row, effort.rounds)} for row in duels]
    return Section("comparison", "B against A, taking turns", figures, ReportTable.of(columns, duels), notes)


@contextlib.contextmanager
def _started(first: Launch, second: Launch, cores: Sequence[int], *, swap: bool) -> Iterator[tuple[Server, Server]]:
    """Start both; the order matters, as the first one may get the better place in memory."""
    if swap:
        with Server(second, cores) as b, Server(first, cores) as a:
            yield a, b
    else:
        with Server(first, cores) as a, Server(second, cores) as b:
            yield a, b


def _describe(server: Server) -> str:
    return f"{server.usage().resident_bytes / 1e6:.0f} MB, ready in {server.start_s:.2f} s"


def judge(result: Duel, rounds: int) -> str:
    """Return a verdict in words, or that there is none.

    Few rounds justify none: the interval of five is at most their span, and misses equality in one case of sixteen.
    Wall time decides if it can. If it cannot, CPU seconds decide, which do not grow on a busy machine.
    """
    if rounds < _FEWEST:
        return "too few rounds"
    for interval in (result.ratio, result.cpu_ratio):
        if interval.excludes(1.0):
            return _words(interval)
    return "no difference shown"


def _words(interval: Interval) -> str:
    change = abs(interval.estimate - 1)
    return f"B is {change:.1%} {'faster' if interval.estimate > 1 else 'slower'}"


def _loads(rig: Rig, number: int) -> Sequence[Workload]:
    """Return the loads of a round: other texts in every round, while there are any."""
    sentences, reviews = (pool.take(_TEXTS, number * _TEXTS) for pool in (rig.texts.sentences, rig.texts.reviews))
    return [
        Workload("sentences, 1 caller", single(sentences), 1),
        Workload("sentences, 16 callers", single(sentences), 16),
        Workload("reviews, 16 callers", single(reviews), 16),
        Workload(f"batches of {BATCH_TEXTS} sentences, 4 callers", batches(sentences), 4),
    ]


def _extract(revision: str, directory: Path) -> None:
    listed = _git("ls-tree", "--name-only", revision, "artifact", "server")  # older revisions have no artifact/
    folders = listed.stdout.decode().split()
    if "server" not in folders:
        reason = listed.stderr.decode(errors="replace").strip()
        raise BenchmarkError(f"{revision!r} is no artifact, no working tree and no revision with a server: {reason}")
    packed = _git("archive", "--format=tar", revision, *folders).stdout
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(directory, filter="data")


def _git(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=False)  # noqa: S603, S607 - no shell
