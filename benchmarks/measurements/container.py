"""Container: what the image weighs, how fast it starts, and what it gives within a task's limits.

Talks to any engine by ``docker``. Containers share the host's network and listen on loopback. Like a task they have a
quota and no core of their own; the load, which takes a few per cent of one, is pinned to the last ones.
"""

import contextlib
import itertools
import shutil
import subprocess
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from benchmarks.figures.effort import Effort
from benchmarks.figures.statistics import quantile
from benchmarks.load.client import Address
from benchmarks.load.generator import Generator, run
from benchmarks.processes.rig import Rig
from benchmarks.processes.servers import HOST, ServerError, free_port, is_ready
from benchmarks.promises.ratios import single
from benchmarks.report.section import Section, Table

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
class Container:
    """A running container.

    Attributes:
        name: what the engine calls it.
        address: where it listens.
    """

    name: str
    address: Address

    def seconds_to_ready(self) -> float:
        """Return the seconds from the start of its process to the first 200 of its readiness."""
        return self._seconds_until(lambda: is_ready(self.address))

    def seconds_to_healthy(self) -> float:
        """Return the seconds from the start of its process until the engine calls it healthy."""
        return self._seconds_until(lambda: self._inspect("{{.State.Health.Status}}") == "healthy")

    def peak_bytes(self) -> int:
        """Return the most memory that its control group held, pages of files included."""
        return int(self._read(_PEAKS))

    def throttled_share(self) -> float:
        """Return the share of the scheduler's periods in which its quota was used up before the end."""
        words = self._read(_CPU_STATS).split()
        stats = dict(zip(words[::2], words[1::2], strict=True))
        return int(stats["nr_throttled"]) / max(int(stats["nr_periods"]), 1)

    def _seconds_until(self, condition: Callable[[], bool]) -> float:
        give_up = time.time() + _PATIENCE_S
        while not condition():
            if time.time() > give_up or self._inspect("{{.State.Running}}") != "true":
                raise ServerError(f"the container did not start in {_PATIENCE_S:g} s; it wrote:\n{self._log()}")
            time.sleep(_POLL_S)
        return time.time() - datetime.fromisoformat(self._inspect("{{.State.StartedAt}}")).timestamp()

    def _inspect(self, template: str) -> str:
        return docker("inspect", "--format", template, self.name)

    def _log(self) -> str:
        return subprocess.run([_client(), "logs", self.name], capture_output=True, text=True, check=False).stderr  # noqa: S603 - fixed

    def _read(self, paths: Sequence[str]) -> str:
        found = f"for f in {' '.join(paths)}; do [ -e $f ] && exec cat $f; done; exit 1"
        return docker("exec", self.name, "sh", "-c", found)


def container(rig: Rig, effort: Effort, image: str, sizes: Sequence[float]) -> Section:
    """Measure an image.

    Args:
        rig: texts.
        effort: how long.
        image: its tag; built before.
        sizes: vCPUs.
    """
    figures = [_measure(rig, effort, image, vcpus) for vcpus in sizes]
    size, compressed = int(docker("image", "inspect", "--format", "{{.Size}}", image)), _compressed_bytes(image)
    for figure in figures:
        figure |= {"image_bytes": size, "compressed_bytes": compressed}
    columns = ["vCPU", "ready", "healthy", "sentences/s", "p50", "p99", "reviews/s", "peak memory", "throttled"]
    rows = [
        [
            f"{it['vcpus']:g}",
            f"{it['ready_s']:.2f} s",
            f"{it['healthy_s']:.2f} s",
            f"{it['sentences_per_s']:.1f}",
            f"{it['sentences_p50_ms']:.0f} ms",
            f"{it['sentences_p99_ms']:.0f} ms",
            f"{it['reviews_per_s']:.1f}",
            f"{it['peak_bytes'] / 2**20:.0f} MiB",
            f"{it['throttled_share']:.0%}",
        ]
        for it in figures
    ]
    notes = [
        f"{image}: {size / 1e6:.0f} MB, {compressed / 1e6:.0f} MB compressed (gzip -6 of docker save).",
        f"{_CALLERS} callers, closed loop. Ready and healthy: median of {_STARTS} starts, from the process's start; "
        "healthy by the engine's own checks, one a second.",
        "Throttled: scheduler periods (100 ms) in which the quota was used up: requests wait there for the next one.",
    ]
    if len(figures) > 1:
        ratio = figures[0]["sentences_per_s"] / figures[-1]["sentences_per_s"]
        notes.append(f"{sizes[0]:g} vCPU gives {ratio:.3f} times the sentences of {sizes[-1]:g}.")
    return Section("container", "The image", figures, Table(columns, rows), notes)


def _measure(rig: Rig, effort: Effort, image: str, vcpus: float) -> dict[str, Any]:
    ready, healthy = [], []
    for _ in range(_STARTS):
        with _running(image, vcpus, "--health-interval", "1s") as started:
            ready.append(started.seconds_to_ready())
            healthy.append(started.seconds_to_healthy())
    figures: dict[str, Any] = {"vcpus": vcpus, "ready_s": quantile(ready, 0.5), "healthy_s": quantile(healthy, 0.5)}
    with _running(image, vcpus) as loaded:
        loaded.seconds_to_ready()
        for corpus in (rig.texts.sentences, rig.texts.reviews):
            requests = itertools.cycle(single(corpus.texts))
            for seconds in (1.0, _SECONDS):  # the first warms up
                load = Generator(loaded.address).closed_loop(requests, _CALLERS, duration_s=effort.lasting(seconds))
                outcome = run(load)
            figures[f"{corpus.name}_per_s"] = outcome.texts_per_s
            for share in (50, 99):
                figures[f"{corpus.name}_p{share}_ms"] = quantile(outcome.latencies_s(), share / 100) * 1000
            figures[f"{corpus.name}_statuses"] = outcome.statuses()
            figures[f"{corpus.name}_generator"] = outcome.generator_note
        figures["throttled_share"] = loaded.throttled_share()
        figures["peak_bytes"] = loaded.peak_bytes()
    return figures


@contextlib.contextmanager
def _running(image: str, vcpus: float, *options: str) -> Iterator[Container]:
    address = Address(HOST, free_port())
    environment = ("--env", f"VERDICT_HOST={address.host}", "--env", f"VERDICT_PORT={address.port}")
    name = docker("run", "--detach", "--cpus", str(vcpus), *_LIMITS, *options, *environment, image)
    try:
        yield Container(name, address)
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
    """Run a docker command and return what it wrote.

    Raises:
        ServerError: if it fails; the message is the engine's own.
    """
    done = subprocess.run([_client(), *arguments], capture_output=True, text=True, check=False)  # noqa: S603 - fixed
    if done.returncode:
        raise ServerError(f"docker {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout.strip()


def _client() -> str:
    if found := shutil.which("docker"):
        return found
    raise ServerError("docker is not on the PATH; the image is measured by running it")
