"""Bodies: any bytes that are not a valid request get a clear error."""

import asyncio
import codecs
import functools
import gzip
import json
import tracemalloc
import zlib
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from hypothesis import example, given
from hypothesis import strategies as st
from starlette.types import Message, Receive

from server.app import create_app
from server.errors import CallerGoneError, OverloadedError, TooLargeError
from server.http.body import Bodies
from tests.support.classifiers import FakeClassifier
from tests.support.serving import check_error, make_settings, serving

pytestmark = pytest.mark.anyio

SURROGATE = b'"\\ud800"'


@functools.cache
def small_app() -> FastAPI:
    """Return an application with small limits."""
    settings = make_settings(max_text_chars=100, max_body_bytes=2048, max_items_per_request=4)
    return create_app(settings, FakeClassifier())


async def send(body: bytes | AsyncIterator[bytes], path: str = "/predict", **headers: str) -> httpx.Response:
    """Post bytes to the server with small limits."""
    async with serving(small_app()) as client:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return await client.post(path, content=body, headers=sent)


def raw_deflate(body: bytes) -> bytes:
    """Compress without zlib's header and checksum."""
    stream = zlib.compressobj(wbits=-15)
    return stream.compress(body) + stream.flush()


GOOD = b'{"text": "good"}'
PACKED = gzip.compress(GOOD, mtime=0)  # a time in it would be in the tests' names, which workers compare


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", PACKED),
        ("GZIP", PACKED),
        ("x-gzip", PACKED),
        ("deflate", zlib.compress(GOOD)),
        ("deflate", raw_deflate(GOOD)),
        ("identity", GOOD),
        ("", GOOD),
        ("gzip", gzip.compress(codecs.BOM_UTF8 + GOOD, mtime=0)),
    ],
)
async def test_a_compressed_body_is_read(encoding: str, body: bytes) -> None:
    """Gzip and both meanings of deflate are inflated, whatever the case of the name."""
    answer = await send(body, content_encoding=encoding)
    assert (200, "positive") == (answer.status_code, answer.json()["label"])


@pytest.mark.parametrize("encoding", ["br", "zstd", "compress", "gzip, gzip", "deflate;q=1"])
async def test_another_encoding_is_refused_by_name(encoding: str) -> None:
    """The message has the encoding, and the header those that can be read."""
    answer = await send(GOOD, content_encoding=encoding)
    assert encoding in check_error(answer, 415, "invalid_request")
    assert "gzip, deflate" == answer.headers["accept-encoding"]


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", GOOD),
        ("deflate", b"\xff" + GOOD),
        ("gzip", b""),
        ("deflate", b""),
        ("gzip", PACKED[:-1]),
        ("gzip", PACKED + b"x"),
        ("gzip", PACKED + PACKED),
        ("deflate", zlib.compress(GOOD)[:-4] + b"0000"),
    ],
)
async def test_a_broken_stream_is_malformed(encoding: str, body: bytes) -> None:
    """A stream that is no stream, has no end, a wrong checksum or more behind its end gets 400."""
    message = check_error(await send(body, content_encoding=encoding), 400, "invalid_request")
    assert message.startswith("the body can not be inflated: ")


async def test_the_inflated_size_is_limited_while_inflating() -> None:
    """Half a gigabyte in half a megabyte is refused without ever being in memory."""
    stream = zlib.compressobj(9, wbits=31)
    bomb = b"".join(stream.compress(bytes(1 << 20)) for _ in range(512)) + stream.flush()
    bodies = Bodies(1 << 20)
    tracemalloc.start()
    try:
        with pytest.raises(TooLargeError, match="inflated"):
            await bodies.read(body_of(bomb), None, "gzip")
        assert 4 << 20 > tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def body_of(body: bytes) -> Receive:
    """Return ASGI's ``receive`` of a request with this body."""

    async def receive() -> Message:
        return {"type": "http.request", "body": body}

    return receive


@given(st.sampled_from(["gzip", "deflate"]), st.binary(max_size=64), st.booleans())
def test_no_compressed_bytes_are_a_failure(encoding: str, body: bytes, genuine: bool) -> None:
    """Any bytes in any encoding are answered with a prediction or a refusal."""
    packed = gzip.compress(body, mtime=0) if genuine else body
    assert asyncio.run(send(packed, content_encoding=encoding)).status_code in {200, 400, 422}


