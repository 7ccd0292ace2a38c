"""Clusters: a real Ray cluster of two nodes on this machine; workers and a node are lost in the middle."""

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from pyarrow import parquet

from artifact.child import ROOT, Child
from benchmarks.processes.bulk_runs import WorkerKiller
from tests.support.tables import words, write_parquet
from tests.support.tiny import TINY

pytestmark = pytest.mark.filterwarnings("ignore")  # Ray's own
ROWS = 60_000


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    """Start a head that scores nothing and two nodes with a core each; stop them afterwards."""
    from ray.cluster_utils import Cluster  # noqa: PLC0415 - takes a second

    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    memory = {"object_store_memory": 80_000_000}
    running = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False, **memory})
    try:
        for _ in range(2):
            running.add_node(num_cpus=1, **memory)
        yield running
    finally:
        running.shutdown()


def test_a_run_finishes_although_workers_and_a_node_are_lost(cluster: object, tmp_path: Path) -> None:
    """Every row is there once, and the scores are those of this machine."""
    source = write_parquet(tmp_path / "in.parquet", {"id": list(range(ROWS)), "text": words(ROWS)}, row_group_size=9000)
    (tmp_path / "lines.txt").write_text("".join(text + "\n" for text in words(3000)))
    output = tmp_path / "out"
    base = [sys.executable, "-m", "bulk", source, tmp_path / "lines.txt", "--artifact", TINY, "--format", "parquet"]
    with Child([*base, "--output", output, "--ray", cluster.address]) as child:  # type: ignore[attr-defined]
        killer = WorkerKiller(output, 2)
        deadline = time.monotonic() + 120
        while killer.killed < 2:
            assert child.running, child.log
            assert time.monotonic() < deadline, child.log
            killer(psutil.Process(child.process.pid))
        cluster.remove_node(next(iter(cluster.worker_nodes)), allow_graceful=False)  # type: ignore[attr-defined]
        assert 0 == child.wait(240), child.log
    with Child([*base, "--output", tmp_path / "here"]) as child:
        assert 0 == child.wait(), child.log
    for name in ("in.parquet", "lines.parquet"):
        assert parquet.read_table(tmp_path / "here" / name) == parquet.read_table(output / name)
    assert ROWS == json.loads((output / "_report.json").read_text())["files"][0]["count"]["rows"]


def test_an_address_without_a_cluster_is_said(tmp_path: Path) -> None:
    """In one line, with the address."""
    source = write_parquet(tmp_path / "in.parquet", {"text": ["good"]})
    command = [sys.executable, "-m", "bulk", source, "--output", tmp_path / "out", "--artifact", TINY]
    with Child([*command, "--ray", "127.0.0.1:1"]) as child:
        assert 1 == child.wait()
        assert "no Ray cluster answers at 127.0.0.1:1" in child.log
