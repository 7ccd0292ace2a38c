"""Bodies: bytes from the wire, or a domain error that says what is wrong.

The size is enforced while reading and while inflating: neither a body without ``content-length`` nor a small one that
inflates to a large one can fill the memory.
"""

import zlib
from collections.abc import Mapping
from typing import Final

from starlette.types import Message, Receive

from server.errors import (
    CallerGoneError,
    MalformedBodyError,
    TooLargeError,
    UnsupportedEncodingError,
)
from server.http.arrivals import Arrival, Arrivals

_BODIES_AT_ONCE: Final = 8
"""Bodies of the largest size that may be arriving at the same time."""
_ZLIB: Final = zlib.MAX_WBITS
_RAW: Final = -zlib.MAX_WBITS
_WINDOW_BITS: Final[Mapping[str, int]] = {"gzip": 16 + _ZLIB, "x-gzip": 16 + _ZLIB, "deflate": _ZLIB}
"""Arguments of zlib by content coding (RFC 9110, section 8.4.1)."""


class Bodies:
    """Read bodies: each within its size, all that are arriving within a multiple of that size.

    Args:
        max_body_bytes: of one body.
    """

    def __init__(self, max_body_bytes: int) -> None:
        self._max_body_bytes = max_body_bytes
        self._arrivals = Arrivals(_BODIES_AT_ONCE * max_body_bytes)

    async def read(self, receive: Receive, announced: str | None, encoding: str | None = None) -> bytes:
        """Return the whole body, inflated.

        Args:
            receive: of ASGI.
            announced: the header ``content-length``, if there is one.
            encoding: the header ``content-encoding``, likewise.

        Raises:
            UnsupportedEncodingError: if the encoding is neither gzip nor deflate.
            MalformedBodyError: if the body is not encoded so.
            TooLargeError: if it is larger than the setting ``max_body_bytes``.
            OverloadedError: if the bodies that are arriving hold too much memory together, and none is slow.
            SlowBodyError: if it is slow, and others need its memory.
            CallerGoneError: if the caller disconnects meanwhile.
        """
        bits = None if encoding is None else window_bits(encoding)
        body = await self._read(receive, announced)
        return body if bits is None else self._inflate(body, bits)

    def begin(self) -> Arrival:
        """Return a part of a body that begins to arrive; it holds memory beside whole bodies inside ``with``."""
        return self._arrivals.begin()

    async def _read(self, receive: Receive, announced: str | None) -> bytes:
        if announced is not None and announced.isdecimal() and int(announced) > self._max_body_bytes:
            raise self._too_large(f"{announced} bytes")
        message = await receive()
        if message.get("more_body", False):
            return await self._collect(message, receive)
        body = _bytes_of(message)  # most bodies arrive with their heads
        if len(body) > self._max_body_bytes:
            raise self._too_large(f"{len(body)} bytes")
        return body

    async def _collect(self, message: Message, receive: Receive) -> bytes:
        chunks: list[bytes] = []
        with self._arrivals.begin() as arrival:
            while True:
                chunk = _bytes_of(message)
                arrival.add(len(chunk))
                if arrival.size > self._max_body_bytes:
                    raise self._too_large("more bytes than that")
                chunks.append(chunk)
                if not message.get("more_body", False):
                    return b"".join(chunks)
                message = await receive()

    def _inflate(self, body: bytes, bits: int) -> bytes:
        """Return what the body holds; the largest allowed one takes about 5 ms."""
        stream = begin_inflating(body, bits)
        try:
            inflated = stream.decompress(body, self._max_body_bytes + 1)
        except zlib.error as error:
            raise MalformedBodyError(f"the body can not be inflated: {error}") from None
        if len(inflated) > self._max_body_bytes:
            raise self._too_large("more bytes than that when it is inflated")
        if not stream.eof or stream.unused_data:
            what = "bytes behind its end" if stream.eof else "no end"
            raise MalformedBodyError(f"the body can not be inflated: the compressed stream has {what}")
        return inflated

    def _too_large(self, size: str) -> TooLargeError:
        return TooLargeError(
            f"the body has {size}, at most {self._max_body_bytes} bytes are read; send fewer or shorter texts"
        )


def begin_inflating(body: bytes, bits: int) -> "zlib._Decompress":
    """Return what inflates a body.

    Args:
        body: at least two bytes of its beginning, if it has as many.
        bits: of ``window_bits``.
    """
    if bits == _ZLIB and not _is_zlib(body):
        bits = _RAW  # what some clients mean by deflate
    return zlib.decompressobj(bits)


def window_bits(encoding: str) -> int | None:
    """Return zlib's argument for a content coding, None for none.

    Raises:
        UnsupportedEncodingError: if it is neither gzip nor deflate.
    """
    name = encoding.strip().lower()
    if name in {"", "identity"}:
        return None
    if name not in _WINDOW_BITS:
        raise UnsupportedEncodingError(
            f"the body's content-encoding is {encoding!r:.60}; send it in gzip or deflate, or unchanged"
        )
    return _WINDOW_BITS[name]


def _is_zlib(body: bytes) -> bool:
    """Whether bytes begin like a zlib stream (RFC 1950, section 2.2)."""
    return len(body) > 1 and body[0] & 15 == zlib.DEFLATED and int.from_bytes(body[:2], "big") % 31 == 0


def _bytes_of(message: Message) -> bytes:
    if message["type"] == "http.disconnect":
        raise CallerGoneError("the caller disconnected before its body was complete")
    chunk: bytes = message.get("body", b"")
    return chunk
