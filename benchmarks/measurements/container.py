"""Container: the size of the image, how fast it starts, and its throughput within a task's limits.

It runs any container engine by the command ``docker``. Containers share the host's network and listen on loopback. Like
a task they have a quota and no core of their own; the load is pinned to the last cores and takes a few per cent of one.
"""

import contextlib
import itertools
import shutil
import subprocess
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from benchmarks import BenchmarkError
from benchmarks.figures.rounds import Effort
from benchmarks.figures.statistics import quantile
from benchmarks.load.client import Address
from benchmarks.load.corpus import SHAPES
from benchmarks.load.generator import Generator, run
from benchmarks.load.requests import single
from benchmarks.processes.servers import HOST, Rig, free_port, is_ready
from benchmarks.report.section import ReportColumns, ReportTable, Section

_CALLERS: Final = 4
_STARTS: Final = 3
_SECONDS: Final = 20.0
_PATIENCE_S: Final = 60.0
_POLL_S: Final = 0.02
_LIMITS: Final = (
    *("--memory", "512m", "--memory-swap", "512m", "--read-only", "--tmpfs", "/tmp:size=16m"),  # noqa: S108 - inside
    *("--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--network", "host"),
)
_PEAKS: Final = ("/sys/fs/cgroup/memory.peak", "/sys/fs/cgroup/memory/memory.max_usage_in_bytes")
_CPU_STATS: Final = ("/sys/fs/cgroup/cpu.stat", "/sys/fs/cgroup/cpu/cpu.stat")


@dataclass(frozen=True, slots=True)
class RunningContainer:
    """A running container.

    Attributes:
        name: of the engine.
        address: where it listens.
    """

    name: str
    address: Address

    def seconds_to_ready(self) -> float:
        """Return the seconds from the start of its process until it is ready."""
        return self._seconds_until(lambda: is_ready(self.address))

    def seconds_to_healthy(self) -> float:
        """Return the seconds from the start of its process until the engine reports it healthy."""
        return self._seconds_until(lambda: self._inspect("{{.State.Health.Status}}") == "healthy")

    def peak_bytes(self) -> int:
        """Return the peak memory of its control group, file pages included."""
        return int(self._read(_PEAKS))

    def throttled_share(self) -> float:
        """Return the share of the scheduler's periods in which its quota ran out."""
        words = self._read(_CPU_STATS).split()
        stats = dict(zip(words[::2], words[1::2], strict=True))
        return int(stats["nr_throttled"]) / max(int(stats["nr_periods"]), 1)

    def _seconds_until(self, condition: Callable[[], bool]) -> float:
        give_up = time.time() + _PATIENCE_S
        while not condition():
            if time.time() > give_up or self._inspect("{{.State.Running}}") != "true":
                raise BenchmarkError(f"the container did not start in {_PATIENCE_S:g} s; it wrote:\n{self._log()}")
            time.sleep(_POLL_S)
        return time.time() - datetime.fromisoformat(self._inspect("{{.State.StartedAt}}")).timestamp()

    def _inspect(self, template: str) -> str:
        return docker("inspect", "--format", template, self.name)

    def _log(self) -> str:
        return subprocess.run([_client(), "logs", self.name], capture_output=True, text=True, check=False).stderr  # noqa: S603 - fixed

    def _read(self, paths: Sequence[str]) -> str:
        found = f"for f in {' '.join(paths)}; do [ -e $f ] && exec cat $f; done; exit 1"
        return docker("exec", self.name, "sh", "-c", found)


def _cell(key: str, form: str) -> Callable[[Mapping[str, Any]], str]:
    return lambda row: form.format(row[key])


_COLUMNS: Final[ReportColumns[Mapping[str, Any]]] = (
    ("vCPU", _cell("vcpus", "{:g}")),
    ("ready", _cell("ready_s", "{:.2f} s")),
    ("healthy", _cell("healthy_s", "{:.2f} s")),
    ("sentences/s", _cell("sentences_per_s", "{:.1f}")),
    ("p50", _cell("sentences_p50_ms", "{:.0f} ms")),
    ("p99", _cell("sentences_p99_ms", "{:.0f} ms")),
    ("reviews/s", _cell("reviews_per_s", "{:.1f}")),
    ("peak memory", lambda row: f"{row['peak_bytes'] / 2**20:.0f} MiB"),
    ("throttled", _cell("throttled_share", "{:.0%}")),
)


