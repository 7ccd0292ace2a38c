"""Refused connections: each has an answer that says why, is counted, and leads to a line of the log."""

import json
import re
import socket
import sys
from collections import Counter
from pathlib import Path

import httpx
import pytest

from artifact.child import ServedArtifact
from tests.support.engines import PATIENCE_S
from tests.support.process import server_process

pytestmark = pytest.mark.timeout(120)

REFUSED = {
    "not_http": (b"\x16\x03\x01\x02\x00\x01\r\n\r\n", 400),
    "bad_host": (b"GET / HTTP/1.1\r\n\r\n", 400),
    "large_head": (b"GET / HTTP/1.1\r\nhost: x\r\nx: " + b"a" * 40_000, 431),
}


def exchange(port: int, sent: bytes) -> bytes:
    """Send bytes and return the whole answer, until the server closes."""
    with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as connection:
        connection.sendall(sent)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def count_refused(server: ServedArtifact, reason: str) -> float:
    """Return how many connections a server has refused for a reason."""
    text = httpx.get(f"{server.url}/metrics").text
    found = re.search(rf'verdict_refused_connections_total{{reason="{reason}"}} (\S+)', text)
    return float(found[1]) if found else 0.0


@pytest.mark.parametrize("reason", REFUSED)
def test_a_refusal_is_answered_counted_and_logged(reason: str) -> None:
    """The id in the answer is the one in the log, beside reason and status."""
    sent, status = REFUSED[reason]
    with server_process(log_format="json") as server:
        answer = exchange(server.port, sent)
        assert answer.startswith(b"HTTP/1.1 %d " % status)
        request_id = json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["request_id"]
        line = json.loads(server.wait_for(f".*{request_id}.*").group())
        assert 1 == count_refused(server, reason)
    expected = {"reason": reason, "status": status, "level": "warning", "message": "refused a connection"}
    assert expected == {name: line[name] for name in expected}


def test_many_refusals_write_few_lines() -> None:
    """Ten lines a second have an id; the rest is counted in one line, so that nobody fills the log."""
    sent, _ = REFUSED["bad_host"]
    count = 200
    with server_process(log_format="json") as server:
        for _ in range(count):
            exchange(server.port, sent)
        assert count == count_refused(server, "bad_host")
        server.stop()
    lines = [json.loads(line) for line in server.lines]
    logged: Counter[str] = Counter()
    for line in lines:
        if line["message"] == "refused a connection":
            logged[line["reason"]] += 1
        elif line["message"] == "refused more connections":
            logged.update(line["refused"])
    assert {"bad_host": count} == logged
    assert count > len(lines)


def test_connections_leave_descriptors_for_the_process(tmp_path: Path) -> None:
    """A process with few file descriptors refuses connections with 503 and Retry-After, and serves those it has."""
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\nulimit -n 100\nexec "$PYTHON" "$@"\n')
    python.chmod(0o755)
    with (
        server_process(interpreter=python, PYTHON=sys.executable) as server,
        httpx.Client(base_url=server.url) as first,
    ):
        assert 200 == first.get("/health/live").status_code
        others = [socket.create_connection(("127.0.0.1", server.port), PATIENCE_S) for _ in range(60)]
        answers = [other.recv(4096) for other in others[36:]]
        assert [b"HTTP/1.1 503"] * len(answers) == [answer[:12] for answer in answers]
        assert [b"retry-after: 1"] * len(answers) == [answer[answer.find(b"retry") :][:14] for answer in answers]
        assert 200 == first.post("/predict", json={"text": "good"}).status_code
        refused = first.get("/metrics").text
        for other in others:
            other.close()
    assert re.search(r'refused_connections_total{reason="too_many_connections"} 2[4-6]', refused)


def test_answers_that_are_not_read_are_given_up() -> None:
    """A caller that does not read for the time of a request loses its connection, and that is counted and logged."""
    with server_process(request_timeout_s="1") as server, socket.socket() as mute:
        mute.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        mute.connect(("127.0.0.1", server.port))
        mute.sendall(b"GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n" * 2000)
        server.wait_for('"reason":"unread_answer"')
        assert 1 == count_refused(server, "unread_answer")
