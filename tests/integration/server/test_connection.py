"""Connections: a request's head is bounded in size and time, by the real server on a real socket."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from fastapi import FastAPI

from server.app import create_app
from server.http.connection import protocol, shared
from tests.support.classifiers import FakeClassifier
from tests.support.figures import read_figures
from tests.support.serving import listening, make_settings

pytestmark = pytest.mark.anyio

BODY = b'{"text": "good"}'
REQUEST = b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: 16\r\n%s\r\n" + BODY
CLOSE = b"connection: close\r\n"


@asynccontextmanager
async def connecting(
    patience_s: float = 20.0, **settings: Any
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Start a server with this protocol on its own socket and connect to it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(protocol, "_PATIENCE_S", patience_s)
        async with listening(create_app(make_settings(**settings), FakeClassifier())) as (host, port):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                yield reader, writer
            finally:
                writer.close()


async def read_all(reader: asyncio.StreamReader) -> bytes:
    """Read until the server closes."""
    return await asyncio.wait_for(reader.read(), 20)


def check_refused(answer: bytes, status: int, kind: str) -> str:
    """Check that a response has the error body and closes the connection; return its message."""
    head, _, body = answer.partition(b"\r\n\r\n")
    assert re.match(rb"HTTP/1.1 %d \w" % status, head), answer
    for header in (b"content-type: application/json", b"connection: close", b"content-length: %d" % len(body)):
        assert header in head.lower()
    assert b"x-content-type-options: nosniff\r\ncache-control: no-store" in head
    error: dict[str, str] = json.loads(body)["error"]
    assert kind == error["kind"]
    assert error["request_id"].encode() in head
    return error["message"]


async def test_requests_on_one_connection_are_answered_in_order() -> None:
    """A connection is kept for the next request, even if it came before the first response."""
    async with connecting() as (reader, writer):
        writer.write(REQUEST % b"x-request-id: one\r\n" + REQUEST % (b"x-request-id: two\r\n" + CLOSE))
        answer = await read_all(reader)
    assert [b"one", b"two"] == re.findall(rb"x-request-id: (\w+)", answer)
    assert 2 == answer.count(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
@pytest.mark.parametrize("wish", [b"", b"connection: keep-alive\r\n", b"connection: close\r\n"])
async def test_a_connection_is_kept_as_its_version_has_it(version: bytes, wish: bytes) -> None:
    """HTTP/1.0 asks for it, as ApacheBench does, and is told; HTTP/1.1 asks for the end (RFC 9112, section 9.3)."""
    request = (REQUEST % wish).replace(b"HTTP/1.1", b"HTTP/" + version)
    kept = wish == b"connection: keep-alive\r\n" or (version == b"1.1" and not wish)
    async with connecting() as (reader, writer):
        writer.write(request + (REQUEST % CLOSE if kept else b""))
        answer = await read_all(reader)
    assert 1 + kept == answer.count(b"HTTP/1.1 200 ")
    assert kept == (b"connection: keep-alive\r\n" in answer)
    assert 1 == answer.count(b"connection: close\r\n")


async def test_a_head_in_pieces_is_put_together() -> None:
    """A request may arrive in pieces of any size."""
    async with connecting() as (reader, writer):
        for byte in REQUEST % CLOSE:
            writer.write(bytes([byte]))
            await writer.drain()
        assert (await read_all(reader)).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(b"x: " + b"a" * 40_000 + b"\r\n", id="a header of 40,000 bytes"),
        pytest.param(b"".join(b"x-%d: %s\r\n" % (i, b"a" * 100) for i in range(400)), id="400 headers"),
    ],
)
async def test_a_large_head_is_refused(head: bytes) -> None:
    """A request head over 32 KiB is refused."""
    async with connecting() as (reader, writer):
        writer.write(REQUEST % head)
        assert "32768 bytes" in check_refused(await read_all(reader), 431, "invalid_request")


async def test_a_body_of_megabytes_is_read_to_its_end() -> None:
    """The connection is read on after each pause for the body's reader."""
    body = json.dumps({"texts": ["good " * 10_000] * 30}).encode()
    head = b"POST /predict/batch HTTP/1.1\r\nhost: x\r\n%scontent-length: %d\r\n\r\n" % (CLOSE, len(body))
    async with connecting(request_timeout_s=20) as (reader, writer):
        writer.write(head + body)
        answer = await read_all(reader)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert 30 == answer.count(b'"positive"')


