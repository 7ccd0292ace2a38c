"""Streams: an answer or an error for each line, in order."""

import gzip
import json
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any

import httpx
import pytest

from artifact.manifest import TextOrPair, Truncation
from artifact.scores import Head
from server import errors
from server.app import create_app
from server.http.protocols.stream import answers
from server.inference.classifier import Classification
from tests.support.classifiers import FakeClassifier, FixedClassifier
from tests.support.serving import check_error, make_settings, serving

pytestmark = pytest.mark.anyio

MULTI = Head(("a", "b"), problem="multi_label", thresholds=(0.5, 0.5), activation="sigmoid")
VALUE = Head(("stars",), problem="regression", activation="identity")
Answers = list[dict[str, Any]]


class Failing(FakeClassifier):
    """Fail requests that have a text with a word, and refuse the first ones as if others were faster.

    Args:
        error: raised where a text holds "fail".
        refusals: that many requests find no room.
    """

    def __init__(self, error: BaseException | None = None, refusals: int = 0) -> None:
        super().__init__()
        self._failure = error
        self.refusals = refusals
        self.shares: list[float] = []

    def has_room(self, texts: Sequence[TextOrPair], *, share: float) -> bool:
        """Have none at first."""
        self.shares.append(share)
        return len(self.shares) > self.refusals

    async def classify(
        self, texts: Sequence[TextOrPair], *, truncation: Truncation | None, timeout_s: float
    ) -> Classification:
        """Answer, or fail."""
        if self._failure and any("fail" in text for text in texts):
            raise self._failure
        return await super().classify(texts, truncation=truncation, timeout_s=timeout_s)


async def ask(
    content: bytes | Iterable[bytes], classifier: FakeClassifier | None = None, headers: Any = None, **settings: Any
) -> httpx.Response:
    """Post lines."""

    async def chunks() -> AsyncIterator[bytes]:
        for chunk in [content] if isinstance(content, bytes) else content:
            yield chunk

    async with serving(create_app(make_settings(**settings), classifier or FakeClassifier())) as client:
        return await client.post("/predict/stream", content=chunks(), headers=headers)


def lines_of(*lines: Any) -> bytes:
    """Return objects as lines of JSON."""
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


def read(response: httpx.Response) -> Answers:
    """Return the answers of a stream."""
    assert (200, "application/x-ndjson") == (response.status_code, response.headers["content-type"])
    return [json.loads(line) for line in response.text.splitlines()]


async def test_each_line_has_an_answer_with_its_id_in_order() -> None:
    """With the fields of the native answer; whatever chunks the lines come in."""
    body = lines_of(*({"id": [place], "text": "good" if place % 2 else "bad"} for place in range(200)))
    found = read(await ask([body[at : at + 7] for at in range(0, len(body), 7)]))
    assert [[place] for place in range(200)] == [answer.pop("id") for answer in found]
    good = {"sentiment": 1, "label": "positive", "probabilities": [0.125, 0.875], "tokens": 3, "truncated": False}
    bad = {"sentiment": 0, "label": "negative", "probabilities": [0.75, 0.25], "tokens": 3, "truncated": False}
    assert [bad, good] * 100 == found


async def test_a_wrong_line_has_an_error_in_its_place() -> None:
    """The others are answered; empty lines count and have no answer."""
    body = b'{"text": "good"}\n\n \r\n{"text": ""}\r\nx\n{"text": "good", "id": 3}'
    first, empty, broken, last = read(await ask(body))
    assert ("positive", "positive", 3) == (first["label"], last["label"], last["id"])
    message = "text: the text is empty; send at least one visible character"
    assert {"id": None, "error": {"kind": "invalid_request", "message": message}, "line": 4} == empty
    assert ("invalid_request", 5) == (broken["error"]["kind"], broken["line"])


@pytest.mark.parametrize("head", [MULTI, VALUE])
@pytest.mark.parametrize("pairs", [False, True])
async def test_every_head_answers_as_predict_does(head: Head, pairs: bool) -> None:
    """Several labels and a value, for texts and pairs."""
    line = {"text": "a"} | ({"text_pair": "b"} if pairs else {})
    classifier = FixedClassifier(head, [0.123456789] * len(head.labels), pairs=pairs, unknown=2)
    async with serving(create_app(make_settings(), classifier)) as client:
        native = (await client.post("/predict", json=line)).text
        stream = (await client.post("/predict/stream", json=line)).text
    assert f'{{"id":null,{native[1:]}\n' == stream
    assert [[("a", "b") if pairs else "a"]] * 2 == [texts for texts, *_ in classifier.calls]


