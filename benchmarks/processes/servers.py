"""Servers: start what is measured on cores of its own and wait until it is ready."""

import http.client
import os
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Final

from benchmarks.load.client import Address
from benchmarks.processes.process import ROOT, Process, server_python

HOST: Final = "127.0.0.1"
_POLL_S: Final = 0.02


class ServerError(Exception):
    """A server did not become ready; the message holds what it wrote."""


@dataclass(frozen=True, slots=True)
class Launch:
    """How to start a server.

    Attributes:
        command: program and arguments; ``{port}`` in them is the port.
        environment: added to this process's environment; ``{port}`` likewise.
        ready_path: answers 200 once the server takes requests.
        directory: where it runs.
        start_timeout_s: how long it may take.
    """

    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    ready_path: str = "/health/ready"
    directory: Path = ROOT
    start_timeout_s: float = 60.0


def verdict(artifact: Path, *, directory: Path = ROOT, settings: Mapping[str, str] | None = None) -> Launch:
    """Return how to start Verdict with an artifact; settings without their prefix, such as ``max_batch_tokens``."""
    chosen = {f"VERDICT_{name.upper()}": value for name, value in (settings or {}).items()}
    environment = {"VERDICT_HOST": HOST, "VERDICT_PORT": "{port}", "VERDICT_ARTIFACT_DIR": str(artifact.resolve())}
    return Launch([server_python(), "-m", "server"], {**environment, **chosen}, directory=directory)


class Server(Process):
    """A running server, ready for requests.

    Args:
        launch: how to start it.
        cores: where it may run.
        group: ``cgroup.procs`` of the control group that limits it.

    Attributes:
        address: where it listens.
        start_s: seconds from the start of the process to its readiness.

    Raises:
        ServerError: if it ends or does not become ready in time.
    """

    def __init__(self, launch: Launch, cores: Sequence[int], group: Path | None = None) -> None:
        port = free_port()
        self.address = Address(HOST, port)
        started = time.perf_counter()
        super().__init__(
            [part.replace("{port}", str(port)) for part in launch.command],
            cores=cores,
            environment={name: value.replace("{port}", str(port)) for name, value in launch.environment.items()},
            directory=launch.directory,
            group=group,
        )
        self._wait_until_ready(launch, started)
        self.start_s = time.perf_counter() - started

    def _wait_until_ready(self, launch: Launch, started: float) -> None:
        while not is_ready(self.address, launch.ready_path):
            late = time.perf_counter() - started > launch.start_timeout_s
            if late or not self.running:
                self.stop()
                reason = "was not ready in time" if late else f"ended with exit code {self.child.returncode}"
                written = self.log()
                self.close()
                raise ServerError(f"{' '.join(launch.command)} {reason}; it wrote:\n{written}")
            time.sleep(_POLL_S)


def is_ready(address: Address, path: str = "/health/ready") -> bool:
    """Ask a server once whether it takes requests: whether ``path`` answers 200 within a second."""
    connection = http.client.HTTPConnection(address.host, address.port, timeout=1)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def free_port() -> int:
    """Return a port of the loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def pin_load(cores: Sequence[int]) -> None:
    """Keep this process, which sends the load, off the server's cores."""
    if sys.platform == "linux":
        os.sched_setaffinity(0, cores)
