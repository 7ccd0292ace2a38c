"""The program that measures in a child process."""

from benchmarks.processes.loop_child import typical


def test_runs_with_cold_caches_count_only_without_others() -> None:
    """They follow another engine's turn, and a process that serves has no such neighbour."""
    assert 1.1 == typical([(0.0, 2.0), (0.002, 2.0), (0.04, 1.0), (0.041, 1.2), (0.042, 1.1)])
    assert 2.0 == typical([(0.0, 2.0)])
