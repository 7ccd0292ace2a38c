"""Servers: start a server on its own cores and wait until it is ready."""

import http.client
import re
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Final

from artifact.child import ROOT, ChildError, server_environment
from benchmarks.load.client import Address
from benchmarks.load.corpus import Texts
from benchmarks.processes.loops import BareLoop
from benchmarks.processes.placement import Placement
from benchmarks.processes.process import Process, server_python

HOST: Final = "127.0.0.1"
_POLL_S: Final = 0.02


@dataclass(frozen=True, slots=True)
class Launch:
    """How to start a server.

    Attributes:
        command: program and arguments; ``{port}`` in them becomes the port.
        environment: added to this process's environment; ``{port}`` likewise.
        directory: where it runs.
        start_timeout_s: how long its start may take.
    """

    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    directory: Path = ROOT
    start_timeout_s: float = 60.0


def verdict(artifact: Path, *, directory: Path = ROOT, settings: Mapping[str, str] | None = None) -> Launch:
    """Return how to start Verdict with an artifact; settings without prefix, such as ``max_batch_tokens``."""
    environment = server_environment(artifact, {"port": "{port}", **(settings or {})})
    return Launch([server_python(), "-m", "server"], environment, directory)


class Server(Process):
    """A server that is ready for requests.

    Args:
        launch: how to start it.
        cores: where it may run.
        group: ``cgroup.procs`` of the control group that limits it.

    Attributes:
        address: where it listens.
        start_s: seconds from the start of the process until it is ready.

    Raises:
        ChildError: if it ends or does not become ready in time.
    """

    def __init__(self, launch: Launch, cores: Sequence[int], group: Path | None = None) -> None:
        self.address = Address(HOST, free_port())
        port = str(self.address.port)
        started = time.perf_counter()
        super().__init__(
            [part.replace("{port}", port) for part in launch.command],
            cores=cores,
            environment={name: value.replace("{port}", port) for name, value in launch.environment.items()},
            directory=launch.directory,
            group=group,
        )
        while not is_ready(self.address):
            late = time.perf_counter() - started > launch.start_timeout_s
            if late or not self.running:
                self.close()
                reason = "was not ready in time" if late else f"ended with exit code {self.process.returncode}"
                raise ChildError(f"{self} {reason}; it wrote:\n{self.log}")
            time.sleep(_POLL_S)
        self.start_s = time.perf_counter() - started

    def counted(self, counter: str) -> int:
        """Return a counter of ``/metrics``: the sum over its labels, 0 where it has none yet."""
        connection = http.client.HTTPConnection(self.address.host, self.address.port)
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
        connection.close()
        found = re.findall(rf"^{re.escape(counter)}(?:\{{.*\}})? (\S+)$", text, re.MULTILINE)
        return round(sum(map(float, found)))


@dataclass(frozen=True, slots=True)
class Rig:
    """Starts servers and bare loops of one artifact on the same cores.

    Attributes:
        artifact: the directory that they run.
        texts: what they get.
        placement: their cores.
        settings: of the server, without prefix; its defaults where empty.
        note: what else the reader must know of this machine.
    """

    artifact: Path
    texts: Texts
    placement: Placement
    settings: Mapping[str, str] = field(default_factory=dict)
    note: str = ""

    def server(self, group: Path | None = None) -> Server:
        """Start the server, in a control group if one is given; it ends with the ``with`` block."""
        return Server(verdict(self.artifact, settings=self.settings), self.placement.server, group)

    def bare(self) -> BareLoop:
        """Start the bare loop; it ends with the ``with`` block."""
        return BareLoop(self.artifact, self.placement.server)


def is_ready(address: Address) -> bool:
    """Ask a server once whether it is ready: whether ``/health/ready`` answers 200 within a second."""
    connection = http.client.HTTPConnection(address.host, address.port, timeout=1)
    try:
        connection.request("GET", "/health/ready")
        return connection.getresponse().status == HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def free_port() -> int:
    """Return a loopback port that is free now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port
