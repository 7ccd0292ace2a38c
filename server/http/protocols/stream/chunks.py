"""Chunks: a request's body as it arrives, inflated piece by piece."""

import asyncio
import zlib
from collections.abc import AsyncGenerator, Iterator
from typing import Any, Final

from starlette.types import Message, Receive

from server.errors import CallerGoneError, DrainingError, MalformedBodyError, SlowBodyError
from server.http.body import begin_inflating

DRAINING: Final = "the server is shutting down; send the other lines to another one"
_SILENCE_S: Final = 300.0
"""A stream may pause, but a connection whose other end has vanished must end."""
_PIECE_BYTES: Final = 64 * 1024


async def read_chunks(
    receive: Receive, first: asyncio.Future[Message], drain_began: asyncio.Event, bits: int | None
) -> AsyncGenerator[bytes]:
    """Yield a body in pieces of about 64 KiB. The next one is read when it is asked for.

    Args:
        receive: of ASGI.
        first: what the first call of ``receive`` returns.
        drain_began: set when the server begins to drain.
        bits: of ``window_bits``; None for no encoding.

    Raises:
        CallerGoneError: if the caller disconnects.
        DrainingError: if the server drains.
        SlowBodyError: if nothing arrives for 300 seconds.
        MalformedBodyError: if the body is not encoded so.
    """
    inflater = None if bits is None else Inflater(bits)
    draining = asyncio.create_task(drain_began.wait())
    receiving = first
    try:
        while True:
            either: set[asyncio.Future[Any]] = {receiving, draining}
            await asyncio.wait(either, timeout=_SILENCE_S, return_when=asyncio.FIRST_COMPLETED)
            if draining.done():
                raise DrainingError(DRAINING)
            if not receiving.done():
                raise SlowBodyError(f"no line arrived in {_SILENCE_S:g} s; send the other lines in another request")
            message = receiving.result()
            if message["type"] == "http.disconnect":
                raise CallerGoneError("the caller disconnected before its body was complete")
            data, more = message.get("body", b""), message.get("more_body", False)
            if inflater is None:
                yield data
            else:
                for piece in inflater.feed(data, end=not more):
                    yield piece
                    await asyncio.sleep(0)  # one chunk may inflate to a thousand times its size
            if not more:
                return
            receiving = asyncio.ensure_future(receive())
    finally:
        draining.cancel()
        receiving.cancel()


class Inflater:
    """Inflate a stream of gzip members or of deflate.

    Args:
        bits: of ``window_bits``.
    """

    def __init__(self, bits: int) -> None:
        self._bits = bits
        self._stream: zlib._Decompress | None = None
        self._waiting = b""

    def feed(self, data: bytes, *, end: bool) -> Iterator[bytes]:
        """Yield what some bytes inflate to, in pieces of at most 64 KiB.

        Args:
            data: as they arrived.
            end: whether they are the last ones.

        Raises:
            MalformedBodyError: if they can not be inflated, or the last ones end within a member.
        """
        data = self._waiting + data
        self._waiting = b""
        while data:
            if self._stream is None:
                if len(data) == 1 and not end:  # the first two bytes tell which kind of deflate it is
                    self._waiting = data
                    return
                self._stream = begin_inflating(data, self._bits)
            piece = _PIECE_BYTES * b"."
            while len(piece) == _PIECE_BYTES:  # else nothing is left inside
                try:
                    piece = self._stream.decompress(data, _PIECE_BYTES)
                except zlib.error as error:
                    raise MalformedBodyError(f"the body can not be inflated: {error}") from None
                data = self._stream.unconsumed_tail
                yield piece
            if self._stream.eof:
                data, self._stream = self._stream.unused_data, None
        if end and self._stream is not None:
            raise MalformedBodyError("the body can not be inflated: the compressed stream has no end")
