"""Register: the promises by the names that the command line knows them by."""

from collections.abc import Callable, Mapping
from typing import Final

from benchmarks.figures.effort import Effort
from benchmarks.processes.rig import Rig
from benchmarks.promises import isolation, overload, shutdown, soak, steady, throughput
from benchmarks.promises.finding import Finding

PROMISES: Final[Mapping[str, Callable[[Rig, Effort], list[Finding]]]] = {
    "closed-sentences": throughput.alone(throughput.closed_sentences),
    "closed-reviews": throughput.alone(throughput.closed_reviews),
    "batch-sentences": throughput.alone(throughput.batch_sentences),
    "idle-latency": throughput.alone(throughput.idle_latency),
    "open-loop": steady.open_loop,
    "overload": overload.overload,
    "soak": soak.soak,
    "shutdown": shutdown.shutdown,
    "isolation": isolation.isolation,
}

RATIOS: Final = ("closed-sentences", "closed-reviews", "batch-sentences", "idle-latency")
"""Those that compare with the bare loop."""