async def test_lines_are_answered_in_groups_of_one_truncation() -> None:
    """At most 32 lines and some 16,000 characters are one admission to the queue."""
    classifier = FakeClassifier()
    ways = [None] * 40 + ["head"] * 3 + ["window"] * 2
    read(await ask(lines_of(*({"text": "good"} | ({"truncation": way} if way else {}) for way in ways)), classifier))
    assert [(32, None), (8, None), (3, "head"), (2, "window")] == [
        (len(texts), way) for texts, way, _ in classifier.calls
    ]
    classifier = FakeClassifier()
    read(await ask(lines_of(*({"text": "good " * 1500} for _ in range(5))), classifier))
    assert [2, 2, 1] == [len(texts) for texts, *_ in classifier.calls]


@pytest.mark.parametrize(
    "error", [errors.InvalidRequestError("x"), errors.TooLargeError("x"), errors.TextFailedError(0)]
)
async def test_a_text_that_fails_fails_alone(error: errors.VerdictError) -> None:
    """The others of its group are asked again without it."""
    texts = ["good fail" if place in {3, 4, 31} else "good" for place in range(32)]
    found = read(await ask(lines_of(*({"text": text, "id": text} for text in texts)), Failing(error)))
    assert texts == [answer["id"] for answer in found]
    kinds = [error.kind if "fail" in text else None for text in texts]
    assert kinds == [answer.get("error", {}).get("kind") for answer in found]
    assert [4, 5, 32] == [answer["line"] for answer in found if "error" in answer]


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (errors.TimedOutError("x"), "timed_out"),
        (errors.EngineFailedError("x"), "engine_failed"),
        (ValueError("a bug"), "engine_failed"),
    ],
)
async def test_a_failure_of_the_server_is_told_for_each_line(error: Exception, kind: str) -> None:
    """And the stream goes on."""
    body = lines_of(*[{"text": "fail"}] * 32, {"text": "good"})
    found = read(await ask(body, Failing(error)))
    assert [kind] * 32 == [answer["error"]["kind"] for answer in found[:-1]]
    assert "positive" == found[-1]["label"]


async def test_a_stream_waits_for_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """For half of the queue at first, then for any; no line fails."""
    monkeypatch.setattr(answers, "_LOOK_AGAIN_S", 0.0)
    classifier = Failing(refusals=5)
    assert "label" in read(await ask(lines_of({"text": "good"}), classifier))[0]
    assert [0.5] * 6 == classifier.shares
    monkeypatch.setattr(answers, "_PATIENCE_S", -1.0)
    classifier = Failing(refusals=2)
    assert "label" in read(await ask(lines_of({"text": "good"}), classifier))[0]
    assert [0.5, 1.0, 1.0] == classifier.shares


async def test_a_group_that_others_overtake_tries_again() -> None:
    """Between the look at the queue and the admission, others may have filled it."""

    class Overtaken(FakeClassifier):
        async def classify(self, *args: Any, **kwargs: Any) -> Classification:
            answer = await super().classify(*args, **kwargs)
            if len(self.calls) < 3:
                raise errors.OverloadedError("full", 1.0)
            return answer

    classifier = Overtaken()
    assert "label" in read(await ask(lines_of({"text": "good"}), classifier))[0]
    assert 3 == len(classifier.calls)


async def test_bodies_may_be_compressed() -> None:
    """One that breaks off ends the stream with a last line that says how many lines were answered."""
    body = gzip.compress(lines_of(*[{"text": "good"}] * 100))
    headers = {"content-encoding": "gzip"}
    assert 100 == len(read(await ask(body, headers=headers)))
    *found, last = read(await ask(body[:-3], headers=headers))
    assert 100 == len(found) == last["answered"]
    assert ("invalid_request", 32) == (last["error"]["kind"], len(last["error"]["request_id"]))
    assert "the body can not be inflated: the compressed stream has no end" == last["error"]["message"]


@pytest.mark.parametrize(
    ("headers", "status", "kind"),
    [
        ({"content-type": "text/csv", "x-api-key": "one"}, 415, "invalid_request"),
        ({"content-encoding": "br", "x-api-key": "one"}, 415, "invalid_request"),
        ({"x-request-timeout-ms": "soon", "x-api-key": "one"}, 422, "invalid_request"),
        ({}, 401, "unauthorized"),
    ],
)
async def test_a_wrong_request_is_refused_before_its_stream(headers: Any, status: int, kind: str) -> None:
    """With a status of its own and the native error."""
    check_error(await ask(lines_of({"text": "good"}), headers=headers, api_key="one"), status, kind)


async def test_the_route_can_be_turned_off() -> None:
    """By its name, as those of other protocols."""
    check_error(await ask(b"", protocols="tei"), 404, "not_found")
    assert [] == read(await ask(b"", protocols="stream"))


async def test_a_failing_line_is_counted_by_its_kind() -> None:
    """And those that are answered as predictions."""
    async with serving(create_app(make_settings(), FakeClassifier())) as client:
        await client.post("/predict/stream", content=lines_of({"text": "good"}, {"text": ""}, {"text": "bad"}))
        figures = (await client.get("/metrics")).text
    assert 'verdict_texts_total{outcome="predicted"} 2.0' in figures
    assert 'verdict_texts_total{outcome="invalid_request"} 1.0' in figures
