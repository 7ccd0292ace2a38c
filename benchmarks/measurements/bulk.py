"""Bulk scoring: speed against a loop of threads and against the server, start, memory, kills, and a cluster.

The three ways to score a table take turns on all cores, with the same texts in a round and others in the next.
"""

import contextlib
import json
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Final

import psutil
import pyarrow as pa
from pyarrow import parquet

from artifact.child import ROOT, Child, ServedArtifact
from benchmarks import BenchmarkError
from benchmarks.load.corpus import Texts
from benchmarks.processes.process import server_python
from benchmarks.report.section import ReportTable, Section

_CALLERS: Final = 16
_REQUEST_TEXTS: Final = 64
_POLL_S: Final = 0.05
_KILL_WITHIN_S: Final = (2.0, 8.0)


@dataclass(frozen=True, slots=True)
class Extent:
    """How much is measured.

    Attributes:
        rounds: turns of each way.
        rows: of a round.
        large_rows: of the file by which memory is measured, about 1,000 bytes each.
        kills: of a run.
        nodes: sizes of the clusters.
    """

    rounds: int = 3
    rows: int = 25_000
    large_rows: int = 1_000_000
    kills: int = 10
    nodes: tuple[int, ...] = (1, 2)


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds of a run, and the processor seconds in them, which a busy neighbour does not stretch."""

    seconds: float
    cpu_s: float


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table.

    Attributes:
        what: is measured.
        value: with its unit in ``what``.
        bound: what must hold; empty if it is only reported.
        holds: whether it does; None if it is only reported.
    """

    what: str
    value: float
    bound: str = ""
    holds: bool | None = None


