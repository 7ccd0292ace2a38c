"""Terraform without its registry: a copy of the modules, and the provider from a folder on this machine."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
MODULES = ROOT / "deploy" / "terraform"
PROVIDER = "registry.terraform.io/hashicorp/aws"
# Terraform's own search path, and common folders for offline providers.
_MIRRORS = ["~/.terraform.d/plugins", "~/.local/share/terraform/plugins", "/usr/local/share/terraform/plugins",
            "/usr/share/terraform/plugins", "/opt/tf-plugins", "/opt/terraform/plugins"]  # fmt: skip


def find_mirror() -> Path:
    """Return the folder that holds the AWS provider; skip the test if Terraform or the provider is missing."""
    if not shutil.which("terraform"):
        pytest.skip("terraform is not installed")
    for folder in filter(None, [os.environ.get("TERRAFORM_MIRROR"), *_MIRRORS]):
        mirror = Path(folder).expanduser()
        if (mirror / PROVIDER).is_dir():
            return mirror
    pytest.skip(
        "Terraform's AWS provider is in no local folder; "
        "`terraform -chdir=deploy/terraform/service providers mirror ~/.terraform.d/plugins` puts it there"
    )


class Terraform:
    """The modules in a folder of their own.

    Args:
        folder: empty; receives the modules, the state and Terraform's installed files.
        mirror: holds the provider.
        environment: added to the process environment.
    """

    def __init__(self, folder: Path, mirror: Path, environment: dict[str, str]) -> None:
        self.modules = folder / "deploy" / "terraform"
        shutil.copytree(MODULES, self.modules, ignore=shutil.ignore_patterns(".terraform", "*.tfstate*", "*.tfvars"))
        config = folder / "terraform.rc"
        config.write_text(f'provider_installation {{\n  filesystem_mirror {{\n    path = "{mirror}"\n  }}\n}}\n')
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TF_"))},
            **environment,
            "TF_CLI_CONFIG_FILE": str(config),
            "CHECKPOINT_DISABLE": "1",
            "NO_COLOR": "1",
        }

    def run(self, module: str, *arguments: str) -> str:
        """Run a command in a module and return its output; fail with its errors."""
        done = self.try_run(module, *arguments)
        assert 0 == done.returncode, done.stdout + done.stderr
        return done.stdout

    def try_run(self, module: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run a command in a module."""
        command = ["terraform", f"-chdir={module}", *arguments]
        return subprocess.run(
            command, cwd=self.modules, env=self.environment, capture_output=True, text=True, check=False
        )

    def init(self, module: str) -> None:
        """Install the provider, which must match the lock file."""
        self.run(module, "init", "-input=false", "-lockfile=readonly")

    def outputs(self, module: str) -> dict[str, Any]:
        """Return the module's outputs."""
        return {name: output["value"] for name, output in json.loads(self.run(module, "output", "-json")).items()}
