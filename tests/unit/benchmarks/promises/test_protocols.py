"""Requests of every protocol about one text."""

import pytest

from benchmarks.promises.protocols import formats
from server.app import create_app
from server.http.protocols import WIRE_FORMATS
from tests.support.classifiers import FakeClassifier
from tests.support.serving import make_settings, serving

pytestmark = pytest.mark.anyio

UNMEASURED = ("stream", "explain")


async def test_every_request_is_answered() -> None:
    """By the route of its protocol, with the label of the text; streams and explanations alone are not measured."""
    paths = set()
    async with serving(create_app(make_settings(), FakeClassifier())) as client:
        for render in formats("fake").values():
            head, _, body = render("good").payload.partition(b"\r\n\r\n")
            line, *fields = head.decode().split("\r\n")
            path = line.split()[1]
            answer = await client.post(path, content=body, headers=dict(field.split(": ") for field in fields[1:]))
            assert 200 == answer.status_code, answer.text
            assert b"positive" in answer.content
            paths.add(path)
    assert all(any(each.has(path) for path in paths) for each in WIRE_FORMATS[1:] if each.name not in UNMEASURED)
