"""The server's imports, and the environment that it sets before them."""

import json
import os
import subprocess
import sys

import pytest

from tests.support.process import ROOT

FORBIDDEN = {"torch", "transformers", "datasets", "onnx", "optimum", "training", "export", "benchmarks"}

_WATCH = """
import importlib, json, os, pkgutil, sys

class Watch:
    telemetry = None

    def find_spec(self, name, path=None, target=None):
        if name == "onnxruntime" and Watch.telemetry is None:
            Watch.telemetry = os.environ.get("ORT_DISABLE_TELEMETRY", "not set")

sys.meta_path.insert(0, Watch())
package = importlib.import_module(sys.argv[1])
for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
    importlib.import_module(module.name)
print(json.dumps({"modules": sorted(sys.modules), "telemetry": Watch.telemetry}))
"""


def import_all(package: str) -> tuple[set[str], str]:
    """Import every module of a package in a separate process.

    Returns:
        The top-level names of all imported modules, and the value of ``ORT_DISABLE_TELEMETRY`` at the first import of
        onnxruntime.
    """
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _WATCH, package], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert 0 == result.returncode, result.stderr
    found = json.loads(result.stdout.splitlines()[-1])
    return {name.partition(".")[0] for name in found["modules"]}, found["telemetry"]


def test_the_server_imports_nothing_of_the_training_stack() -> None:
    """Importing every module of the server imports none of the heavy or unrelated packages."""
    names, telemetry = import_all("server")
    assert set() == names & FORBIDDEN
    assert {"onnxruntime", "tokenizers", "fastapi"} <= names
    assert "1" == telemetry


@pytest.mark.parametrize("package", ["server", "export", "benchmarks"])
def test_importing_a_package_switches_telemetry_off(package: str) -> None:
    """The package itself sets the variable, before any of its modules can import onnxruntime."""
    code = f"import os, sys, {package}; print(os.environ['ORT_DISABLE_TELEMETRY'], 'onnxruntime' in sys.modules)"
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    output = subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, env=environment, text=True)
    assert "1 False" == output.strip()
