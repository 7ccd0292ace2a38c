"""The workflow for GitHub: it is valid, pins its actions and has no more permissions than it needs."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

yaml = pytest.importorskip("yaml")
pytest.importorskip("check_jsonschema")

pytestmark = pytest.mark.development

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yaml"))
BIN = Path(sys.executable).parent

each = pytest.mark.parametrize("workflow", WORKFLOWS, ids=[path.name for path in WORKFLOWS])


@each
def test_it_is_a_workflow(workflow: Path) -> None:
    """The workflow matches GitHub's own schema, which the checker includes."""
    command = [BIN / "check-jsonschema", "--builtin-schema", "vendor.github-workflows", workflow]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert 0 == done.returncode, done.stdout


@each
def test_it_gives_nothing_away(workflow: Path) -> None:
    """zizmor, run offline, finds no injection, leaked token, excessive permission or action by tag."""
    done = subprocess.run(
        [BIN / "zizmor", "--offline", "--no-progress", workflow], capture_output=True, text=True, check=False
    )
    assert 0 == done.returncode, done.stdout


@each
def test_actions_are_pinned_by_commit(workflow: Path) -> None:
    """Each action names a commit, and its version for readers and update bots."""
    lines = [line for line in workflow.read_text().splitlines() if "uses:" in line]
    assert lines
    for line in lines:
        assert re.search(r"uses: [\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$", line), line


def test_every_python_from_the_oldest_allowed_is_tested() -> None:
    """The oldest version is the package's minimum; each later minor version follows without a gap."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    job = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yaml").read_text())["jobs"]["test"]
    minors = [int(version.removeprefix("3.")) for version in job["strategy"]["matrix"]["python"]]
    assert project["requires-python"] == f">=3.{minors[0]}"
    assert list(range(11, 14)) == minors


NOT_IN_MAKE_TEST = {"nginx-light", "docker.io", "mmdebstrap"}
"""Packages of ``make image-test``."""
ON_THE_RUNNER = {"curl", "chromium"}


def test_no_test_is_skipped_for_want_of_a_tool() -> None:
    """The tools that a new machine gets are on the runner or installed; Chromium is asked for its version."""
    job = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yaml").read_text())["jobs"]["test"]
    commands = " ".join(step.get("run", "") for step in job["steps"])
    packages = set(re.findall(r"^ *ensure \S+ (\S+)$", (ROOT / ".ci" / "run").read_text(), re.MULTILINE))
    assert {"prometheus", "chromium"} < packages
    assert set() == packages - NOT_IN_MAKE_TEST - ON_THE_RUNNER - set(commands.split())
    assert "/usr/bin/chromium --version" in commands


@each
def test_rights_are_given_per_job(workflow: Path) -> None:
    """The workflow grants no permission to all jobs; each job lists its own."""
    parsed: dict[str, Any] = yaml.safe_load(workflow.read_text())
    assert {} == parsed["permissions"]
    for name, job in parsed["jobs"].items():
        assert job["permissions"], name
        assert "timeout-minutes" in job, name
