"""Compare: two revisions, working trees or artifacts, with a verdict only where the figures carry one."""

import contextlib
import io
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Final

from benchmarks.figures.effort import Effort
from benchmarks.figures.statistics import Interval
from benchmarks.measurements.duel import Duel, Load, duel, join
from benchmarks.processes import slowed as slowed_server
from benchmarks.processes.process import ROOT, server_python
from benchmarks.processes.rig import Rig
from benchmarks.processes.servers import Launch, Server, verdict
from benchmarks.promises.ratios import BATCH_TEXTS, batches, single
from benchmarks.report.section import Section, Table

_CONFIDENCE: Final = 0.994
"""Four loads are judged, twice each: eight times 0.6 % are the 5 % that a comparison of equals may find something."""
_FEWEST: Final = 10
_TEXTS: Final = 10 * BATCH_TEXTS


class TargetError(Exception):
    """What is to be compared does not exist; the message says what was looked for."""


@contextlib.contextmanager
def launch_of(target: str, artifact: Path) -> Iterator[Launch]:
    """Return how to start what a target names: an artifact, a working tree or a revision.

    Args:
        target: a directory with a manifest, a directory with a server, or whatever git knows as a commit.
        artifact: what trees and revisions serve.

    Raises:
        TargetError: if it is none of them.
    """
    path = Path(target)
    if (path / "manifest.json").exists():
        yield verdict(path)
    elif (path / "server").is_dir():
        yield verdict(artifact, directory=path.resolve())
    else:
        with tempfile.TemporaryDirectory() as directory:
            _extract(target, Path(directory))
            yield verdict(artifact, directory=Path(directory))


def slowed(launch: Launch, factor: float) -> Launch:
    """Return how to start the same server with every run of the model made slower."""
    return replace(launch, command=[server_python(), slowed_server.__file__, str(factor)])


def compare(rig: Rig, first: Launch, second: Launch, effort: Effort) -> Section:
    """Let two servers take turns at four loads; return what the second makes of them against the first.

    Each round starts both anew and gives one ratio per load, from turns in the order B, A, A, B.
    """
    blocks: list[list[Duel]] = []
    standing: dict[str, str] = {}
    for number in range(effort.rounds):
        with _started(first, second, rig.placement.server, swap=number % 2 == 1) as (a, b):
            turns = replace(effort, rounds=2, seconds=effort.seconds / 3)
            blocks.append([duel(a, b, load, turns) for load in _loads(rig, number)])
            standing = {name: _standing(server) for name, server in (("A", a), ("B", b))}
    duels = [join(at_load, _CONFIDENCE) for at_load in zip(*blocks, strict=True)]
    rows = [
        [
            it.load,
            f"{it.first_per_s:.1f}",
            f"{it.second_per_s:.1f}",
            str(it.ratio),
            str(it.cpu_ratio),
            judge(it, effort.rounds),
        ]
        for it in duels
    ]
    notes = [
        f"B over A; above 1 B is faster; the median of {effort.rounds} starts of both and its interval of "
        f"{_CONFIDENCE:.1%} over these; all eight looks at equals together are wrong about once in twenty times",
        *(f"{name}: {words}" for name, words in standing.items()),
    ]
    if effort.rounds < _FEWEST:
        notes.append(
            f"{effort.rounds} rounds are too few for intervals that keep this promise: take {_FEWEST} or more."
        )
    table = Table(["load", "A texts/s", "B texts/s", "by the clock", "by CPU seconds", "verdict"], rows)
    figures = [{**asdict(it), "verdict": judge(it, effort.rounds)} for it in duels]
    return Section("comparison", "B against A, taking turns", figures, table, notes)


@contextlib.contextmanager
def _started(first: Launch, second: Launch, cores: Sequence[int], *, swap: bool) -> Iterator[tuple[Server, Server]]:
    """Start both, the second one first if asked to: who came first may have the better place in memory."""
    if swap:
        with Server(second, cores) as b, Server(first, cores) as a:
            yield a, b
    else:
        with Server(first, cores) as a, Server(second, cores) as b:
            yield a, b


def _standing(server: Server) -> str:
    return f"{server.usage().resident_bytes / 1e6:.0f} MB, ready in {server.start_s:.2f} s"


def judge(result: Duel, rounds: int) -> str:
    """Return a verdict in words, or that there is none.

    Few rounds carry none: of five, whose interval is at most their span, equals differ in one look of sixteen.

    The clock decides where it can. CPU seconds, which a busy machine does not stretch, decide where only they can.
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


def _loads(rig: Rig, number: int) -> Sequence[Load]:
    """Return what both get in a round: other texts in every one, as many as there are."""
    sentences, reviews = (corpus.take(_TEXTS, number * _TEXTS) for corpus in (rig.texts.sentences, rig.texts.reviews))
    return [
        Load("sentences, 1 caller", single(sentences), 1),
        Load("sentences, 16 callers", single(sentences), 16),
        Load("reviews, 16 callers", single(reviews), 16),
        Load(f"batches of {BATCH_TEXTS} sentences, 4 callers", batches(sentences), 4),
    ]


def _extract(revision: str, directory: Path) -> None:
    listed = _git("ls-tree", "--name-only", revision, "artifact", "server")  # older revisions have no artifact/
    folders = listed.stdout.decode().split()
    if "server" not in folders:
        reason = listed.stderr.decode(errors="replace").strip()
        raise TargetError(f"{revision!r} is no artifact, no working tree and no revision with a server: {reason}")
    packed = _git("archive", "--format=tar", revision, *folders).stdout
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(directory, filter="data")


def _git(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=False)  # noqa: S603, S607 - no shell
