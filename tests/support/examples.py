"""Examples in documents: a command, and the JSON that it answers."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

_PAIR = re.compile(r"^```\w*\n\$ (curl [^\n]*)\n```\n```json\n(.*?)\n```$", re.MULTILINE | re.DOTALL)
_SCORES = {"probabilities", "score", "probs", "scores", "score_without", "contribution", "contributions"}
_CLOSE = 0.05
_OF_A_REQUEST = {"request_id", "id", "created"}
_OF_A_MACHINE = {"MaxConcurrentTransforms"}
_OF_A_MODEL = {"version", "model_version"}


def examples(document: Path) -> list[tuple[str, Any]]:
    """Return every curl command of a document that is followed by the JSON it answers."""
    text = document.read_text() if document.exists() else ""
    return [(command, json.loads(answer)) for command, answer in _PAIR.findall(text)]


def check_alike(shown: Any, answered: Any, name: str = "") -> None:
    """Check that an answer has the shown shape, labels and messages, and nearly the shown scores."""
    assert type(shown) is type(answered)
    if isinstance(shown, dict):
        assert list(shown) == list(answered)
        for key in shown:
            check_alike(shown[key], answered[key], key)
    elif isinstance(shown, list):
        assert len(shown) == len(answered)
        for one, other in zip(shown, answered, strict=True):
            check_alike(one, other, name)
    elif name in _SCORES:
        assert pytest.approx(shown, abs=_CLOSE) == answered
    elif name not in _OF_A_REQUEST | _OF_A_MACHINE | _OF_A_MODEL:
        assert shown == answered
