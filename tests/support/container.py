"""Containers of the image, run like the smallest task on Fargate, by the engine behind ``docker``.

They share the host's network and listen only on its loopback, so an engine without a bridge can run them.
"""

import json
import os
import shutil
import socket
import subprocess
import time
import uuid
from collections.abc import Sequence
from typing import Any

from artifact.child import ROOT, Child

DOCKER = os.environ.get("DOCKER", "docker")
BASE = "python:3.11-slim-bookworm"
LIMITS = (
    *("--cpus", "0.25", "--memory", "512m", "--memory-swap", "512m", "--read-only", "--tmpfs", "/tmp:size=16m"),  # noqa: S108 - inside
    *("--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--network", "host"),
)
_PULL_S = 240.0
_PEAKS = ("/sys/fs/cgroup/memory.peak", "/sys/fs/cgroup/memory/memory.max_usage_in_bytes")


def docker(*arguments: str, check: bool = True, **options: Any) -> "subprocess.CompletedProcess[str]":
    """Run a docker command to its end and return its output."""
    done = subprocess.run([DOCKER, *arguments], capture_output=True, text=True, check=False, **options)
    assert not check or 0 == done.returncode, f"docker {' '.join(arguments)}: {done.stdout}{done.stderr}"
    return done


def missing_engine() -> str:
    """Return why no image can be built here, or an empty string if one can."""
    if not shutil.which(DOCKER):
        return f"no {DOCKER} on the PATH"
    answer = docker("version", "--format", "{{.Server.Version}}", check=False)
    if answer.returncode:
        return f"no container engine answers: {answer.stderr.strip()}"
    if docker("image", "inspect", BASE, check=False).returncode:
        try:
            pull = docker("pull", "--quiet", BASE, check=False, timeout=_PULL_S)
        except subprocess.TimeoutExpired:
            return f"{BASE} can not be had in {_PULL_S:g} s"
        if pull.returncode:
            return f"{BASE} can not be had: {pull.stderr.strip()}"
    run = docker("run", "--rm", *LIMITS, BASE, "true", check=False, timeout=_PULL_S)
    return f"the engine can run no limited container: {run.stderr.strip()}" if run.returncode else ""


def build(tag: str) -> str:
    """Build the image with the project's own command and return its tag."""
    command = ["make", "image", f"IMAGE={tag}", f"DOCKER={DOCKER}", "BUILD_ARGS=--network host"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert 0 == done.returncode, done.stdout + done.stderr
    return tag


def inspect(name: str) -> dict[str, Any]:
    """Return the engine's description of an image or a container."""
    (document,) = json.loads(docker("inspect", name).stdout)
    return document


def reserve_port() -> int:
    """Return a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Container(Child):
    """A running container with its log; ``wait`` returns its exit code.

    Args:
        name: of the container.
        options: of ``docker run``, up to the image.
    """

    def __init__(self, name: str, options: Sequence[str]) -> None:
        super().__init__([DOCKER, "run", "--name", name, *options, "serve"])
        self.name = name
        self._started = int(time.time())

    def wait_until_healthy(self) -> None:
        """Wait until the engine reports the container as healthy; fail if it ends first."""
        filters = (f"container={self.name}", "event=health_status", "event=die")
        command = [DOCKER, "events", "--since", str(self._started - 1), "--format", "{{.Status}}"]
        for each in filters:
            command += ["--filter", each]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as events:
            assert events.stdout is not None
            try:
                found = next(line.strip() for line in events.stdout if "unhealthy" not in line)
            finally:
                events.kill()
        assert "health_status: healthy" == found, self.log

    def execute(self, *command: str) -> str:
        """Run a command in it and return its output."""
        return docker("exec", self.name, *command).stdout

    def peak_bytes(self) -> int:
        """Return the peak memory of its control group."""
        for path in _PEAKS:
            done = docker("exec", self.name, "cat", path, check=False)
            if done.returncode == 0:
                return int(done.stdout)
        raise AssertionError(f"the engine's control group has none of {_PEAKS}")

    def stop(self) -> int:
        """Stop it with SIGTERM and time to drain, as an orchestrator does; return the exit code."""
        if self.running:
            docker("stop", "--time", "30", self.name)
        return self.wait()

    def close(self) -> None:
        """Remove it, whether it runs or not."""
        docker("rm", "--force", "--volumes", self.name, check=False)
        self.wait()  # for the client of a container that is gone
        super().close()


def container(image: str, *options: str, **settings: str) -> Container:
    """Run the image within ``LIMITS``; used as a context manager, it is removed after the block.

    Args:
        image: its tag.
        options: of ``docker run``.
        settings: environment variables; ``VERDICT_`` is put before those in lower case. Without a port it
            gets a free one: the health check must know the port, so the server cannot choose it.
    """
    environment = {"host": "127.0.0.1"} | ({} if "PORT" in settings else {"port": str(reserve_port())}) | settings
    variables = []
    for variable, value in environment.items():
        variables += ["--env", f"{f'VERDICT_{variable.upper()}' if variable.islower() else variable}={value}"]
    return Container(f"verdict-test-{uuid.uuid4().hex[:12]}", [*LIMITS, *options, *variables, image])
