"""The scripts of the image: slimming its libraries, checking its health, labelling it."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from tests.support.process import ROOT, server_process

SCRIPTS = ROOT / "deploy" / "container"
EXTENSION = Path(orjson.orjson.__file__)  # the compiled module
ENCODE = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location("orjson.orjson", sys.argv[1])
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
print(module.dumps({"text": [1, 2.5, None]}).decode())
"""


def run(*command: str | Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run Python on a script or a piece of code."""
    variables = os.environ | environment
    return subprocess.run(
        [sys.executable, *command], cwd=ROOT, env=variables, capture_output=True, text=True, check=False
    )


def test_a_cut_library_answers_as_before(tmp_path: Path) -> None:
    """A library loses only bytes that no process maps, and still computes the same result."""
    spec = importlib.util.spec_from_file_location("slim", SCRIPTS / "slim.py")
    assert spec
    assert spec.loader
    slim = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(slim)
    whole = EXTENSION.read_bytes()
    cut = slim.mapped(whole)
    assert len(cut) < len(whole)
    assert cut[64:] == whole[64 : len(cut)]  # the header no longer has the offset of the sections
    (tmp_path / EXTENSION.name).write_bytes(cut)
    done = run("-c", ENCODE, tmp_path / EXTENSION.name)
    assert '{"text":[1,2.5,null]}' == done.stdout.strip(), done.stderr
    assert b"#!/bin/sh" == slim.mapped(b"#!/bin/sh")


def test_the_health_check_tells_ready_from_absent() -> None:
    """Exit code 0 while the server accepts requests; 1 and the address if no server listens."""
    with server_process() as server:
        done = run(SCRIPTS / "healthcheck.py", VERDICT_PORT=str(server.port))
        assert (0, "HTTP/1.1 200 OK") == (done.returncode, done.stdout.strip())
        port = str(server.port)
    done = run(SCRIPTS / "healthcheck.py", VERDICT_HOST="0.0.0.0", PORT=port)  # noqa: S104 - it asks there
    assert 1 == done.returncode
    assert f"127.0.0.1:{port}" in done.stderr or f"0.0.0.0:{port}" in done.stderr


def test_the_build_is_told_what_it_is_made_of() -> None:
    """Version, revision and model reach the labels; a folder that is not an artifact is refused before the build."""
    done = run(SCRIPTS / "build_args.py", "models/default", SOURCE_DATE_EPOCH="86400")
    lines = done.stdout.splitlines()
    assert "--build-arg MODEL_NAME=verdict-minilm" in lines
    assert "--build-arg CREATED=1970-01-02T00:00:00+00:00" in lines


@pytest.mark.parametrize(("model", "message"), [("models/none", "is not an artifact"), ("tests/data/tiny", "models/")])
def test_a_model_that_can_not_be_built_in_is_refused(model: str, message: str) -> None:
    """The message names the directory and the remedy."""
    done = run(SCRIPTS / "build_args.py", model)
    assert 1 == done.returncode
    assert message in done.stderr
    assert model in done.stderr
