"""The README's commands, run as written: the server gives the responses shown there."""

import re
import shlex
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from artifact.child import ServedArtifact
from tests.support.examples import check_alike, examples
from tests.support.process import ROOT, server_process

README = ROOT / "README.md"
DEFAULT = ROOT / "models" / "default"

pytestmark = [
    pytest.mark.skipif(not README.exists(), reason="README.md is not in the repository yet"),
    pytest.mark.skipif(not (DEFAULT / "manifest.json").exists(), reason="models/default is not in the repository yet"),
]


@pytest.fixture(scope="module")
def server() -> Iterator[ServedArtifact]:
    """Return a server on the model in the repository."""
    with server_process(DEFAULT) as process:
        yield process


def run(command: str, url: str) -> Any:
    """Send what the curl command would send, to this server, and return the JSON it answers."""
    words = shlex.split(command)[1:]
    target = re.sub(r"^(http://)?(localhost|127\.0\.0\.1):8080", url, next(w for w in words if ":8080" in w))
    headers = dict(re.split(r":\s*", value, maxsplit=1) for flag, value in _flags(words) if flag == "-H")
    body = next((value for flag, value in _flags(words) if flag == "-d"), None)
    answer = httpx.request("POST" if body else "GET", target, headers=headers, content=body, timeout=30)
    return answer.json()


def _flags(words: list[str]) -> list[tuple[str, str]]:
    return [(word, words[place + 1]) for place, word in enumerate(words[:-1]) if word in {"-H", "-d"}]


def test_the_readme_shows_predictions() -> None:
    """The README has examples to run: at least one text and one batch."""
    commands = [command for command, _ in examples(README)]
    assert [command for command in commands if "/predict " in command]
    assert [command for command in commands if "/predict/batch " in command]


@pytest.mark.parametrize(
    ("command", "shown"), examples(README), ids=lambda value: value[:40] if isinstance(value, str) else ""
)
def test_an_example_answers_what_is_shown(server: ServedArtifact, command: str, shown: Any) -> None:
    """The response has the same keys, labels and messages, and probabilities within 0.05."""
    check_alike(shown, run(command, server.url))


def test_the_server_says_what_the_readme_says_it_says(server: ServedArtifact) -> None:
    """``make serve`` prints the two lines shown, except for times and the port."""
    assert server.url
    shown = re.findall(r"^\u2026 INFO (.*)$", README.read_text(), re.MULTILINE)
    assert shown
    for line in shown:
        pattern = re.sub(r"[\d.]+ s$", r"[\\d.]+ s", re.escape(line).replace(r"\ ", " ").replace(r"\.", "."))
        server.wait_for(re.sub(r":8080$", r":\\d+", pattern))
