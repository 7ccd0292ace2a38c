"""Stalled bodies: senders that stop short of the end give their memory up to others."""

import contextlib
import socket
from collections.abc import Iterator

import httpx
import pytest

from tests.support.engines import PATIENCE_S
from tests.support.process import server_process

pytestmark = pytest.mark.timeout(120)

MAX_BODY_BYTES = 2_097_152
SHORT_BYTES = 2000
BODY = b'{"text": "good"}' + b" " * 1_000_000
"""It is read in several pieces, and larger than eight bodies leave that stop so many bytes short."""
HEAD = b"POST /predict HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: %d\r\n\r\n"
REFUSED = b"HTTP/1.1 429 Too Many Requests"


@contextlib.contextmanager
def sending(port: int, length: int) -> Iterator[socket.socket]:
    """Announce a body and wait until the server reads it."""
    with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as connection:
        connection.sendall(HEAD % length)
        assert b"HTTP/1.1 100 Continue\r\n\r\n" == connection.recv(1024)
        yield connection


def ask(port: int) -> bytes:
    """Send a body that arrives in pieces, and return the answer's status line."""
    with sending(port, len(BODY)) as connection, contextlib.suppress(ConnectionError):  # refused before its end
        connection.sendall(BODY)
        return connection.recv(4096).partition(b"\r\n")[0]
    return REFUSED


@pytest.mark.parametrize("drip", [False, True], ids=["stopped", "dripping"])
def test_stalled_uploads_do_not_refuse_others(*, drip: bool) -> None:
    """Eight bodies that stop short of their ends, or bring a byte now and then, give way after a second, with 408."""
    with server_process(request_timeout_s="600") as server, contextlib.ExitStack() as stack:
        probe = stack.enter_context(httpx.Client(base_url=server.url))
        stalled = [stack.enter_context(sending(server.port, MAX_BODY_BYTES)) for _ in range(8)]
        for connection in stalled:
            connection.sendall(b" " * (MAX_BODY_BYTES - SHORT_BYTES))
        for _ in range(50):  # the event loop reads of every connection before it answers the next
            assert 200 == probe.get("/health/live").status_code
        assert REFUSED == ask(server.port)
        while ask(server.port) == REFUSED:
            for connection in stalled if drip else ():
                with contextlib.suppress(OSError):  # it was given up
                    connection.sendall(b" ")
        server.wait_for('"status":408')
        assert [b"HTTP/1.1 200 OK"] * 5 == [ask(server.port) for _ in range(5)]
