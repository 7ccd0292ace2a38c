"""The examples of docs/protocols.md and docs/explain.md, run with curl as written."""

import json
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from artifact.child import ServedArtifact
from server.http.protocols import WIRE_FORMATS, vertex
from tests.support.examples import check_alike, examples
from tests.support.process import ROOT, server_process

DOCUMENT = ROOT / "docs" / "protocols.md"
EXPLAIN = ROOT / "docs" / "explain.md"
DEFAULT = ROOT / "models" / "default"

pytestmark = [
    pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed"),
    pytest.mark.skipif(not (DEFAULT / "manifest.json").exists(), reason="models/default is not in the repository yet"),
]


@pytest.fixture(scope="module")
def server() -> Iterator[ServedArtifact]:
    """Return a server on the model in the repository, as Vertex AI would start it."""
    with server_process(DEFAULT, AIP_PREDICT_ROUTE="/vertex/predict") as process:
        yield process


@pytest.mark.parametrize(
    ("command", "shown"), examples(DOCUMENT) + examples(EXPLAIN), ids=lambda value: str(value)[:40]
)
def test_an_example_answers_what_is_shown(server: ServedArtifact, command: str, shown: Any) -> None:
    """The response has the same keys, labels and messages, and scores within 0.05."""
    words = [word.replace("localhost:8080", server.url) for word in shlex.split(command)]
    answer = subprocess.run(words, capture_output=True, check=True, timeout=30).stdout
    check_alike(shown, json.loads(answer))


def test_every_format_has_an_example_and_its_routes() -> None:
    """A reader finds each name that the setting takes, and each route."""
    text = DOCUMENT.read_text()
    commands = " ".join(command for command, _ in examples(DOCUMENT))
    for each in WIRE_FORMATS[1:]:
        assert f"`{each.name}`" in text
        paths = [route.path for route in each.router.routes]
        assert [] == [path for path in paths if f"{path}`" not in text], each.name
        assert [path for path in paths if f":8080{path} " in f"{commands} "], each.name
    assert f"`{vertex.NAME}`" in text
