"""The client reads complete responses or none."""

import pytest

pytest.importorskip("httptools")

from benchmarks.load.client import Address, ConnectionLostError, connect
from benchmarks.load.requests import predict, predict_batch
from tests.unit.benchmarks.conftest import OK, FakeServer

pytestmark = pytest.mark.anyio


async def test_a_response_has_status_headers_and_body(fake_server: FakeServer) -> None:
    """Chunks are joined, and the headers that a measurement needs are kept."""

    async def respond(_: int) -> bytes:
        return (
            b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 3\r\nx-other: 1\r\ntransfer-encoding: chunked\r\n\r\n"
            b"2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"
        )

    fake_server.respond = respond
    connection = await connect(fake_server.address)
    response = await connection.send(predict("text"))
    assert (429, {"retry-after": "3"}, b"abc") == (response.status, response.headers, response.body)
    connection.close()


async def test_a_connection_carries_one_request_after_the_other(fake_server: FakeServer) -> None:
    """The body arrives as it was sent."""
    connection = await connect(fake_server.address)
    await connection.send(predict("one"))
    await connection.send(predict_batch(["two", "three"]))
    assert [b'{"text": "one"}', b'{"texts": ["two", "three"]}'] == fake_server.bodies
    assert (1, True) == (fake_server.connections, connection.reusable)
    connection.close()


async def test_a_connection_that_the_server_closes_is_not_reused(fake_server: FakeServer) -> None:
    """A request on it would be lost."""

    async def respond(_: int) -> bytes:
        return OK.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n")

    fake_server.respond = respond
    connection = await connect(fake_server.address)
    await connection.send(predict("text"))
    assert not connection.reusable


async def test_a_connection_that_ends_first_is_an_error(fake_server: FakeServer) -> None:
    """An incomplete response is never returned."""

    async def respond(_: int) -> bytes:
        return b""

    fake_server.respond = respond
    connection = await connect(fake_server.address)
    with pytest.raises(ConnectionLostError):
        await connection.send(predict("text"))


async def test_a_port_without_a_server_is_an_error() -> None:
    """A refused connection differs from a lost one."""
    with pytest.raises(OSError, match=r"refused|failed"):
        await connect(Address("127.0.0.1", 1))