async def test_a_head_that_never_ends_is_refused() -> None:
    """A sender that adds headers without end is cut off, although its head is never complete."""
    async with connecting() as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * 10_000)
        check_refused(await read_all(reader), 431, "invalid_request")


async def test_a_large_body_is_no_large_head() -> None:
    """The limit applies to heads only: a body may be larger, and the next head is counted from zero."""
    body = json.dumps({"text": "good " * 10_000}).encode()
    head = b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(body)
    async with connecting() as (reader, writer):
        writer.write(head + body)
        await reader.readuntil(b"}")
        writer.write(REQUEST % (b"x: " + b"a" * 20_000 + b"\r\n" + CLOSE))
        assert 1 == (await read_all(reader)).count(b"HTTP/1.1 200 ")


async def test_half_a_head_is_given_up_in_words() -> None:
    """A caller that stops in the middle of a request head gets 408."""
    async with connecting(patience_s=0.05) as (reader, writer):
        writer.write(b"GET /health/live HTTP/1.1\r\nx: y\r\n")
        assert "did not arrive" in check_refused(await read_all(reader), 408, "timed_out")


async def test_half_of_a_later_head_is_given_up_in_words() -> None:
    """The timeout counts for every head of a connection, not for its first alone."""
    async with connecting(patience_s=0.05) as (reader, writer):
        writer.write(REQUEST % b"")
        assert (await asyncio.wait_for(reader.readuntil(b"}"), 20)).startswith(b"HTTP/1.1 200 ")
        writer.write(b"GET /health/live HTTP/1.1\r\nx: y\r\n")
        assert "did not arrive" in check_refused(await read_all(reader), 408, "timed_out")


async def test_half_a_body_is_given_up_in_words() -> None:
    """A body that stops arriving gets 408 and ends the connection."""
    async with connecting(request_timeout_s=0.05) as (reader, writer):
        writer.write(REQUEST[:-1] % b"")
        assert "the body did not arrive in 0.05 s" in check_refused(await read_all(reader), 408, "timed_out")


async def test_silence_is_given_up_without_a_word() -> None:
    """A silent connection is closed without a response, which could be taken for that to a later request."""
    async with connecting(patience_s=0.05) as (reader, _):
        assert b"" == await read_all(reader)


async def test_an_answered_connection_has_no_head_to_wait_for() -> None:
    """The timeout does not count the idle time between two requests."""
    async with connecting(patience_s=0.5) as (reader, writer):
        for _ in range(2):
            writer.write(REQUEST % b"")
            answer = await asyncio.wait_for(reader.readuntil(b"}"), 20)
            assert answer.startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("sent", [b"\x16\x03\x01\x02\x00\x01\r\n\r\n", b"hello\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n"])
async def test_what_is_not_http_is_refused(sent: bytes) -> None:
    """TLS on a plain port, bytes that are not HTTP, and unknown versions get the error body."""
    async with connecting() as (reader, writer):
        writer.write(sent)
        check_refused(await read_all(reader), 400, "invalid_request")


UPGRADE = b"connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n"


async def test_an_offer_of_another_protocol_is_declined() -> None:
    """A client that offers HTTP/2 is answered in HTTP/1.1; its body is read and its connection kept."""
    async with connecting() as (reader, writer):
        for _ in range(2):
            writer.write(REQUEST % UPGRADE)
            answer = await asyncio.wait_for(reader.readuntil(b"}"), 20)
            assert answer.startswith(b"HTTP/1.1 200 ")
        writer.write(REQUEST % CLOSE)
        assert (await read_all(reader)).startswith(b"HTTP/1.1 200 ")


