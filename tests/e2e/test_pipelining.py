"""Pipelining: a caller that sends requests without waiting for answers takes no memory and no time from others."""

import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from artifact.child import ServedArtifact
from tests.support.engines import PATIENCE_S
from tests.support.process import server_process

pytestmark = pytest.mark.timeout(120)

KEY = "secret"
PROBE = b"GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n"
BODY = b'{"text": "good"}'
PREDICT = b"POST /predict HTTP/1.1\r\nhost: x\r\n%scontent-length: 16\r\n\r\n" + BODY
SENT_BYTES = 4_000_000
"""The server took 53 bytes of memory for each byte of such requests: 210 MB."""
MOST_BYTES = 30_000_000


def resident_bytes(server: ServedArtifact) -> int:
    """Return the resident memory of a server."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert found
    return int(found[1]) * 1024


@contextmanager
def pipelining(port: int, request: bytes, *, read: bool, connections: int = 1) -> Iterator[Callable[[], int]]:
    """Send requests without pause on connections of their own; yield how many bytes of answers were read."""
    received = [0] * connections
    sockets = [socket.create_connection(("127.0.0.1", port), PATIENCE_S) for _ in range(connections)]
    burst = request * (SENT_BYTES // connections // len(request))

    def send(connection: socket.socket) -> None:
        with suppress(OSError):  # the test has closed it, or nothing was read for so long
            connection.sendall(burst)

    def receive(index: int) -> None:
        with suppress(OSError):  # as above
            while count := len(sockets[index].recv(1 << 20)):
                received[index] += count

    threads = [threading.Thread(target=send, args=[connection]) for connection in sockets]
    if read:
        threads += [threading.Thread(target=receive, args=[index]) for index in range(connections)]
    for thread in threads:
        thread.start()
    try:
        yield lambda: sum(received)
    finally:
        for connection in sockets:
            connection.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join()
        for connection in sockets:
            connection.close()


@pytest.mark.parametrize("read", [True, False], ids=["read", "unread"])
@pytest.mark.parametrize(
    ("request_", "connections"),
    [
        pytest.param(PROBE, 1, id="probes"),
        pytest.param(PREDICT % b"", 1, id="refused predictions"),
        pytest.param(PREDICT % f"x-api-key: {KEY}\r\n".encode(), 1, id="predictions"),
        pytest.param(PROBE, 50, id="50 connections"),
    ],
)
def test_pipelined_requests_take_no_memory(request_: bytes, connections: int, *, read: bool) -> None:
    """Four megabytes of requests on a connection take less than 30 MB, read or not, while others are answered."""
    with server_process(api_key=KEY) as server, httpx.Client(base_url=server.url) as other:
        for _ in range(100):
            assert 200 == other.get("/health/live").status_code
        before, largest = resident_bytes(server), 0
        with pipelining(server.port, request_, read=read, connections=connections) as received:
            for _ in range(500):
                assert 200 == other.post("/predict", json={"text": "good"}, headers={"x-api-key": KEY}).status_code
                largest = max(largest, resident_bytes(server))
            assert bool(received()) == read
        assert MOST_BYTES > largest - before
        assert 200 == other.get("/health/live").status_code