def bulk(artifact: Path, texts: Texts, extent: Extent, report: Callable[[str], None]) -> Section:
    """Measure all of it; needs every core of the machine.

    Args:
        artifact: to score with.
        texts: nine sentences to one review.
        extent: how much.
        report: shows what is being measured.

    Raises:
        BenchmarkError: if a run lost or doubled a row.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        figures = [
            *_speed(artifact, texts, extent, folder, report),
            *_memory(artifact, extent, folder, report),
            *_kills(artifact, texts, extent, folder, report),
            *_clusters(artifact, texts, extent, folder, report),
        ]
    rows = [[figure.what, f"{figure.value:,.3f}", figure.bound, _verdict(figure)] for figure in figures]
    return Section(
        "bulk",
        "Bulk scoring",
        [{"what": f.what, "value": f.value, "bound": f.bound, "holds": f.holds} for f in figures],
        ReportTable(["what", "figure", "must hold", "holds"], rows),
        [
            f"{extent.rounds} rounds of {extent.rows:,} texts, nine sentences to one review; the ways take turns.",
            f"The server answers {_CALLERS} callers with {_REQUEST_TEXTS} texts a request, all on the same cores.",
        ],
    )


def _verdict(figure: Figure) -> str:
    return "" if figure.holds is None else "yes" if figure.holds else "NO"


def _speed(
    artifact: Path, texts: Texts, extent: Extent, folder: Path, report: Callable[[str], None]
) -> Iterator[Figure]:
    report("start")
    one = _table(folder / "one.parquet", ["A film."])
    first = statistics.median(_first_row_s(artifact, one, folder / f"one-{turn}") for turn in range(3))
    starts = [_run(artifact, one, folder / f"start-{turn}") for turn in range(3)]
    start = Cost(*(statistics.median(values) for values in zip(*((s.seconds, s.cpu_s) for s in starts), strict=True)))
    loops, commands, servers = [], [], []
    for turn in range(extent.rounds):
        chosen = list(texts.mixed(extent.rows, turn).texts)
        table = _table(folder / f"{turn}.parquet", chosen)
        listed = folder / f"{turn}.json"
        listed.write_text(json.dumps(chosen), encoding="utf-8")
        report(f"round {turn + 1} of {extent.rounds}: loop of threads")
        loop = json.loads(_output([sys.executable, "-m", "benchmarks.processes.bulk_loop", artifact, listed]))
        loops.append(Cost(loop["seconds"], loop["cpu_s"]))
        report(f"round {turn + 1} of {extent.rounds}: bulk")
        commands.append(_run(artifact, table, folder / f"out-{turn}"))
        report(f"round {turn + 1} of {extent.rounds}: server")
        servers.append(_serve(artifact, chosen))
    steady = [Cost(one.seconds - start.seconds, one.cpu_s - start.cpu_s) for one in commands]
    for name, costs in (
        ("bulk, start included", commands),
        ("loop of threads", loops),
        ("server, 16 callers", servers),
    ):
        yield Figure(f"rows/s, {name}", extent.rows / statistics.median(cost.seconds for cost in costs))
        yield Figure(f"CPU ms a row, {name}", 1e3 / extent.rows * statistics.median(cost.cpu_s for cost in costs))
    ratio = _ratio(loops, steady, "seconds")
    yield Figure("rows/s, bulk against the loop, both without start", ratio, ">= 0.92", ratio >= 0.92)  # noqa: PLR2004 - the bound
    ratio = _ratio(loops, steady, "cpu_s")
    yield Figure("rows per CPU second, bulk against the loop, both without start", ratio, ">= 0.92", ratio >= 0.92)  # noqa: PLR2004 - as above
    yield Figure("rows/s, bulk with start against the loop without", _ratio(loops, commands, "seconds"))
    ratio = _ratio(servers, steady, "seconds")
    yield Figure("rows/s, bulk against the server, both without start", ratio, ">= 1.0", ratio >= 1)
    yield Figure("rows per CPU second, bulk against the server, both without start", _ratio(servers, steady, "cpu_s"))
    yield Figure("start to first scored row, s", first, "< 4", first < 4)  # noqa: PLR2004 - as above
    cpu_s = statistics.median(cost.cpu_s for cost in steady)
    yield Figure("vCPU-hours for a billion of these rows", 1e9 / 3600 * cpu_s / extent.rows)


def _ratio(others: Sequence[Cost], ours: Sequence[Cost], figure: str) -> float:
    """Return the median over the rounds of how many times as fast ours is."""
    return statistics.median(getattr(b, figure) / getattr(a, figure) for a, b in zip(ours, others, strict=True))


def _memory(artifact: Path, extent: Extent, folder: Path, report: Callable[[str], None]) -> Iterator[Figure]:
    report(f"memory: {extent.large_rows:,} rows")
    source = folder / "large.csv"
    body = ("word " * 198).strip()  # equal texts are computed once in each part: this is about memory
    with source.open("w", encoding="utf-8") as stream:
        stream.write("id,text\n")
        stream.writelines(f"{row},{body}\n" for row in range(extent.large_rows))
    used: list[float] = []
    cost = _run(artifact, source, folder / "large", watch=lambda process: used.append(_megabytes(process)))
    third = len(used) // 3
    growth = statistics.median(used[-third:]) - statistics.median(used[third : 2 * third])
    peak = max(used)
    yield Figure("memory of a large file, peak, MB", peak, "<= 600", peak <= 600)  # noqa: PLR2004 - as above
    yield Figure("memory of a large file, last third less the middle one, MB", growth, "<= 30", growth <= 30)  # noqa: PLR2004 - flat but for noise
    yield Figure("size of the large file, GB", source.stat().st_size / 1e9)
    yield Figure("rows/s of the large file, almost without inference", extent.large_rows / cost.seconds)
    source.unlink()


def _kills(
    artifact: Path, texts: Texts, extent: Extent, folder: Path, report: Callable[[str], None]
) -> Iterator[Figure]:
    chance = random.Random(1)  # noqa: S311 - not cryptography
    source = _table(folder / "killed.parquet", texts.sentences.take(9_000))
    done = 0
    for done in range(1, extent.kills + 1):
        report(f"kill {done} of {extent.kills}")
        with Child(_command(artifact, source, folder / "killed")) as child:
            try:
                child.wait(chance.uniform(*_KILL_WITHIN_S))
            except subprocess.TimeoutExpired:
                child.process.kill()
                continue
            break
    _run(artifact, source, folder / "killed")
    yield Figure("runs ended by kill -9 at a random time, then every row once", done, "every row once", holds=True)


def _clusters(
    artifact: Path, texts: Texts, extent: Extent, folder: Path, report: Callable[[str], None]
) -> Iterator[Figure]:
    from ray.cluster_utils import Cluster  # noqa: PLC0415 - takes a second

    source = _table(folder / "ray.parquet", list(texts.mixed(extent.rows // 2, 99).texts))
    native = _run(artifact, source, folder / "ray-native").seconds
    yield Figure("rows/s on this machine's threads, of the rows for the clusters", extent.rows // 2 / native)
    for nodes in extent.nodes:
        report(f"a cluster of {nodes}")
        memory = {"object_store_memory": 100_000_000}
        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False, **memory})
        try:
            for _ in range(nodes):
                cluster.add_node(num_cpus=1, **memory)
            seconds = _run(artifact, source, folder / f"ray-{nodes}", "--ray", cluster.address).seconds
        finally:
            cluster.shutdown()
        yield Figure(f"rows/s on a Ray cluster of {nodes} x 1 core on this machine", extent.rows // 2 / seconds)


def _serve(artifact: Path, texts: Sequence[str]) -> Cost:
    """Return what the server needs to answer all texts."""
    requests = [
        json.dumps({"texts": list(texts[start : start + _REQUEST_TEXTS])}).encode()
        for start in range(0, len(texts), _REQUEST_TEXTS)
    ]
    with ServedArtifact(artifact, interpreter=server_python()) as server:
        local, port = threading.local(), server.port

        def ask(body: bytes) -> None:
            if not hasattr(local, "connection"):
                local.connection = HTTPConnection("127.0.0.1", port, timeout=120)
            while True:
                local.connection.request("POST", "/predict/batch", body, {"content-type": "application/json"})
                response = local.connection.getresponse()
                response.read()
                if response.status != 429:  # noqa: PLR2004 - refused for now
                    break
            if response.status != 200:  # noqa: PLR2004 - answered
                raise BenchmarkError(f"the server answered {response.status}")

        process = psutil.Process(server.process.pid)
        started, used = time.perf_counter(), _cpu_s(process)
        with ThreadPoolExecutor(_CALLERS) as callers:
            list(callers.map(ask, requests))
        return Cost(time.perf_counter() - started, _cpu_s(process) - used)


def _run(
    artifact: Path, source: Path, output: Path, *more: str, watch: Callable[[psutil.Process], None] | None = None
) -> Cost:
    """Score a table and check its rows; return what the whole process took."""
    started = time.perf_counter()
    cpu_s = 0.0
    with Child([*_command(artifact, source, output), *more]) as child:
        process = psutil.Process(child.process.pid)
        while child.running:
            with contextlib.suppress(psutil.Error):  # it has just ended
                cpu_s = _cpu_s(process)
                if watch is not None:
                    watch(process)
            time.sleep(_POLL_S)
        seconds = time.perf_counter() - started
        if child.process.returncode:
            raise BenchmarkError(f"{child} ended with exit code {child.process.returncode}; it wrote:\n{child.log}")
    ids = parquet.read_table(output / f"{source.stem}.parquet", columns=["id"])["id"]
    if [int(value) for value in ids.to_pylist()] != list(range(len(ids))):
        raise BenchmarkError(f"{output} lost or doubled a row")
    return Cost(seconds, cpu_s)


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _first_row_s(artifact: Path, source: Path, output: Path) -> float:
    started = time.perf_counter()
    with Child(_command(artifact, source, output)) as child:
        while not list(output.glob("_bulk/parts/*/*.parquet")) and not list(output.glob("*.parquet")):
            if not child.running:
                break
            time.sleep(_POLL_S / 10)
        return time.perf_counter() - started


def _command(artifact: Path, source: Path, output: Path) -> list[str | Path]:
    return [sys.executable, "-m", "bulk", source, "--text", "text", "--output", output, "--artifact", artifact]


def _output(command: Sequence[str | Path]) -> str:
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()[-1]  # noqa: S603 - our own command


def _table(path: Path, texts: Sequence[str]) -> Path:
    parquet.write_table(pa.table({"id": list(range(len(texts))), "text": list(texts)}), path)
    return path


def _megabytes(process: psutil.Process) -> float:
    return sum(one.memory_info().rss for one in [process, *process.children(recursive=True)]) / 1e6
