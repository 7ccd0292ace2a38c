"""Bodies: bytes from the wire, or a domain error that says what is wrong.

The size is enforced while reading, so that a body without ``content-length`` can not fill the memory.
"""

from typing import Final

from starlette.types import Message, Receive

from server.errors import CallerGoneError, OverloadedError, TooLargeError

_BODIES_AT_ONCE: Final = 8
"""Bodies of the largest size that may be arriving at the same time."""


class Bodies:
    """Read bodies: each within its size, all that are arriving within a multiple of that size.

    Args:
        max_body_bytes: of one body.
    """

    def __init__(self, max_body_bytes: int) -> None:
        self._max_body_bytes = max_body_bytes
        self._held_bytes = 0

    async def read(self, receive: Receive, announced: str | None) -> bytes:
        """Return the whole body.

        Args:
            receive: of ASGI.
            announced: the header ``content-length``, if there is one.

        Raises:
            TooLargeError: if it is larger than the setting ``max_body_bytes``.
            OverloadedError: if the bodies that are arriving hold too much memory together.
            CallerGoneError: if the caller disconnects meanwhile.
        """
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
        size = 0
        try:
            while True:
                chunk = _bytes_of(message)
                size += len(chunk)
                self._held_bytes += len(chunk)
                if size > self._max_body_bytes:
                    raise self._too_large("more bytes than that")
                if self._held_bytes > _BODIES_AT_ONCE * self._max_body_bytes:
                    raise OverloadedError(
                        f"bodies of {self._held_bytes} bytes are arriving, at most "
                        f"{_BODIES_AT_ONCE * self._max_body_bytes} are held; retry in a second",
                        retry_after_s=1.0,
                    )
                chunks.append(chunk)
                if not message.get("more_body", False):
                    return b"".join(chunks)
                message = await receive()
        finally:
            self._held_bytes -= size

    def _too_large(self, size: str) -> TooLargeError:
        return TooLargeError(
            f"the body has {size}, at most {self._max_body_bytes} bytes are read; send fewer or shorter texts"
        )


def _bytes_of(message: Message) -> bytes:
    if message["type"] == "http.disconnect":
        raise CallerGoneError("the caller disconnected before its body was complete")
    chunk: bytes = message.get("body", b"")
    return chunk
