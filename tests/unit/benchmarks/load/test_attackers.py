"""Attackers go on when the server has closed their connection."""

import asyncio

import pytest

from benchmarks.load.attackers import Attackers
from benchmarks.load.client import Address
from benchmarks.load.generator import run


def test_a_connection_that_the_server_has_closed_ends_as_a_connection_error() -> None:
    """Writing on it does not end the whole measurement, whatever the event loop raises."""

    async def write_after_the_end() -> None:
        server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
        async with server:
            host, port = server.sockets[0].getsockname()
            async with Attackers(Address(host, port)).connect() as (reader, writer):
                assert b"" == await reader.read()
                writer.close()
                await writer.wait_closed()
                writer.write(b"x")
                await writer.drain()

    with pytest.raises(OSError, match="closed"):
        run(write_after_the_end())