async def test_a_byte_order_mark_is_skipped() -> None:
    """Clients on Windows send one; JSON does not allow it, and parsers may ignore it (RFC 8259, section 8.1)."""
    assert 200 == (await send(codecs.BOM_UTF8 + GOOD)).status_code
    assert 400 == (await send(codecs.BOM_UTF8 * 2 + GOOD)).status_code


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"good", id="a bare word"),
        pytest.param(b'{"text": "good"', id="cut off"),
        pytest.param(b"{'text': 'good'}", id="single quotes"),
        pytest.param(b'{"text": "good"} {}', id="two documents"),
        pytest.param(b'{"text": "go\xffod"}', id="invalid UTF-8"),
        pytest.param("{}".encode("utf-16"), id="UTF-16"),
        pytest.param(b'{"text": "go\nod"}', id="raw line feed in a string"),
        pytest.param(b"[" * 1500, id="nested too deep"),
        pytest.param(b'{"text": "\\ud8"}', id="half an escape"),
    ],
)
async def test_what_is_not_json_is_malformed(body: bytes) -> None:
    """Bytes that are not JSON in UTF-8 get 400 and the position of the error."""
    message = check_error(await send(body), 400, "invalid_request")
    assert message.startswith("the body is not JSON: ")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        pytest.param(b"{}", "text: Field required", id="no text"),
        pytest.param(b"[]", "body: Input should be an object", id="not an object"),
        pytest.param(b"null", "body: Input should be an object", id="null"),
        pytest.param(b'{"text": 5}', "text: Input should be a valid string, not 5", id="a number"),
        pytest.param(b'{"text": null}', "text: Input should be a valid string, not None", id="no text but null"),
        pytest.param(b'{"text": ["good"]}', "text: Input should be a valid string", id="a list"),
        pytest.param(b'{"text": NaN}', "text: Input should be a valid string", id="not a number"),
        pytest.param(b'{"text": ' + b"1" * 2000 + b"}", "text: Input should be a valid string", id="a long number"),
        pytest.param(b'{"text": ""}', "text: the text is empty", id="empty"),
        pytest.param(b'{"text": " \\n\\t\\u00a0\\u2003"}', "text: the text is empty", id="blank"),
        pytest.param(b'{"text": "go\\ud800od"}', "text: the text holds a lone surrogate", id="lone surrogate"),
        pytest.param(b'{"text": "good", "texts": []}', "texts: Extra inputs are not permitted", id="unknown field"),
        pytest.param(b'{"text": "good", ' + SURROGATE + b": 1}", "unicode", id="lone surrogate in a field's name"),
        pytest.param(b'{"text": "good", "x": ' + SURROGATE + b"}", "x: Extra inputs", id="in an unknown field"),
        pytest.param(
            b'{"text": "good", "truncation": "tail"}',
            "truncation: Input should be 'head', 'head_tail' or 'window', not 'tail'",
            id="unknown truncation",
        ),
        pytest.param(b'{"text": "good", "truncation": ' + SURROGATE + b"}", "unicode", id="surrogate as truncation"),
        pytest.param(b'{"text": "good", "truncation": 1}', "truncation: Input should be", id="truncation a number"),
    ],
)
async def test_a_wrong_shape_type_or_value_is_invalid(body: bytes, words: str) -> None:
    """An invalid JSON request gets 422, which names the field, the error and the value sent."""
    assert words in check_error(await send(body), 422, "invalid_request")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        pytest.param(b'{"texts": []}', "texts: List should have at least 1 item", id="no texts"),
        pytest.param(b'{"texts": "good"}', "texts: Input should be a valid array", id="a string"),
        pytest.param(b'{"texts": ["good", ""]}', "texts.1: the text is empty", id="one empty"),
        pytest.param(b'{"texts": ["good", 1]}', "texts.1: Input should be a valid string, not 1", id="one a number"),
        pytest.param(b'{"texts": ["good", ' + SURROGATE + b"]}", "texts.1: the text holds a lone", id="one surrogate"),
        pytest.param(b'{"text": "good"}', "texts: Field required", id="the body of the other route"),
    ],
)
async def test_one_wrong_text_refuses_the_batch(body: bytes, words: str) -> None:
    """A batch is accepted whole or refused: the message names the position of the first invalid text."""
    assert words in check_error(await send(body, "/predict/batch"), 422, "invalid_request")