async def test_an_offer_whose_body_comes_later_is_declined_too() -> None:
    """The body may come with the head or later."""
    head, body = (REQUEST % UPGRADE).split(b"\r\n\r\n")
    async with connecting() as (reader, writer):
        writer.write(head + b"\r\n\r\n" + body[:5])
        await writer.drain()
        writer.write(body[5:])
        answer = await asyncio.wait_for(reader.readuntil(b"}"), 20)
    assert answer.startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("target", [b"example.com:443", b"/predict"])
async def test_the_server_is_no_proxy(target: bytes) -> None:
    """A request to connect elsewhere is refused in words."""
    async with connecting() as (reader, writer):
        writer.write(b"CONNECT %b HTTP/1.1\r\nhost: example.com:443\r\n\r\n" % target)
        assert "no proxy" in check_refused(await read_all(reader), 400, "invalid_request")


async def test_connections_leave_room_for_others() -> None:
    """Connections beyond the limit are asked to retry later; one that closes makes room."""
    async with connecting(max_connections=1) as (_, writer):
        host, port = writer.get_extra_info("peername")
        reader, second = await asyncio.open_connection(host, port)
        answer = await read_all(reader)
        second.close()
    assert "too many connections" in check_refused(answer, 503, "overloaded")
    assert b"\r\nretry-after: 1\r\n" in answer


NO_HOST = b"POST /predict HTTP/%s\r\n%scontent-length: 16\r\n\r\n" + BODY


@pytest.mark.parametrize(
    ("version", "hosts", "status"),
    [
        pytest.param(b"1.1", b"", 400, id="none"),
        pytest.param(b"1.1", b"host: x\r\nhost: x\r\n", 400, id="two"),
        pytest.param(b"1.0", b"host: x\r\nhost: y\r\n", 400, id="two in HTTP/1.0"),
        pytest.param(b"1.1", b"host: x/y\r\n", 400, id="a path"),
        pytest.param(b"1.1", b"host: x, y\r\n", 400, id="a list"),
        pytest.param(b"1.0", b"", 200, id="none in HTTP/1.0"),
        pytest.param(b"1.1", b"host:\r\n", 200, id="an empty one"),
        pytest.param(b"1.1", b"Host: [::1]:8080\r\n", 200, id="an address of IPv6"),
    ],
)
async def test_a_request_names_its_host_once(version: bytes, hosts: bytes, status: int) -> None:
    """RFC 9112, section 3.2: a missing, repeated or malformed Host is 400; HTTP/1.0 needs none."""
    async with connecting() as (reader, writer):
        writer.write(NO_HOST % (version, hosts + (CLOSE if status == 200 else b"")))
        answer = await read_all(reader)
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    if status == 400:
        assert "Host" in check_refused(answer, 400, "invalid_request")


async def test_the_host_of_every_request_is_checked() -> None:
    """A connection that has named its host once must name it again."""
    async with connecting() as (reader, writer):
        writer.write(REQUEST % b"" + NO_HOST % (b"1.1", b""))
        first = await asyncio.wait_for(reader.readuntil(b"}"), 20)
        assert first.startswith(b"HTTP/1.1 200 ")
        check_refused(await read_all(reader), 400, "invalid_request")


async def test_many_headers_are_refused() -> None:
    """Short headers take more memory than bytes: more than 100 are refused."""
    async with connecting() as (reader, writer):
        writer.write(REQUEST % (b"a:b\r\n" * 101))
        assert "100 headers" in check_refused(await read_all(reader), 431, "invalid_request")
    async with connecting() as (reader, writer):
        writer.write(REQUEST % (b"a:b\r\n" * 97 + CLOSE))
        assert (await read_all(reader)).startswith(b"HTTP/1.1 200 ")


async def test_a_response_promises_to_keep_its_connection() -> None:
    """The header tells how long, on both paths; the last response of a connection promises nothing."""
    async with connecting(keep_alive_s=7) as (reader, writer):
        for path in (b"POST /predict", b"POST /predict?x"):
            writer.write((REQUEST % b"").replace(b"POST /predict", path))
            answer = await asyncio.wait_for(reader.readuntil(b"}"), 20)
            assert b"\r\nconnection: keep-alive\r\nkeep-alive: timeout=7\r\n" in answer
        writer.write(REQUEST % CLOSE)
        answer = await read_all(reader)
        assert b"connection: close\r\n" in answer
        assert b"keep-alive" not in answer


