"""deploy.sh in a copy of the modules, with a replacement for docker on the path."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.deploy.terraform import Terraform

_MAKEFILE = "image:\n\t@docker build -q -t $(IMAGE) --platform $(PLATFORM) .\n"
"""Replaces the tree's own target, which builds the real image; this one builds at most one file in an empty image."""


class DeployScript:
    """The script, in a folder that looks like this tree.

    Args:
        modules: copied to deploy/terraform of a folder that holds nothing else.
        registry: HOST:PORT of a real registry to which a real engine pushes. None: the push is simulated.
    """

    def __init__(self, modules: Terraform, registry: str | None) -> None:
        self.terraform = modules
        self.tree = modules.modules.parents[1]
        (self.tree / "Makefile").write_text(_MAKEFILE)
        (self.tree / "Dockerfile").write_text("FROM scratch\nCOPY Makefile /\n")
        tools = self.tree / "tools"
        tools.mkdir()
        stand_in = tools / "docker"
        stand_in.write_text(f'#!/bin/sh\nexec {sys.executable} {Path(__file__).parent / "docker_stand_in.py"} "$@"\n')
        stand_in.chmod(0o755)
        self._calls = self.tree / "calls"
        self.environment = {
            **modules.environment,
            "PATH": f"{tools}:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "STAND_IN_CALLS": str(self._calls),
            "STAND_IN_DOCKER": shutil.which("docker") or "",
        }
        if registry:
            self.environment["STAND_IN_REGISTRY"] = registry

    @property
    def calls(self) -> list[list[str]]:
        """The calls of docker, in order."""
        return [json.loads(line) for line in self._calls.read_text().splitlines()]

    def run(self, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        """Run the script; the output contains both streams."""
        return subprocess.run(
            [str(self.terraform.modules / "deploy.sh"), *arguments],
            env={**self.environment, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
