"""The log under attack: for any request bytes, a record is one line and contains none of the caller's text."""

import json
import re
import socket

import pytest

from tests.support.engines import PATIENCE_S
from tests.support.process import server_process

SECRET = b"xyzzy"
FORGED = b"2026-01-01 00:00:00,000 ERROR xyzzy"
BODY = b'{"text": "xyzzy"}'


def post(body: bytes, *headers: bytes, path: bytes = b"/predict") -> bytes:
    """Return the bytes of one request that ends its connection."""
    head = [b"POST " + path + b" HTTP/1.1", b"host: x", b"connection: close", *headers]
    return b"\r\n".join([*head, b"content-length: %d" % len(body), b"", body])


REQUESTS = {
    "a text": post(BODY),
    "a text that is no string": post(b'{"text": {"xyzzy": 1}}'),
    "a text that is too long": post(b'{"text": "%s"}' % (SECRET * 30)),
    "a text with a lone surrogate": post(b'{"text": "xyzzy \\ud800"}'),
    "a text with line feeds": post(b'{"text": "a\\n%s"}' % FORGED),
    "a field that nobody knows": post(b'{"text": "good", "xyzzy": "%s"}' % FORGED),
    "no JSON": post(b"{xyzzy\n" + FORGED),
    "no UTF-8": post(b'{"text": "xyzzy\xff"}'),
    "a wrong media type": post(BODY, b"content-type: text/xyzzy"),
    "a wrong patience": post(BODY, b"x-request-timeout-ms: xyzzy"),
    "a request id with an escape": post(BODY, b"x-request-id: xyzzy\x1b[2K"),
    "a request id with a carriage return": post(BODY, b"x-request-id: a\r" + FORGED),
    "a request id with a line feed": post(BODY, b"x-request-id: a\n" + FORGED),
    "a folded request id": post(BODY, b"x-request-id: a\r\n " + FORGED),
    "a request id in quotes": post(BODY, b'x-request-id: "}\\n{"xyzzy": "'),
    "a path with an encoded line feed": post(BODY, path=b"/a%0d%0a" + FORGED.replace(b" ", b"%20")),
    "a path with an escape": post(BODY, path=b"/%1b%5b2Kxyzzy"),
    "a path that is no UTF-8": post(BODY, path=b"/%ff%fexyzzy"),
    "a path with raw bytes": post(BODY, path=b"/xyzzy\x80\xff"),
    "a query": post(BODY, path=b"/predict?text=xyzzy%0a"),
    "a method that nobody knows": post(BODY).replace(b"POST", b"XYZZY"),
    "a version that nobody knows": post(BODY).replace(b"HTTP/1.1", b"HTTP/xyzzy"),
    "no HTTP": FORGED + b"\r\n\r\n",
    "a body that ends early": post(BODY)[:-4],
    "a key that is wrong": post(BODY, b"authorization: Bearer xyzzy", path=b"/admin/reload"),
}


def exchange(port: int, request: bytes) -> bytes:
    """Send the bytes and return the whole response, until the server closes."""
    with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as connection:
        connection.sendall(request)
        answer = b""
        while received := connection.recv(65536):
            answer += received
        return answer


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_a_caller_writes_nothing_into_the_log(log_format: str) -> None:
    """At the most verbose level every line is a server record without texts, and responses reveal no internals."""
    with server_process(
        log_level="debug", log_format=log_format, max_text_chars="100", request_timeout_s="0.5"
    ) as server:
        answers = {name: exchange(server.port, request) for name, request in REQUESTS.items()}
        server.process.terminate()
        assert 0 == server.wait()
    assert answers["a text"].startswith(b"HTTP/1.1 200 ")
    assert {b"HTTP/1.1 "} == {answer[:9] for answer in answers.values()}
    assert [] == [name for name, answer in answers.items() if b"Traceback" in answer or b".py" in answer]
    assert [] == [line for line in server.lines if SECRET.decode() in line]
    assert [] == [line for line in server.lines if not is_record(line, log_format)]


def is_record(line: str, log_format: str) -> bool:
    """Return whether a line begins and ends as the server's records do."""
    if log_format == "json":
        return {"time", "level", "logger", "message"} <= set(json.loads(line))
    return bool(re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} (DEBUG|INFO|WARNING|ERROR) [ -~]+", line))
