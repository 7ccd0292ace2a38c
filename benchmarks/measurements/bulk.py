"""Bulk scoring: speed against a loop of threads and against the server, start, memory, kills, and a cluster.

The three ways to score a table take turns on all cores, with the same texts in a round and others in the next.
"""

import json
import random
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from artifact.child import Child
from benchmarks.load.corpus import Texts
from benchmarks.processes.bulk_runs import (
    CALLERS,
    REQUEST_TEXTS,
    Cost,
    WorkerKiller,
    command,
    first_row_s,
    megabytes,
    output_of,
    run,
    serve,
    write_table,
)
from benchmarks.report.section import ReportTable, Section

_KILL_WITHIN_S: Final = (1.5, 5.0)


@dataclass(frozen=True, slots=True)
class Extent:
    """How much is measured.

    Attributes:
        rounds: turns of each way.
        rows: of a round.
        large_rows: of the file by which memory is measured, about 1,000 bytes each.
        kills: of a run.
        kill_rows: sentences of that run.
        cluster_rows: texts for the clusters.
        nodes: sizes of the clusters.
    """

    rounds: int = 8
    rows: int = 12_500
    large_rows: int = 1_000_000
    kills: int = 10
    kill_rows: int = 100_000
    cluster_rows: int = 20_000
    nodes: tuple[int, ...] = (1, 2)


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
            f"The server answers {CALLERS} callers with {REQUEST_TEXTS} texts a request, all on the same cores.",
        ],
    )


def _verdict(figure: Figure) -> str:
    return "" if figure.holds is None else "yes" if figure.holds else "NO"


def _speed(
    artifact: Path, texts: Texts, extent: Extent, folder: Path, report: Callable[[str], None]
) -> Iterator[Figure]:
    report("start")
    one = write_table(folder / "one.parquet", ["A film."])
    first = statistics.median(first_row_s(artifact, one, folder / f"one-{turn}") for turn in range(3))
    starts = [run(artifact, one, folder / f"start-{turn}") for turn in range(3)]
    start = Cost(*(statistics.median(values) for values in zip(*((s.seconds, s.cpu_s) for s in starts), strict=True)))
    loops, commands, servers = [], [], []
    for turn in range(extent.rounds):
        chosen = list(texts.mixed(extent.rows, turn).texts)
        table = write_table(folder / f"{turn}.parquet", chosen)
        listed = folder / f"{turn}.json"
        listed.write_text(json.dumps(chosen), encoding="utf-8")
        report(f"round {turn + 1} of {extent.rounds}: loop of threads")
        loop = json.loads(output_of([sys.executable, "-m", "benchmarks.processes.bulk_loop", artifact, listed]))
        loops.append(Cost(loop["seconds"], loop["cpu_s"]))
        report(f"round {turn + 1} of {extent.rounds}: bulk")
        commands.append(run(artifact, table, folder / f"out-{turn}"))
        report(f"round {turn + 1} of {extent.rounds}: server")
        servers.append(serve(artifact, chosen))
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
    ratios = [getattr(b, figure) / getattr(a, figure) for a, b in zip(ours, others, strict=True)]
    return float(statistics.median(ratios))


def _memory(artifact: Path, extent: Extent, folder: Path, report: Callable[[str], None]) -> Iterator[Figure]:
    report(f"memory: {extent.large_rows:,} rows")
    source = folder / "large.csv"
    body = ("word " * 198).strip()  # equal texts are computed once in each part: this is about memory
    with source.open("w", encoding="utf-8") as stream:
        stream.write("id,text\n")
        stream.writelines(f"{row},{body}\n" for row in range(extent.large_rows))
    used: list[float] = []
    cost = run(artifact, source, folder / "large", watch=lambda process: used.append(megabytes(process)))
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
    source = write_table(folder / "killed.parquet", texts.sentences.take(extent.kill_rows))
    killed = 0
    while killed < extent.kills:
        report(f"kill {killed + 1} of {extent.kills}")
        with Child(command(artifact, source, folder / "killed")) as child:
            try:
                child.wait(chance.uniform(*_KILL_WITHIN_S))
            except subprocess.TimeoutExpired:
                child.process.kill()
                killed += 1
                continue
            break  # it ended before its time
    run(artifact, source, folder / "killed")
    yield Figure("runs ended by kill -9 at a random time, then every row once", killed, "every row once", holds=True)


def _clusters(
    artifact: Path, texts: Texts, extent: Extent, folder: Path, report: Callable[[str], None]
) -> Iterator[Figure]:
    from ray.cluster_utils import Cluster  # noqa: PLC0415 - takes a second

    source = write_table(folder / "ray.parquet", list(texts.mixed(extent.cluster_rows, 99).texts))
    native = run(artifact, source, folder / "ray-native").seconds
    yield Figure("rows/s on this machine's threads, of the rows for the clusters", extent.cluster_rows / native)
    for nodes in extent.nodes:
        report(f"a cluster of {nodes}")
        memory = {"object_store_memory": 100_000_000}
        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False, **memory})
        try:
            for _ in range(nodes):
                cluster.add_node(num_cpus=1, **memory)
            seconds = run(artifact, source, folder / f"ray-{nodes}", "--ray", cluster.address).seconds
            yield Figure(f"rows/s on a Ray cluster of {nodes} x 1 core on this machine", extent.cluster_rows / seconds)
            if nodes == max(extent.nodes):
                report(f"{extent.kills} kills of its workers")
                source = write_table(folder / "workers.parquet", texts.sentences.take(extent.kill_rows))
                yield _worker_kills(artifact, source, folder / "ray-killed", cluster.address, extent.kills)
        finally:
            cluster.shutdown()


def _worker_kills(artifact: Path, source: Path, output: Path, address: str, kills: int) -> Figure:
    killer = WorkerKiller(output, kills)
    run(artifact, source, output, "--ray", address, watch=killer)
    return Figure(
        "workers of that cluster ended by kill -9 at a random time, then every row once",
        killer.killed,
        "every row once",
        holds=True,
    )