def container(rig: Rig, effort: Effort, image: str, sizes: Sequence[float]) -> Section:
    """Measure an image.

    Args:
        rig: texts.
        effort: how long.
        image: its tag; it must have been built.
        sizes: vCPUs.
    """
    figures = [_measure(rig, effort, image, vcpus) for vcpus in sizes]
    size, compressed = int(docker("image", "inspect", "--format", "{{.Size}}", image)), _compressed_bytes(image)
    for figure in figures:
        figure |= {"image_bytes": size, "compressed_bytes": compressed}
    notes = [
        f"{image}: {size / 1e6:.0f} MB, {compressed / 1e6:.0f} MB compressed (gzip -6 of docker save).",
        f"{_CALLERS} callers, closed loop. Ready and healthy: median of {_STARTS} starts, from the process's start; "
        "healthy by the engine's own checks, one a second.",
        "Throttled: scheduler periods (100 ms) in which the quota ran out; requests wait for the next period.",
    ]
    if len(figures) > 1:
        ratio = figures[0]["sentences_per_s"] / figures[-1]["sentences_per_s"]
        notes.append(f"{sizes[0]:g} vCPU gives {ratio:.3f} times the sentences of {sizes[-1]:g}.")
    return Section("container", "The image", figures, ReportTable.of(_COLUMNS, figures), notes)


def _measure(rig: Rig, effort: Effort, image: str, vcpus: float) -> dict[str, Any]:
    ready, healthy = [], []
    for _ in range(_STARTS):
        with _running(image, vcpus, "--health-interval", "1s") as started:
            ready.append(started.seconds_to_ready())
            healthy.append(started.seconds_to_healthy())
    figures: dict[str, Any] = {"vcpus": vcpus, "ready_s": quantile(ready, 0.5), "healthy_s": quantile(healthy, 0.5)}
    with _running(image, vcpus) as loaded:
        loaded.seconds_to_ready()
        for shape in SHAPES:
            requests = itertools.cycle(single(rig.texts.of(shape).texts))
            for seconds in (1.0, _SECONDS):  # the first one warms up
                load = Generator(loaded.address).closed_loop(requests, _CALLERS, duration_s=effort.scaled(seconds))
                result = run(load)
            figures[f"{shape}_per_s"] = result.texts_per_s
            for share in (50, 99):
                figures[f"{shape}_p{share}_ms"] = quantile(result.latencies_s(), share / 100) * 1000
            figures[f"{shape}_statuses"] = result.statuses()
            figures[f"{shape}_generator"] = result.generator_note
        figures["throttled_share"] = loaded.throttled_share()
        figures["peak_bytes"] = loaded.peak_bytes()
    return figures


@contextlib.contextmanager
def _running(image: str, vcpus: float, *options: str) -> Iterator[RunningContainer]:
    address = Address(HOST, free_port())
    environment = ("--env", f"VERDICT_HOST={address.host}", "--env", f"VERDICT_PORT={address.port}")
    name = docker("run", "--detach", "--cpus", str(vcpus), *_LIMITS, *options, *environment, image)
    try:
        yield RunningContainer(name, address)
    finally:
        docker("rm", "--force", name)


def _compressed_bytes(image: str) -> int:
    packer, size = zlib.compressobj(6), 0
    with subprocess.Popen([_client(), "save", image], stdout=subprocess.PIPE) as saved:  # noqa: S603 - fixed
        assert saved.stdout is not None  # noqa: S101 - for the type checker: it is a pipe
        while block := saved.stdout.read(1 << 20):
            size += len(packer.compress(block))
    return size + len(packer.flush())


def docker(*arguments: str) -> str:
    """Run a docker command and return its output.

    Raises:
        BenchmarkError: if it fails; the message is the engine's.
    """
    done = subprocess.run([_client(), *arguments], capture_output=True, text=True, check=False)  # noqa: S603 - fixed
    if done.returncode:
        raise BenchmarkError(f"docker {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout.strip()


def _client() -> str:
    if found := shutil.which("docker"):
        return found
    raise BenchmarkError("docker is not on the PATH; the image is measured by running it")