@pytest.mark.parametrize("text", ["good", "good\u0000", "\U0001f600 good", "\ufeffgood", "go\u0301od", "\u202egood"])
async def test_any_unicode_text_is_taken(text: str) -> None:
    """All valid Unicode that is not blank reaches the model, escaped or not."""
    for ascii_only in (True, False):
        answer = await send(json.dumps({"text": text}, ensure_ascii=ascii_only).encode())
        assert 200 == answer.status_code


@pytest.mark.parametrize("truncation", ["head", "head_tail", "window", None])
async def test_the_way_to_truncate_reaches_the_classifier(truncation: str | None) -> None:
    """The three modes, and none for the model's default, are passed on unchanged."""
    classifier = FakeClassifier()
    async with serving(create_app(make_settings(request_timeout_s=7), classifier)) as client:
        answer = await client.post("/predict", json={"text": "good", "truncation": truncation})
    assert 200 == answer.status_code
    assert [(["good"], truncation, 7.0)] == classifier.calls


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "nonsense"]
)
async def test_another_media_type_is_refused(content_type: str) -> None:
    """A body of another media type gets 415, which names the accepted type."""
    answer = await send(b'{"text": "good"}', content_type=content_type)
    assert "application/json" in check_error(answer, 415, "invalid_request")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"content_type": ""},
        {"content_type": "application/json"},
        {"content_type": "Application/JSON; charset=utf-8"},
        {"content_type": "application/vnd.verdict+json"},
    ],
)
async def test_json_is_taken_by_any_of_its_names(headers: dict[str, str]) -> None:
    """Media types ending in JSON are accepted, and so is a body without a media type."""
    assert 200 == (await send(b'{"text": "good"}', **headers)).status_code


async def test_a_body_over_the_limit_is_too_large() -> None:
    """A body that announces more bytes than the limit is refused before any byte is read."""
    message = check_error(await send(b'{"text": "' + b"a" * 3000 + b'"}'), 413, "too_large")
    assert "3012 bytes" in message
    assert "2048" in message


async def test_a_body_of_unannounced_size_is_too_large_as_well() -> None:
    """A chunked body is read only up to the limit."""
    sent = 0

    async def chunks() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(100):
            sent += 1024
            yield b" " * 1024

    check_error(await send(chunks()), 413, "too_large")
    assert sent <= 4 * 1024


async def test_a_body_of_exactly_the_limit_is_read() -> None:
    """The limit itself is allowed."""
    body = b'{"text": "good"}'
    assert 200 == (await send(body + b" " * (2048 - len(body)))).status_code
    check_error(await send(body + b" " * (2049 - len(body))), 413, "too_large")


def receive_of(*chunks: bytes, whole: bool = True) -> Receive:
    """Return an ASGI ``receive`` that delivers the chunks; a body that is not whole ends with a disconnect."""
    messages: list[Message] = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
    if whole:
        messages[-1]["more_body"] = False
    else:
        messages.append({"type": "http.disconnect"})
    arriving = iter(messages)

    async def receive() -> Message:
        return next(arriving)

    return receive


@given(chunks=st.lists(st.binary(max_size=6), min_size=1, max_size=6))
@example(chunks=[b"a" * 16])
@example(chunks=[b"a" * 17])
@example(chunks=[b"a" * 8, b"b" * 8])
async def test_a_body_is_its_chunks_in_order_or_too_large(chunks: list[bytes]) -> None:
    """A body of at most 16 bytes comes back whole, however it was cut; a longer one is refused."""
    body = b"".join(chunks)
    if len(body) <= 16:
        assert body == await Bodies(16).read(receive_of(*chunks), None)
    else:
        with pytest.raises(TooLargeError, match="at most 16 bytes"):
            await Bodies(16).read(receive_of(*chunks), None)


@pytest.mark.parametrize("announced", [None, "", "16", "many"])
async def test_one_message_may_be_a_whole_body(announced: str | None) -> None:
    """ASGI may leave out that no more follows, and an announced size that is no number is not trusted."""

    async def receive() -> Message:
        return {"type": "http.request", "body": b"a" * 16}

    assert b"a" * 16 == await Bodies(16).read(receive, announced)


