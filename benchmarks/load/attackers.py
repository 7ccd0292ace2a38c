"""Attackers: callers that try to take memory, time or places from others. Each repeats its attack until a deadline."""

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from benchmarks.load.client import Address

_HOST: Final = b"host: x\r\n"
_PROBE: Final = b"GET /health/live HTTP/1.1\r\n" + _HOST + b"\r\n"
_UPLOAD: Final = b"POST /predict HTTP/1.1\r\n" + _HOST + b"content-length: 2097152\r\n\r\n"
_STALLS: Final = 8
_HOLD_S: Final = 3.0
_PAUSE_S: Final = 0.05
_REFUSED: Final = (
    b"\x16\x03\x01\x02\x00\x01\r\n\r\n",
    b"GET / HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\n" + _HOST * 2 + b"\r\n",
    b"GET / HTTP/1.1\r\n" + _HOST + b"x: y\r\n" * 200 + b"\r\n",
)

Attack = Callable[["Attackers"], Awaitable[None]]


@dataclass(slots=True)
class Attackers:
    """Attacks on one server.

    Attributes:
        address: of the server.
        refused: refusals of connections that were received.
    """

    address: Address
    refused: int = 0
    _ends_s: float = field(default=0.0, init=False)

    async def attack(self, duration_s: float) -> None:
        """Carry out all attacks at once, again and again, for some seconds."""
        self._ends_s = time.perf_counter() + duration_s
        async with asyncio.TaskGroup() as group:
            for attack in ATTACKS:
                group.create_task(self._repeat(attack))

    async def _repeat(self, attack: Attack) -> None:
        while time.perf_counter() < self._ends_s:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):  # the server has closed the connection
                await attack(self)
            await asyncio.sleep(_PAUSE_S)

    async def hold(self) -> None:
        """Wait for a few seconds, at most until the end."""
        await asyncio.sleep(max(0.0, min(_HOLD_S, self._ends_s - time.perf_counter())))

    @contextlib.asynccontextmanager
    async def connect(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        """Open a connection and drop it.

        Raises:
            OSError: if the server has closed it.
        """
        reader, writer = await asyncio.open_connection(self.address.host, self.address.port)
        try:
            yield reader, writer
        except RuntimeError as error:  # uvloop's, of a transport that the server has closed
            if writer.transport.is_closing():
                raise ConnectionResetError(str(error)) from error
            raise
        finally:
            writer.transport.abort()


async def _pipeline(attackers: Attackers) -> None:
    """Probes on one connection without a pause, read."""
    async with attackers.connect() as (reader, writer):
        for _ in range(20):
            writer.write(_PROBE * 200)
            await reader.readexactly(len(_PROBE))
        await attackers.hold()


async def _pipeline_unread(attackers: Attackers) -> None:
    """Probes on one connection as long as it takes them, never read."""
    async with attackers.connect() as (_, writer):
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_HOLD_S):
                for _ in itertools.repeat(None):
                    writer.write(_PROBE * 1000)
                    await writer.drain()


async def _stall(attackers: Attackers) -> None:
    """Bodies of the largest size that stop short of their ends."""
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(_STALLS):
            _, writer = await stack.enter_async_context(attackers.connect())
            writer.write(_UPLOAD + b" " * (2_097_152 - 20))
        await attackers.hold()


async def _trickle(attackers: Attackers) -> None:
    """Heads of which a byte arrives now and then."""
    async with contextlib.AsyncExitStack() as stack:
        writers = [(await stack.enter_async_context(attackers.connect()))[1] for _ in range(_STALLS)]
        for byte in _PROBE[:20]:
            for writer in writers:
                writer.write(bytes([byte]))
            await asyncio.sleep(_PAUSE_S)


async def _malform(attackers: Attackers) -> None:
    """Requests that end their connections."""
    for request in _REFUSED:
        async with attackers.connect() as (reader, writer):
            writer.write(request)
            answer = await reader.read()
            attackers.refused += answer.startswith(b"HTTP/1.1 4")


async def _flood(attackers: Attackers) -> None:
    """Connections that bring nothing."""
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(10 * _STALLS):
            await stack.enter_async_context(attackers.connect())
        await attackers.hold()


ATTACKS: Final[Sequence[Attack]] = (_pipeline, _pipeline_unread, _stall, _trickle, _malform, _flood)