async def test_an_idle_connection_is_kept_for_its_time() -> None:
    """A connection without a request is closed after the setting, without a word."""
    async with connecting(keep_alive_s=1) as (reader, writer):
        writer.write(REQUEST % b"")
        answer = await read_all(reader)
    assert 1 == answer.count(b"HTTP/1.1 ")


PIECES = {
    "posts": REQUEST % b"",
    "gets": b"GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n",
    "chunks": b"POST /predict HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n10\r\n"
    + BODY
    + b"\r\n0\r\n\r\n",
    "chunks of blank lines": b"POST /predict HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
    + b"4\r\n\r\n\r\n\r\n" * 20
    + b"10\r\n"
    + BODY
    + b"\r\n0\r\n\r\n",
    "offers of another protocol": REQUEST % UPGRADE,
    "refused bodies": b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: 28\r\n\r\n"
    + b'{"text": ""}\r\n\r\nGET / HTTP/1',
}


@pytest.mark.parametrize("kind", PIECES)
@pytest.mark.parametrize("size", [1, 3, 7, 61, 100_000])
async def test_pipelined_requests_are_answered_one_by_one(kind: str, size: int) -> None:
    """Requests in pieces of any size get one answer each; no request is parsed while another waits for its answer."""
    count = 8
    sent = PIECES[kind] * count + REQUEST % CLOSE
    async with connecting() as (reader, writer):
        for at in range(0, len(sent), size):
            writer.write(sent[at : at + size])
            await writer.drain()
        answer = await read_all(reader)
    assert count + 1 == len(re.findall(rb"HTTP/1.1 \d+ ", answer)), answer
    assert (1 if kind == "refused bodies" else count + 1) == answer.count(b"HTTP/1.1 200 ")


async def test_pipelined_requests_take_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the memory for all connections, the one that adds gets the answer that is owed, and is counted."""
    monkeypatch.setattr(shared, "_MAX_HELD_BYTES", 1000)
    app = create_app(make_settings(), FakeClassifier())
    async with listening(app) as (host, port):
        reader, writer = await asyncio.open_connection(host, port)
        writer.write((REQUEST % b"") * 100)
        answer = await read_all(reader)
        writer.close()
    assert 1 == answer.count(b"HTTP/1.1 ")
    assert b"keep-alive" not in answer
    assert 1 == count_refused(app, "too_much_pipelined")


async def test_a_body_that_is_not_http_ends_the_connection() -> None:
    """Its request is answered in words, and the end of the connection is counted."""
    app = create_app(make_settings(request_timeout_s=0.05), FakeClassifier())
    async with listening(app) as (host, port):
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(b"POST /predict HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nno number\r\n")
        check_refused(await read_all(reader), 408, "timed_out")
        writer.close()
    assert 1 == count_refused(app, "not_http")


async def test_a_draining_server_promises_no_further_request() -> None:
    """Its refusal says that the connection ends, once, and nothing of keeping it."""
    app = create_app(make_settings(), FakeClassifier())
    async with listening(app) as (host, port):
        app.state.lifecycle.draining = True
        for path in (b"POST /predict", b"POST /predict?x"):
            reader, writer = await asyncio.open_connection(host, port)
            writer.write((REQUEST % b"").replace(b"POST /predict", path))
            answer = await read_all(reader)
            writer.close()
            check_refused(answer, 503, "draining")
            assert 1 == answer.lower().count(b"connection: ")
            assert b"keep-alive" not in answer


def count_refused(app: FastAPI, reason: str) -> float:
    """Return how many connections an application has refused for a reason."""
    app.state.metrics.ledger.flush()
    return read_figures(app.state.metrics.render()).get(f"verdict_refused_connections_total{{reason={reason}}}", 0)