async def test_bodies_that_arrive_hold_at_most_eight_of_the_largest() -> None:
    """Eight bodies of the largest size may arrive together; one byte more is refused, and fits when one has gone."""
    bodies = Bodies(16)
    pauses = [asyncio.Event() for _ in range(8)]

    def paused(pause: asyncio.Event) -> Receive:
        messages = [{"type": "http.request", "body": b"a" * 16, "more_body": True}, {"type": "http.request"}]

        async def receive() -> Message:
            if len(messages) == 1:
                await pause.wait()
            return messages.pop(0)

        return receive

    reading = [asyncio.create_task(bodies.read(paused(pause), None)) for pause in pauses]
    await asyncio.sleep(0)  # each holds its first chunk
    with pytest.raises(OverloadedError, match=r"129 bytes are arriving, at most 128") as refused:
        await bodies.read(receive_of(b"b", b""), None)
    assert 1.0 == refused.value.retry_after_s
    pauses[0].set()
    assert b"a" * 16 == await reading[0]
    assert b"b" == await bodies.read(receive_of(b"b", b""), None)
    for pause in pauses:
        pause.set()
    assert [b"a" * 16] * 8 == await asyncio.gather(*reading)


@pytest.mark.parametrize("chunks", [(), (b"a",), (b"a" * 16,)], ids=["nothing", "a byte", "all that fits"])
async def test_a_caller_that_goes_holds_no_memory(chunks: tuple[bytes, ...]) -> None:
    """A caller that disconnects before its body is complete is told apart, and its bytes are free again."""
    bodies = Bodies(16)
    for _ in range(9):  # more than may be held at once
        with pytest.raises(CallerGoneError, match="before its body was complete"):
            await bodies.read(receive_of(*chunks, whole=False), None)
    assert b"c" * 16 == await bodies.read(receive_of(b"c" * 15, b"c"), None)


async def test_a_long_text_is_too_large() -> None:
    """Characters are counted, not bytes, and the message names the text, its length and the limit."""
    assert 200 == (await send(json.dumps({"text": "\u00e9" * 100}).encode())).status_code
    message = check_error(
        await send(json.dumps({"texts": ["a", "b" * 101]}).encode(), "/predict/batch"), 413, "too_large"
    )
    assert message.startswith("text 1 has 101 characters, at most 100")


async def test_many_texts_are_too_large() -> None:
    """A request with too many texts is refused, and the message has both numbers."""
    assert 200 == (await send(b'{"texts": ["a", "b", "c", "d"]}', "/predict/batch")).status_code
    message = check_error(await send(b'{"texts": ["a", "b", "c", "d", "e"]}', "/predict/batch"), 413, "too_large")
    assert message.startswith("the request has 5 texts, at most 4")


async def test_a_message_stays_short_whatever_was_sent() -> None:
    """The message quotes only a few characters of the input, so an error is never as large as its request."""
    for body in (
        b'{"text": "good", "' + b"k" * 1500 + b'": 1}',
        b'{"text": "good", "truncation": "' + b"k" * 1500 + b'"}',
    ):
        assert len(check_error(await send(body), 422, "invalid_request")) < 250


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=()))
FIELDS = st.sampled_from(["text", "texts", "truncation", "inputs"]) | st.text(st.characters(exclude_categories=()))
DOCUMENTS = st.recursive(
    SCALARS | st.sampled_from(["good", "head", "window"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(FIELDS, inner, max_size=4),
    max_leaves=8,
)


@given(document=DOCUMENTS, path=st.sampled_from(["/predict", "/predict/batch"]), ascii_only=st.booleans())
@example(document={"text": "good", "\ud800": 1}, path="/predict", ascii_only=True)
@example(document={"texts": ["good"], "truncation": "\udfff"}, path="/predict/batch", ascii_only=True)
async def test_any_json_is_answered_or_refused(document: Any, path: str, ascii_only: bool) -> None:
    """For any JSON, the response is predictions or the error body, and never a server error."""
    body = json.dumps(document, ensure_ascii=ascii_only).encode(errors="surrogatepass")
    _check_answered_or_refused(await send(body, path))


@given(body=st.binary(max_size=64), path=st.sampled_from(["/predict", "/predict/batch"]))
async def test_any_bytes_are_answered_or_refused(body: bytes, path: str) -> None:
    """For any bytes, the response is predictions or the error body, and never a server error."""
    _check_answered_or_refused(await send(body, path))


def _check_answered_or_refused(answer: httpx.Response) -> None:
    if answer.status_code == 200:
        assert {"predictions", "sentiment"} & set(answer.json())
    else:
        assert answer.status_code in {400, 413, 422}
        kind = "too_large" if answer.status_code == 413 else "invalid_request"
        assert check_error(answer, answer.status_code, kind)
